r"""Tests for the energy_gans.functional.interpolation module."""

import math

import pytest
import torch

from energy_gans.functional.interpolation import lerp, slerp

both = pytest.mark.parametrize("path", [lerp, slerp])


def pair(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 6, 5, generator=random, dtype=torch.float64).to(dtype).unbind()
    return a, 3 * b


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ends_are_exact(path: object, dtype: torch.dtype) -> None:
    a, b = pair(dtype)
    z = path(a, b, torch.linspace(0, 1, 7, dtype=dtype))
    assert (z.shape, z.dtype) == ((6, 7, 5), dtype)
    assert torch.equal(z[:, 0], a)
    assert torch.equal(z[:, -1], b)


def test_both_are_their_formulas() -> None:
    a, b = pair()
    t = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64)
    line, circle = lerp(a, b, t), slerp(a, b, t)
    for i in range(len(a)):
        p, q = a[i].norm().item(), b[i].norm().item()
        omega = math.acos((a[i] @ b[i]).item() / (p * q))
        for j, s in enumerate(t.tolist()):
            torch.testing.assert_close(line[i, j], (1 - s) * a[i] + s * b[i])
            u = math.sin((1 - s) * omega) / math.sin(omega) * a[i] / p
            v = math.sin(s * omega) / math.sin(omega) * b[i] / q
            torch.testing.assert_close(circle[i, j], ((1 - s) * p + s * q) * (u + v))


def test_directions_turn_and_norms_change_at_one_rate() -> None:
    a, b = pair()
    z = slerp(a, b, torch.linspace(0, 1, 11, dtype=torch.float64))
    u = torch.nn.functional.normalize(z, dim=2)
    angle = (u[:, 1:] * u[:, :-1]).sum(2).acos()
    torch.testing.assert_close(angle, angle[:, :1].expand_as(angle))
    growth = z.norm(dim=2).diff(dim=1)
    torch.testing.assert_close(growth, growth[:, :1].expand_as(growth))


@pytest.mark.parametrize("factor", [1.0, 2.5, -1.0, -3.0, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_line_is_straight_where_there_is_no_one_circle(
    factor: float, dtype: torch.dtype
) -> None:
    a, _ = pair(dtype)
    t = torch.linspace(0, 1, 9, dtype=dtype)
    for u, v in ((a, factor * a), (factor * a, a)):
        torch.testing.assert_close(slerp(u, v, t), lerp(u, v, t))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [1e-12, 1e-8, 1e-6, 1e-4, 1e-2])
def test_nearly_parallel_and_nearly_opposite_points_are_joined(sign: int, size: float) -> None:
    a, b = pair()
    b = sign * (a + size * b)
    z = slerp(a, b, torch.linspace(0, 1, 9, dtype=torch.float64))
    assert z.isfinite().all()
    assert (z.norm(dim=2) <= 1.001 * torch.maximum(a.norm(dim=1), b.norm(dim=1))[:, None]).all()
    if sign == 1:
        straight = lerp(a, b, torch.linspace(0, 1, 9, dtype=torch.float64))
        torch.testing.assert_close(z, straight, rtol=0, atol=30 * size**2)


def test_points_of_any_size_are_joined_alike() -> None:
    a, b = pair()
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    for scale in (1e-30, 1e30):
        torch.testing.assert_close(slerp(scale * a, scale * b, t) / scale, slerp(a, b, t))


@both
def test_what_does_not_fit_is_refused(path: object) -> None:
    t, z = torch.linspace(0, 1, 3), torch.zeros(2, 3)
    for arguments in ((z, z[:1], t), (z[0], z[0], t), (z, z, t[0]), (z, z[:, :2], t)):
        with pytest.raises(ValueError, match=r"'a' and 'b' should have one shape \(B, Z\)"):
            path(*arguments)
