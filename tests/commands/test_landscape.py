r"""Tests for the energy_gans.commands.landscape and planes modules."""

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch
from PIL import Image

from energy_gans.cli import main
from energy_gans.commands.landscape import _load_plane_model, _particles
from energy_gans.commands.models import potential_field
from energy_gans.functional import flow_time, keyed_generator
from energy_gans.methods import GGCN, VAPO, Flow
from energy_gans.networks import FourierMLP
from energy_gans.plots import plane as planes
from energy_gans.plots.plane import Plane

RING = torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])


def drawn(ckpt_path: str, out: Path, *more: str) -> dict[str, list]:
    r"""Returns the titles of panels, the potential's times and the particles of a picture."""
    seen: dict[str, list] = {"titles": [], "times": [], "particles": []}
    frame, surface, points = Plane.frame, Plane.surface, planes.draw_points

    def framed(self: Plane, axis: object, title: str, labelled: bool = True) -> None:
        seen["titles"].append(title)
        frame(self, axis, title, labelled)

    def timed(self: Plane, time: float | None) -> object:
        seen["times"].append(time)
        return surface(self, time)

    def dotted(axis: object, x: torch.Tensor, size: float, colour: str) -> object:
        if colour == planes.GENERATED:
            seen["particles"].append(x)
        return points(axis, x, size, colour)

    with (
        mock.patch.object(Plane, "frame", framed),
        mock.patch.object(Plane, "surface", timed),
        mock.patch.object(planes, "draw_points", dotted),
    ):
        main(["landscape", "--ckpt_path", ckpt_path, "--out", str(out), "--n", "20", *more])
    return seen


def frames_of(path: Path) -> Iterator[tuple[Image.Image, int]]:
    r"""Yields the frames of a film, and how long they stay."""
    with Image.open(path) as film:
        for i in range(film.n_frames):
            film.seek(i)
            yield film.convert("RGB"), film.info["duration"]


@pytest.mark.parametrize(
    "name, panels",
    [
        ("points", [f"step {i}" for i in range(4)]),
        ("plane", ["samples"]),
        ("vapo_plane", [f"time {i / 5:.2f}" for i in range(6)]),
    ],
)
def test_a_picture_shows_the_potential_and_particles(
    trained: Callable, tmp_path: Path, name: str, panels: list[str]
) -> None:
    seen = drawn(trained(name), tmp_path / "a.png")
    assert seen["titles"] == ["potential, its gradient, and real points", *panels]
    assert seen["times"] == [None]
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 1000


def test_particles_stand_in_the_potential_of_their_time(trained: Callable, tmp_path: Path) -> None:
    seen = drawn(trained("vapo_time"), tmp_path / "a.png", "--time", "0.3")
    assert seen["titles"][0] == "potential, its gradient, and real points, time 0.3"
    assert seen["times"] == pytest.approx([0.3, 0, 0.2, 0.4, 0.6, 0.8, 1])
    seen = drawn(trained("vapo_time"), tmp_path / "b.png")
    assert seen["times"] == pytest.approx([1, 0, 0.2, 0.4, 0.6, 0.8])


def test_a_film_shows_particles_at_every_time(trained: Callable, tmp_path: Path) -> None:
    path = trained("vapo_time")
    seen = drawn(path, tmp_path / "a.gif", "--frames", "3", "--seed", "4")
    model = _load_plane_model(path, None)
    z = torch.randn(20, 2, generator=keyed_generator(4, "landscape"))
    with torch.no_grad():
        expected = [z, *model.solve(model.sampling_network, z, None, 3)]
    assert len(seen["particles"]) == 4
    for x, y in zip(seen["particles"], expected, strict=True):
        torch.testing.assert_close(x, y)
    assert seen["times"] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]
    frames = [*frames_of(tmp_path / "a.gif")]
    # The last one stays for a second.
    assert sum(time for _, time in frames) == pytest.approx((3 + 1 + 12) * 1000 / 12, rel=0.05)
    assert len({frame.tobytes() for frame, _ in frames}) >= 4


def test_a_film_draws_a_potential_without_time_once(trained: Callable, tmp_path: Path) -> None:
    seen = drawn(trained("points"), tmp_path / "a.gif")
    assert seen["titles"] == [f"step {i}" for i in range(4)]
    assert seen["times"] == [None]
    moved = (seen["particles"][0] - seen["particles"][-1]).norm(dim=1)
    assert moved.min() > 0


def test_samples_that_do_not_move_are_the_models(trained: Callable) -> None:
    path = trained("plane")
    model = _load_plane_model(path, None)
    states, x = _particles(model, 9, 5, None, 2)
    assert states == []
    assert torch.equal(x, model.sample(9, random=keyed_generator(2, "landscape")))


def test_chains_end_where_samples_do(trained: Callable) -> None:
    path = trained("points")
    model = _load_plane_model(path, None)
    states, x = _particles(model, 9, 2, None, 2)
    assert [state.time for state in states] == [0, 2, 3]
    torch.testing.assert_close(x, model.sample(9, random=keyed_generator(2, "landscape")))


def test_a_flow_with_classes_flows_to_none_or_to_one() -> None:
    network = FourierMLP(hidden_features=[8], frequencies=4, classes=5)
    model = VAPO(descriptor=network, shape=[2], classes=4, flow=Flow("euler", 3)).eval()
    z = torch.randn(9, 2, generator=keyed_generator(0, "landscape"))
    for label, known in ((None, 4), (2, 2)):
        states, x = _particles(model, 9, 3, label, 0)
        assert states[-1].time == 1.0
        with torch.no_grad():
            expected = model.solve(network, z, torch.full((9,), known))[-1]
        torch.testing.assert_close(x, expected)


