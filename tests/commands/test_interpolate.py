r"""Tests for the energy_gans.commands.interpolate module."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from energy_gans.cli import main
from energy_gans.commands.interpolate import Interpolation
from energy_gans.functional import keyed_generator
from energy_gans.functional.interpolation import slerp
from energy_gans.storage import load_model


def ends(n: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 2, size, generator=keyed_generator(seed, "interpolate"))


def samples(ckpt_path: str, folder: Path, *more: str) -> torch.Tensor:
    out = folder / "paths.npz"
    given = ["--ckpt_path", ckpt_path, "--out", str(out), "--overwrite", "true", "--n", "5"]
    main(["interpolate", *given, *more])
    return torch.from_numpy(np.load(out)["samples"])


def test_a_ggcn_goes_straight_between_clipped_latents(
    trained: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = trained("ggcn")
    x = samples(path, tmp_path)
    assert x.shape == (5, 10, 1, 8, 8)
    assert "5 linear paths of 10 samples, latents clipped to 1: " in capsys.readouterr().out
    model, z = load_model(path), ends(5, 4).clamp(-1, 1)
    assert (z.abs() == 1).any()
    for i in range(10):
        latent = (1 - i / 9) * z[:, 0] + i / 9 * z[:, 1]
        torch.testing.assert_close(x[:, i], model.decode(latent), rtol=1e-4, atol=1e-6)


def test_other_methods_go_along_great_circles(trained: Callable, tmp_path: Path) -> None:
    path = trained("coulomb")
    x, z = samples(path, tmp_path, "--steps", "4"), ends(5, 4)
    expected = slerp(z[:, 0], z[:, 1], torch.linspace(0, 1, 4))
    decoded = load_model(path).decode(expected.flatten(0, 1)).unflatten(0, (5, 4))
    torch.testing.assert_close(x, decoded)
    assert not torch.equal(x, samples(path, tmp_path, "--steps", "4", "--clip", "0.5"))
    straight = samples(path, tmp_path, "--steps", "4", "--path", "linear")
    torch.testing.assert_close(straight[:, [0, -1]], x[:, [0, -1]])
    assert not torch.allclose(straight, x)


def test_latents_of_a_ggcn_can_be_left_as_they_are(trained: Callable, tmp_path: Path) -> None:
    x = samples(trained("ggcn"), tmp_path, "--clip", "0", "--steps", "2")
    for i in range(2):
        expected = load_model(trained("ggcn")).decode(ends(5, 4)[:, i])
        torch.testing.assert_close(x[:, i], expected, rtol=1e-4, atol=1e-6)


def test_samples_of_a_path_are_of_one_class(trained: Callable, tmp_path: Path) -> None:
    path = trained("classes")
    model, z = load_model(path), ends(5, 4).clamp(-1, 1)
    x = samples(path, tmp_path, "--label", "7", "--steps", "2")
    for i in range(2):
        expected = model.decode(z[:, i], torch.full((5,), 7))
        torch.testing.assert_close(x[:, i], expected, rtol=1e-4, atol=1e-6)
    random = keyed_generator(0, "interpolate")
    torch.randn(5, 2, 4, generator=random)
    label = torch.randint(10, (5,), generator=random)
    x = samples(path, tmp_path, "--steps", "2")
    for i in range(2):
        expected = model.decode(z[:, i], label)
        torch.testing.assert_close(x[:, i], expected, rtol=1e-4, atol=1e-6)


def test_paths_are_a_function_of_the_seed(trained: Callable, tmp_path: Path) -> None:
    a, b, c = (samples(trained("ggcn"), tmp_path, "--seed", seed) for seed in ("1", "1", "2"))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("name", ["ggcn", "plane"])
def test_pictures_of_images_and_of_points(trained: Callable, tmp_path: Path, name: str) -> None:
    out = tmp_path / "paths.png"
    main(["interpolate", "--ckpt_path", trained(name), "--n", "3", "--out", str(out)])
    with Image.open(out) as image:
        assert image.size[0] > 600
    assert [p.name for p in tmp_path.iterdir()] == ["paths.png"]


def test_samples_that_are_no_picture_have_none() -> None:
    x, t = torch.zeros(2, 4, 3), torch.linspace(0, 1, 4)
    assert Interpolation(x, t, None, "linear", 0.0, None).picture is None


@pytest.mark.parametrize(
    "name, arguments, told",
    [
        (
            "gcn",
            [],
            "holds a GCN, which has no latents: it should be of a method with a generator",
        ),
        ("ggcn", ["--steps", "1"], "'steps' should be at least 2, the ends, got 1"),
        ("ggcn", ["--steps", "21"], "'steps' should be at most 20 for a picture, got 21"),
        ("ggcn", ["--n", "0"], "'n' should be at least 1"),
        ("ggcn", ["--clip", "-1"], "'clip' should not be negative, got -1"),
        ("ggcn", ["--clip", ".nan"], "'clip' should not be negative, got nan"),
        ("ggcn", ["--path", "cubic"], "path.*'linear', 'spherical'"),
        ("ggcn", ["--label", "1"], "'label' should be left out: this GGCN has no classes, got 1"),
        ("classes", ["--label", "10"], "'label' should be from 0 to 9, got 10"),
        ("classes", ["--label", "-1"], "'label' should be from 0 to 9, got -1"),
        ("ggcn", ["--out", "a.pdf"], "'out' should end in .png or .npz"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    refused: Callable, name: str, arguments: list[str], told: str
) -> None:
    refused("interpolate", name, arguments, told)
