r"""Tests for the energy_gans.commands.particles modules, with the flow of the EIEG metric."""

from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.utils import make_grid

from energy_gans.cli import main
from energy_gans.commands.inputs import open_samples
from energy_gans.commands.particles.course import _spacing, _table_cells
from energy_gans.commands.particles.flow import Flow
from energy_gans.commands.particles.particles import particles
from energy_gans.commands.particles.pictures import film_of
from energy_gans.commands.particles.samples import data_batches
from energy_gans.data import EmbeddedDigits, Ring
from energy_gans.data.base import to_unit_range
from energy_gans.functional import elastic
from energy_gans.functional.particles import particle_velocity

DIGITS = ["--data", "EmbeddedDigits", "--data.digits", "8x8", "--data.size", "8"]
RING = ["--data", "Ring", "--data.samples", "32", "--data_batch", "32"]
SHORT = ["--particles", "8", "--steps", "20"]


def test_images_make_a_film_and_an_array(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["particles", *DIGITS, *SHORT, "--data_batch", "100", "--out", "last.npz"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.npz", "last.png"]
    x = np.load("last.npz")["samples"]
    assert (x.shape, x.dtype) == ((8, 1, 8, 8), np.float32)
    with Image.open("last.png") as image:
        assert image.size[0] == pytest.approx(1200, abs=2)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[:3]] == ["| step", "| 0", "| 1"]
    assert rows[-1].startswith("| 20 | ")
    assert len(rows) == 1 + 8


def test_images_in_a_file_can_be_evaluated(tmp_path: Path) -> None:
    out = tmp_path / "last.npz"
    moved = particles(EmbeddedDigits("8x8", 8), 16, 100, 2, out=out)
    assert moved.x.abs().max() > 1
    assert np.array_equal(np.load(out)["samples"], moved.x.clamp(-1, 1).numpy())
    assert open_samples(str(out), None, 1).batch(0).shape == (16, 1, 8, 8)


def test_a_film_ends_with_the_nearest_training_image() -> None:
    data = EmbeddedDigits("8x8", 8)
    y, _ = next(iter(data.loader("train", [torch.tensor([5, 900])])))
    x = to_unit_range(y)
    with mock.patch("energy_gans.plots.images.make_grid", wraps=make_grid) as grid:
        film_of({0: -2 * x, 3: x + 0.01}, data)
    images, columns = grid.call_args.args
    assert columns == 3
    rows = images.unflatten(0, (2, 3))
    assert torch.equal(rows[:, 2], y)
    assert (rows[:, 1].int() - y.int()).abs().max() <= 2
    assert torch.equal(rows[:, 0] == 255, x <= -0.5)


def test_the_table_says_what_the_state_is(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "last.npz"
    numbers = ["--attraction", "1", "--repulsion", "0", "--cutoff", "0.5", "--step_size", "0.3"]
    main(["particles", *RING, *SHORT, *numbers, "--steps", "400", "--out", str(out)])
    cells = capsys.readouterr().out.split("| 400 | ")[1].split(" |\n")[0].split(" | ")
    x = torch.from_numpy(np.load(out)["samples"])
    y = Ring(samples=32).contents("train")[0]
    speed = particle_velocity(x, y, 0.5, 1.0, 1.0, 0.0).norm(dim=1).mean()
    assert float(cells[3]) == pytest.approx(speed.item(), abs=1e-5)
    r = torch.cdist(x, x).fill_diagonal_(torch.inf).amin(1)
    assert float(cells[1]) == pytest.approx(r.median().item(), rel=1e-2, abs=1e-5)
    # Without repulsion points fall into the same few places.
    assert float(cells[2]) > 0.2


def test_the_energy_of_the_table_is_that_of_distinct_pairs_at_any_power() -> None:
    y, x = (torch.randn(n, 32, generator=torch.Generator().manual_seed(n)) for n in (40, 30))
    flow = Flow(lambda x, step: torch.zeros_like(x), partial(elastic, cutoff=1e-3))
    row = _table_cells(x, y, flow, 0)
    k = [
        (r[~r.isinf()] ** -31).mean()
        for r in (
            torch.cdist(y, y).double().fill_diagonal_(torch.inf),
            torch.cdist(x, x).double().fill_diagonal_(torch.inf),
            torch.cdist(y, x).double(),
        )
    ]
    assert float(row[0]) == pytest.approx(((k[0] + k[1]) / 2 - k[2]).item(), rel=1e-2)


def test_a_run_is_a_function_of_its_seed(tmp_path: Path) -> None:
    last = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        out = tmp_path / f"{name}.npz"
        main(["particles", *RING, *SHORT, "--data_batch", "8", "--seed", seed, "--out", str(out)])
        last.append(np.load(out)["samples"])
    assert np.array_equal(last[0], last[1])
    assert not np.array_equal(last[0], last[2])


def test_batches_are_functions_of_the_seed_and_the_step() -> None:
    data = EmbeddedDigits("8x8", 8)
    short, long = (list(data_batches(data, 600, steps, 3)) for steps in (3, 7))
    assert (len(short), len(long)) == (3, 7)
    assert all(torch.equal(a, b) for a, b in zip(short, long, strict=False))
    assert short[0].dtype == torch.float32
    assert (short[0].amin(), short[0].amax()) == (-1, 1)
    assert not torch.equal(long[0], long[2])


def test_points_coincide_on_the_scale_of_the_data() -> None:
    y = 10 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    x = torch.tensor([[0.0, 0.0], [0.005, 0.0], [1.0, 0.0], [1.0, 3.0]])
    median, share = _spacing(x, y)
    assert share == 0.5
    assert median == pytest.approx(0.005)


def test_an_existing_file_is_kept_before_anything_moves(tmp_path: Path) -> None:
    taken = tmp_path / "last.png"
    taken.write_bytes(b"mine")
    for name in ("last.png", "last.npz"):
        with pytest.raises(SystemExit, match="'out' = .*last.png' exists: choose another name"):
            main(["particles", *RING, *SHORT, "--out", str(tmp_path / name)])
    assert taken.read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1
    main(["particles", *RING, *SHORT, "--out", str(taken), "--overwrite", "true"])
    assert taken.read_bytes() != b"mine"


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([*RING, "--cutoff", "0"], "'cutoff' should be positive"),
        ([*RING, "--power", "2"], "'power' should be between 0 and the dimension 2"),
        ([*RING, "--power", "-1"], "'power' should be between 0 and the dimension 2"),
        ([*DIGITS, "--power", "null", "--cutoff", "1e-9"], "beyond float64"),
        ([*RING, "--attraction", "0"], "'attraction' should be positive"),
        ([*RING, "--repulsion", "-1"], "'repulsion' should be finite and at least 0"),
        ([*RING, "--step_size", "0"], "'step_size' should be positive"),
        ([*RING, "--steps", "0"], "'steps' should be at least 1"),
        ([*RING, "--particles", "1"], "'particles' should be at least 2"),
        ([*RING, "--data_batch", "33"], "'data_batch' should be at most .*, 32, got 33"),
        ([*RING, "--data.samples", "1"], "'data' should hold at least 2 training samples"),
        ([*RING, "--data_batch", "0"], "'data_batch' should be at least 1"),
        ([*RING, "--out", "last.pdf"], "'out' should end in .png or .npz or .gif"),
        (
            ["--data", "GaussianMixture", "--data.means", "[[0, 0, 0]]", "--data.std", "1"],
            r"'data' should be images or points in the plane, got shape \(3,\)",
        ),
        (["--data", "MNIST", "--data.root", "nowhere"], "MNIST is not in"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=told):
        main(["particles", *arguments])
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""
