r"""Tests for the energy_gans.commands.synthesize module."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.utils import make_grid

from energy_gans.cli import main
from energy_gans.commands.real_data import held_out_samples
from energy_gans.commands.synthesize import _chain_times
from energy_gans.commands.trajectories import follow_trajectory
from energy_gans.data import EmbeddedDigits
from energy_gans.functional import keyed_generator
from energy_gans.metrics.images import to_uint8
from energy_gans.storage import load_model


def states(ckpt_path: str, folder: Path, *more: str) -> torch.Tensor:
    out = folder / "last.npz"
    given = ["--ckpt_path", ckpt_path, "--out", str(out), "--overwrite", "true", "--n", "5"]
    main(["synthesize", *given, *more])
    return torch.from_numpy(np.load(out)["samples"])


def strip(ckpt_path: str, folder: Path, *more: str) -> torch.Tensor:
    r"""Returns the images of the film, uint8, with shape (rows, columns, C, H, W)."""
    given = ["--ckpt_path", ckpt_path, "--out", str(folder / "film.png"), "--n", "5"]
    with mock.patch("energy_gans.plots.images.make_grid", wraps=make_grid) as grid:
        main(["synthesize", *given, *more])
    images, columns = grid.call_args.args
    return images.unflatten(0, (-1, columns))


def noise(*shape: int) -> tuple[torch.Tensor, torch.Generator]:
    random = keyed_generator(0, "synthesize")
    return 2 * torch.rand(*shape, generator=random) - 1, random


def test_chains_are_a_plain_loop(
    trained: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    x = states(trained("gcn"), tmp_path, "--steps", "4", "--every", "2")
    rows = [r.strip("|").split("|") for r in capsys.readouterr().out.splitlines() if r[:1] == "|"]
    network = load_model(trained("gcn")).sampling_descriptor
    a, random = noise(5, 1, 8, 8)
    seen = {}
    for step in range(5):
        a = a.requires_grad_()
        phi = network(a).flatten()
        (slope,) = torch.autograd.grad(phi.sum(), a)
        seen[step] = phi.mean().item(), slope.flatten(1).norm(dim=1).mean().item()
        if step < 4:
            shaken = 0.1 * torch.randn(a.shape, generator=random)
            a = (a.detach() + 0.1**2 / 2 * slope + shaken).clamp(-1, 1)
    torch.testing.assert_close(x, a.detach())
    assert [int(row[0]) for row in rows[2:]] == [0, 2, 4]
    for row in rows[2:]:
        assert [float(cell) for cell in row[1:]] == pytest.approx(seen[int(row[0])], rel=1e-3)


def test_a_film_goes_from_the_start_to_the_end(trained: Callable, tmp_path: Path) -> None:
    images = strip(trained("gcn"), tmp_path)
    assert images.shape == (5, 4, 1, 8, 8)
    assert torch.equal(images[:, 0], to_uint8(noise(5, 1, 8, 8)[0]))
    assert torch.equal(images[:, -1], to_uint8(states(trained("gcn"), tmp_path)))
    with Image.open(tmp_path / "film.png") as image:
        assert image.size[0] > 500


@pytest.mark.parametrize("name", ["gcn", "ggcn", "grids"])
def test_chains_start_at_held_out_data(trained: Callable, tmp_path: Path, name: str) -> None:
    images = strip(trained(name), tmp_path, "--start", "data", "--seed", "4")
    y, _ = held_out_samples(EmbeddedDigits("8x8", 8), 5, 4)
    assert torch.equal(images[:, 0], to_uint8(y))
    assert not torch.equal(images[:, 0], images[:, -1])


@pytest.mark.parametrize("name", ["ggcn", "classes"])
def test_chains_start_at_the_generator(trained: Callable, tmp_path: Path, name: str) -> None:
    model = load_model(trained(name))
    label = [] if model.classes is None else ["--label", "3"]
    images = strip(trained(name), tmp_path, "--start", "generator", *label)
    z = torch.randn(5, 4, generator=keyed_generator(0, "synthesize"))
    x = model.decode(z, torch.full((5,), 3) if label else None)
    assert torch.equal(images[:, 0], to_uint8(x))


def test_the_class_decides_the_potential(trained: Callable, tmp_path: Path) -> None:
    path, start = trained("classes"), ["--start", "data", "--steps", "1", "--seed", "4"]
    own = states(path, tmp_path, *start)
    _, label = held_out_samples(EmbeddedDigits("8x8", 8), 5, 4)
    first, other = (
        states(path, tmp_path, *start, "--label", str(k)) for k in (label[0].item(), 9)
    )
    assert torch.equal(own[0], first[0])
    assert not torch.equal(own[0], other[0])


def test_a_run_is_a_function_of_its_seed(trained: Callable, tmp_path: Path) -> None:
    a, b, c = (states(trained("ggcn"), tmp_path, "--seed", seed) for seed in ("1", "1", "2"))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_points_are_pictured_in_the_plane(trained: Callable, tmp_path: Path) -> None:
    out = tmp_path / "plane.png"
    main(["synthesize", "--ckpt_path", trained("points"), "--n", "20", "--out", str(out)])
    with Image.open(out) as image:
        assert image.size[0] > 900


def test_times_are_even_with_both_ends() -> None:
    assert _chain_times(20, None, True) == list(range(0, 21, 2))
    assert _chain_times(2, None, True) == [0, 1, 2]
    assert _chain_times(10, 4, True) == [0, 4, 8, 10]
    assert _chain_times(10, 99, True) == [0, 10]
    assert len(_chain_times(1000, 53, True)) == 20
    assert len(_chain_times(1000, 1, False)) == 1001


def test_chains_that_run_away_are_refused(trained: Callable) -> None:
    model = load_model(trained("gcn"))
    x = torch.full((2, 1, 8, 8), torch.inf)
    with pytest.raises(ValueError, match="The chains are not finite any more"):
        follow_trajectory(model, x, [0, 1], None, torch.Generator())


@pytest.mark.parametrize(
    "name, arguments, told",
    [
        ("coulomb", [], "holds a CoulombGAN, which has no chains: it should be of GCN or GGCN or"),
        ("gcn", ["--start", "generator"], "'start' should be 'noise' or 'data' for a GCN, which"),
        ("gcn", ["--start", "zero"], "start.*'noise', 'data', 'generator'"),
        ("gcn", ["--steps", "0"], "'steps' should be at least 1"),
        ("gcn", ["--n", "0"], "'n' should be at least 1"),
        ("gcn", ["--every", "0"], "'every' should be at least 1"),
        ("gcn", ["--steps", "100", "--every", "5"], "'every' should be at least 6 for a picture"),
        ("gcn", ["--label", "1"], "'label' should be left out: this GCN has no classes, got 1"),
        ("classes", ["--label", "10"], "'label' should be from 0 to 9, got 10"),
        ("gcn", ["--out", "a.pdf"], "'out' should end in .png or .npz"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    refused: Callable, name: str, arguments: list[str], told: str
) -> None:
    refused("synthesize", name, arguments, told)
