r"""Tests for what commands do with a flow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from energy_gans.cli import main
from energy_gans.commands import load_model
from energy_gans.functional import keyed_generator, slerp


def slope(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(network(x).sum(), x)[0]


def test_the_film_is_that_of_a_plain_loop(
    trained: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "last.npz"
    main(["synthesize", "--ckpt_path", trained("vapo"), "--n", "5", "--out", str(out)])
    told = capsys.readouterr().out
    network = load_model(trained("vapo")).sampling_network
    x = torch.randn(5, 1, 8, 8, generator=keyed_generator(0, "synthesize"))
    rows = []
    # Ten intervals, of one step each.
    for i in range(11):
        speed = slope(network, x).flatten(1).norm(dim=1).mean().item()
        rows.append((i / 10, network(x).mean().item(), speed))
        if i < 10:
            x = x + 0.1 * slope(network, x)
    torch.testing.assert_close(torch.from_numpy(np.load(out)["samples"]), x.detach())
    lines = [line.strip("|").split("|") for line in told.splitlines() if line[:1] == "|"][2:]
    assert [[float(cell) for cell in line] for line in lines] == [
        pytest.approx(row, rel=1e-3, abs=1e-4) for row in rows
    ]
    assert "10 evaluations of the field by euler" in told


@pytest.mark.parametrize("name", ["vapo", "vapo_plane"])
def test_a_flow_is_pictured(trained: Callable, tmp_path: Path, name: str) -> None:
    out = tmp_path / "film.png"
    main(["synthesize", "--ckpt_path", trained(name), "--out", str(out)])
    with Image.open(out) as image:
        assert min(image.size) > 300


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--steps", "5"], "'steps' is of chains, and a VAPO flows from noise"),
        (["--every", "5"], "'every' is of chains"),
        (["--start", "data"], "'start' is of chains"),
    ],
)
def test_what_is_of_chains_is_refused(refused: Callable, arguments: list[str], told: str) -> None:
    refused("synthesize", "vapo", arguments, told)


def test_latents_of_a_flow_are_its_noise(trained: Callable, tmp_path: Path) -> None:
    out = tmp_path / "paths.npz"
    given = ["--ckpt_path", trained("vapo"), "--n", "2", "--steps", "3", "--out", str(out)]
    main(["interpolate", *given])
    model = load_model(trained("vapo"))
    z = torch.randn(2, 2, 64, generator=keyed_generator(0, "interpolate"))
    middle = slerp(z[:, 0], z[:, 1], torch.tensor([0.5]))[:, 0]
    x = torch.from_numpy(np.load(out)["samples"])
    assert x.shape == (2, 3, 1, 8, 8)
    torch.testing.assert_close(x[:, 1], model.decode(middle))
    noise = middle.unflatten(1, (1, 8, 8))
    for _ in range(3):
        noise = noise + slope(model.sampling_network, noise) / 3
    torch.testing.assert_close(x[:, 1], noise.clamp(-1, 1), rtol=1e-4, atol=1e-5)