def test_a_class_of_an_energy_has_to_be_chosen(trained: Callable) -> None:
    path = trained("classes")
    with mock.patch.object(GGCN, "sample_shape", (2,)):
        assert _load_plane_model(path, 3).classes == 10
        with pytest.raises(ValueError, match="'label' should be given, from 0 to 9: each class"):
            _load_plane_model(path, None)


@pytest.mark.parametrize("time", [0.0, 0.4, 1.0])
def test_the_surface_is_the_potential_and_its_gradient(trained: Callable, time: float) -> None:
    model = _load_plane_model(trained("vapo_time"), None)
    plane = Plane(lambda s: potential_field(model, None, s), RING, {0: RING})
    surface = plane.surface(time)
    a = torch.stack([surface.u[7], surface.v[7]], 1).requires_grad_()
    phi = model.averaged.module(a, time=torch.full((len(a),), time)).flatten()
    (slope,) = torch.autograd.grad(phi.sum(), a)
    torch.testing.assert_close(surface.phi[7], phi.detach())
    torch.testing.assert_close(surface.force[7], slope)


def test_the_plane_holds_real_points_and_most_particles() -> None:
    start = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) * 3
    plane = Plane(lambda s: None, RING + 5, {0: start, 1: 0 * start})
    sides = plane.high - plane.low
    assert sides[0].item() == pytest.approx(sides[1].item())
    for points, share in ((RING + 5, 1.0), (start, 0.93)):
        inside = ((points > plane.low) & (points < plane.high)).all(1)
        assert inside.float().mean() >= share


def test_a_flat_potential_is_drawn() -> None:
    plane = Plane(lambda s: lambda a: 0 * a.sum(1), RING, {0: RING})
    film = [*planes.landscape_film(plane, {0: RING, 1: -RING}, {0: None, 1: None})]
    assert len({image.tobytes() for image in film}) == 2
    picture = planes.landscape_picture(plane, {0: RING}, {0: None}, 1.0)
    assert picture.size[0] > 1000


@pytest.mark.parametrize("timed", [False, True])
def test_a_potential_is_evaluated_once_at_each_time(timed: bool) -> None:
    plane = Plane(lambda s: lambda a: a.sum(1), RING, {0: RING})
    course = {t / 4: RING for t in range(5)}
    times = {t: t if timed else None for t in course}
    with mock.patch.object(plane, "surface", wraps=plane.surface) as surface:
        planes.landscape_picture(plane, course, times, 1.0)
    assert surface.call_count == (5 if timed else 1)


def test_the_colour_bar_names_potentials_that_are_drawn() -> None:
    # The highest level, 0.64, is no tick, and the tick above it is 0.8.
    plane = Plane(lambda s: lambda a: 0.9 * a[:, 0] / plane.high[0] - 0.3, RING, {0: RING})
    figures = []
    with mock.patch.object(planes, "render", figures.append):
        planes.landscape_picture(plane, {0: RING}, {0: None}, 1.0)
    bar = next(a for a in figures[0].subfigs[0].axes if a.get_ylabel() == "potential")
    (low, high), numbers = bar.get_ylim(), bar.get_yticks()
    assert len(numbers) >= 4 and low <= numbers.min() and numbers.max() <= high
    names = [float(t.get_text().replace("\N{MINUS SIGN}", "-")) for t in bar.get_yticklabels()]
    assert names == pytest.approx(numbers.tolist())


def test_the_potential_knows_the_time_of_its_training(trained: Callable) -> None:
    model = _load_plane_model(trained("vapo_time"), None)
    x = model.starting_points(3, random=torch.Generator().manual_seed(0))
    times = [(f.time, f.potential_time) for f in model.trajectory(x, 4)]
    assert times == [(i / 4, pytest.approx(i / 4)) for i in range(5)]
    model.jacobian = False
    for frame in model.trajectory(x, 4):
        expected = flow_time(torch.tensor(frame.time), model.sharpness).clamp(max=1).item()
        assert frame.potential_time == pytest.approx(expected)
    other = _load_plane_model(trained("vapo_plane"), None)
    assert {frame.potential_time for frame in other.trajectory(x, 4)} == {None}


@pytest.mark.parametrize(
    "name, arguments, told",
    [
        ("vapo", [], r"should hold a model of points in the plane, got one of .*\(1, 8, 8\)"),
        ("plane", ["--out", "a.gif"], "'out' should end in .png for a CoulombGAN, whose samples"),
        ("points", ["--out", "a.npz"], "'out' should end in .png or .gif, got 'a.npz'"),
        ("vapo_plane", ["--time", "0.5"], "'time' should be left out: the potential of this VAPO"),
        ("vapo_time", ["--time", "1.5"], r"'time' should be in \[0, 1\], got 1.5"),
        ("vapo_time", ["--time", "1", "--out", "a.gif"], "'time' should be left out of a film"),
        ("points", ["--frames", "9"], "'frames' should be left out of a picture, got 9"),
        ("points", ["--frames", "0", "--out", "a.gif"], "'frames' should be at least 1"),
        ("points", ["--n", "0"], "'n' should be at least 1"),
        ("points", ["--label", "1"], "'label' should be left out: this GCN has no classes, got 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    refused: Callable, name: str, arguments: list[str], told: str
) -> None:
    refused("landscape", name, arguments, told)


@pytest.mark.parametrize("ending", ["png", "gif"])
def test_a_file_that_is_there_is_kept(trained: Callable, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_text("mine")
    with pytest.raises(SystemExit, match=f"a.{ending}' exists: choose another name"):
        main(["landscape", "--ckpt_path", trained("points"), "--out", str(path)])
    assert path.read_text() == "mine"
