r"""Tests for the energy_gans.functional.energy_fields module."""

import math

import pytest
import torch
from torch import Tensor

from energy_gans.functional import (
    distances,
    energy_fields as module,
    potential_field,
    scattering_field,
    sliced_field,
)

from .test_distances import LargestTensor


def points(*sizes: int, dim: int = 3) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(n, dim, generator=random, dtype=torch.float64) for n in sizes]


def exact(a: Tensor, y: Tensor, x: Tensor) -> Tensor:
    return potential_field(a, y, x, lambda a, b: -distances(a, b))


def test_the_mean_over_all_triples_is_the_field_of_the_energy_distance() -> None:
    a, y, x = points(5, 8, 6)
    i, j, k = torch.meshgrid(*(torch.arange(len(s)) for s in (a, y, x)), indexing="ij")
    s = scattering_field(*(s[index.flatten()] for s, index in ((a, i), (y, j), (x, k))))
    mean = s.reshape(5, 48, 3).mean(1)
    torch.testing.assert_close(mean, exact(a, y, x))


def test_a_sample_at_its_point_adds_nothing() -> None:
    a, y = points(4, 4)
    expected = torch.nn.functional.normalize(y - a)
    torch.testing.assert_close(scattering_field(a, y, a), expected)


def test_the_pull_of_a_sample_does_not_fall_with_its_distance() -> None:
    a, y, x = points(4, 4, 4)
    near = scattering_field(1e-40 * a, 1e-40 * y, 1e-40 * x)
    torch.testing.assert_close(near, scattering_field(a, y, x))


def test_triples_of_unlike_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="'a', 'y' and 'x' should have one shape"):
        scattering_field(*points(4, 4, 3))


def test_on_a_line_one_slice_is_exact() -> None:
    a, y, x = points(5, 8, 6, dim=1)
    torch.testing.assert_close(sliced_field(a, y, x, 1), exact(a, y, x))


@pytest.mark.parametrize("attraction", [1.0, 2.0])
def test_a_slice_equals_plain_loops(attraction: float) -> None:
    a, y, x = points(5, 8, 6)
    xi = torch.randn(1, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    xi = xi / xi.norm()
    scale = math.sqrt(math.pi) * math.gamma(2.0) / math.gamma(1.5)

    def mean_sign(p: Tensor, b: Tensor) -> float:
        return sum(math.copysign(1, float((s - p) @ xi[0])) for s in b) / len(b)

    signs = [attraction * mean_sign(p, y) - mean_sign(p, x) for p in a]
    expected = torch.stack([scale * sign * xi[0] for sign in signs])
    v = sliced_field(a, y, x, 1, torch.Generator().manual_seed(3), attraction)
    torch.testing.assert_close(v, expected)


def test_the_pair_of_a_sample_with_itself_adds_nothing() -> None:
    y, x = points(8, 6, dim=1)
    torch.testing.assert_close(sliced_field(x, y, x, 1), exact(x, y, x))


def test_the_error_of_slices_falls_as_the_inverse_root_of_their_number() -> None:
    a, y, x = points(20, 30, 30, dim=8)
    field, numbers = exact(a, y, x), [64, 256, 1024, 4096]
    errors = []
    for p in numbers:
        seeds = [torch.Generator().manual_seed(seed) for seed in range(8)]
        squares = [(sliced_field(a, y, x, p, s) - field).square().mean() for s in seeds]
        errors.append(torch.stack(squares).mean().sqrt().log())
    slope = (errors[-1] - errors[0]) / math.log(numbers[-1] / numbers[0])
    assert slope.item() == pytest.approx(-0.5, abs=0.06)


def test_directions_in_parts_equal_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    a, y, x = points(5, 8, 6)
    whole = sliced_field(a, y, x, 64, torch.Generator().manual_seed(0))
    monkeypatch.setattr(module, "_PROJECTED", 16)
    parts = sliced_field(a, y, x, 64, torch.Generator().manual_seed(0))
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("sizes", [(400, 3, 3), (3, 400, 3), (3, 3, 400)])
def test_few_projected_samples_of_each_set_are_held(
    sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PROJECTED", 40)
    with LargestTensor() as largest:
        sliced_field(*points(*sizes, dim=1), 64)
    assert largest.numel == 400


def test_numpy_counts_on_a_cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = points(5, 8, 6, 4)
    for other, device in (("_count_on_cpu", "meta"), ("_count", "cpu")):
        with monkeypatch.context() as patch:
            patch.setattr(module, other, None)
            total = module.sum_over_directions(*(s.to(device) for s in sets), 1.0)
        assert (total.shape, total.device.type) == ((5, 3), device)


@pytest.mark.parametrize("own, searches", [(True, 4), (False, 8)])
def test_points_are_not_searched_for_among_themselves(
    own: bool, searches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, x = (s[:, None] for s in points(8, 6))
    found, search = [], module._places
    monkeypatch.setattr(module, "_places", lambda *rows: found.append(rows) or search(*rows))
    sliced_field(x, y, x if own else x.clone(), 4)
    assert len(found) == searches


def test_the_number_of_slices_is_checked() -> None:
    with pytest.raises(ValueError, match="'slices' should be at least 1, got 0"):
        sliced_field(*points(5, 8, 6), 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counts_on_a_cpu_are_those_of_a_loop_also_of_equal_numbers(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    a, *sets = (torch.randint(5, (2, n), generator=random).to(dtype) for n in (7, 9, 4))
    sets.append(a)
    for count in (module._count, module._count_on_cpu):
        for b, counts in zip(sets, count(a, sets), strict=True):
            assert counts.dtype == torch.long
            for p in range(2):
                expected = [
                    sum((one < value).item() + (one <= value).item() for one in b[p])
                    for value in a[p]
                ]
                assert counts[p].tolist() == expected


def test_orthogonal_directions_are_those_of_frames() -> None:
    xi = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for frame in module.orthonormal(xi).split(8):
        torch.testing.assert_close(frame @ frame.T, torch.eye(len(frame), dtype=torch.float64))


def test_orthogonal_slices_are_unbiased_and_have_a_smaller_error() -> None:
    a, y, x = points(20, 30, 30, dim=8)

    def errors(orthogonal: bool) -> Tensor:
        seeds = [torch.Generator().manual_seed(seed) for seed in range(300)]
        fields = [sliced_field(a, y, x, 8, s, orthogonal=orthogonal) for s in seeds]
        return torch.stack(fields) - exact(a, y, x)

    independent, orthogonal = errors(False), errors(True)
    assert orthogonal.square().mean() < 0.9 * independent.square().mean()
    # The mean of 300 has a 300th of the squared error.
    ratio = orthogonal.mean(0).square().mean() / orthogonal.square().mean()
    assert 300 * ratio.item() == pytest.approx(1, rel=0.4)
