r"""Tests for the energy_gans.functional.self_supervision module."""

import math

import pytest
import torch

from energy_gans.functional.masks import patch_mask
from energy_gans.functional.self_supervision import hole_error, nt_xent_loss


def two_views(n: int = 5, d: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, n, d, generator=random, dtype=torch.double)
    return u, v


def test_the_contrastive_loss_is_a_plain_loop() -> None:
    (u, v), tau = two_views(), 0.3
    w = [*u.tolist(), *v.tolist()]
    n, total = len(u), 0.0
    for i, a in enumerate(w):
        cosines = [
            sum(p * q for p, q in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)
            for b in w
        ]
        rest = sum(math.exp(s / tau) for j, s in enumerate(cosines) if j != i)
        total -= math.log(math.exp(cosines[(i + n) % (2 * n)] / tau) / rest)
    assert nt_xent_loss(u, v, tau).item() == pytest.approx(total / (2 * n), rel=1e-12)


@pytest.mark.parametrize("tau", [0.1, 1.0])
@pytest.mark.parametrize("n", [2, 7])
def test_the_contrastive_loss_of_equal_and_of_orthogonal_embeddings(n: int, tau: float) -> None:
    same = torch.ones(n, 3, dtype=torch.double)
    assert nt_xent_loss(same, same, tau).item() == pytest.approx(math.log(2 * n - 1))
    # Views agree, and images are orthogonal.
    apart = torch.eye(n, dtype=torch.double)
    expected = math.log1p((2 * n - 2) * math.exp(-1 / tau))
    assert nt_xent_loss(apart, apart, tau).item() == pytest.approx(expected)


def test_the_contrastive_loss_knows_directions_only() -> None:
    u, v = two_views()
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.double))[0]
    loss = nt_xent_loss(u, v, 0.2)
    assert torch.allclose(nt_xent_loss(3 * u @ rotation, v @ rotation / 5, 0.2), loss)
    assert torch.allclose(nt_xent_loss(v, u, 0.2), loss)
    assert torch.allclose(nt_xent_loss(u[[2, 0, 1, 4, 3]], v[[2, 0, 1, 4, 3]], 0.2), loss)


def test_the_contrastive_loss_is_float32_under_autocast() -> None:
    u, v = (one.float() for one in two_views())
    expected = nt_xent_loss(u, v, 0.05)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nt_xent_loss(u, v, 0.05), expected)
    assert nt_xent_loss(u.bfloat16(), v.bfloat16(), 0.05).dtype == torch.float32


@pytest.mark.parametrize(
    "shapes, tau, told",
    [
        (((3, 2), (3, 2)), 0.0, "'temperature' should be positive and finite, got 0.0"),
        (((3, 2), (4, 2)), 0.1, r"one shape .* got \(3, 2\) and \(4, 2\)"),
        (((1, 2), (1, 2)), 0.1, "at least two images"),
        (((3, 2, 1), (3, 2, 1)), 0.1, r"'u' and 'v' should have one shape \(N, D\)"),
    ],
)
def test_other_embeddings_are_refused(shapes: tuple, tau: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        nt_xent_loss(torch.ones(shapes[0]), torch.ones(shapes[1]), tau)


def test_the_error_is_that_of_the_pixels_in_holes() -> None:
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 3, 2, 8, 8, generator=random)
    known = patch_mask((8, 8), 4, 0.5, random, 3)
    squares = [
        (x[n, c, i, j] - y[n, c, i, j]).item() ** 2
        for n in range(3)
        for c in range(2)
        for i in range(8)
        for j in range(8)
        if known[n, 0, i, j] == 0
    ]
    assert len(squares) == 3 * 2 * 32
    expected = sum(squares) / len(squares)
    assert hole_error(x, y, known).item() == pytest.approx(expected, rel=1e-5)
    assert hole_error(torch.where(known > 0, x, y), y, known) == 0
    with pytest.raises(ValueError, match="'known' should have holes"):
        hole_error(x, y, torch.ones(1, 1, 8, 8))
