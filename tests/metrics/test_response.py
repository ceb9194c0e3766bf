r"""Tests for the energy_gans.metrics.response module."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from energy_gans.functional.filters import filter_bank, response_distance, responses
from energy_gans.metrics import ResponseDistance

MAKES: dict[str, Callable[[], ResponseDistance]] = {
    "bank": lambda: ResponseDistance(1),
    "module": lambda: ResponseDistance(filters=nn.Conv2d(1, 5, 3)),
    "function": lambda: ResponseDistance(filters=lambda x: x[..., 1:] - x[..., :-1]),
}
every_metric = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES.keys())


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    y, x = 2 * torch.rand(2, 12, 1, 16, 16) - 1
    return y, (0.5 * x)[:9]


def measured(metric: ResponseDistance, y: Tensor, x: Tensor) -> float:
    metric.reset()
    metric.update(y, real=True)
    metric.update(x, real=False)
    return metric.compute().item()


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_functional_distance(channels: int) -> None:
    y, x = torch.randn(7, channels, 20, 16), torch.randn(4, channels, 20, 16).clamp(-1, 1)
    expected = response_distance(*(responses(a, filter_bank(channels)) for a in (y, x)))
    assert measured(ResponseDistance(channels), y, x) == pytest.approx(expected.item(), rel=1e-5)


def test_filters_of_ones_own() -> None:
    y, x = torch.randn(7, 2, 8, 8), torch.randn(4, 2, 8, 8)
    filters = nn.Conv2d(2, 5, 3)
    f = [responses(a, filters.weight, filters.bias) for a in (y, x)]
    metric = ResponseDistance(filters=filters)
    assert measured(metric, y, x) == pytest.approx(response_distance(*f).item(), rel=1e-5)
    assert not metric.real_sum.requires_grad


@every_metric
def test_equal_sets_are_at_no_distance(
    make: Callable[[], ResponseDistance], images: tuple[Tensor, Tensor]
) -> None:
    y, _ = images
    assert measured(make(), y, y[torch.randperm(len(y))]) == pytest.approx(0, abs=1e-7)


@every_metric
def test_permutations_do_not_count_and_neither_does_the_order(
    make: Callable[[], ResponseDistance], images: tuple[Tensor, Tensor]
) -> None:
    metric, (y, x) = make(), images
    value = measured(metric, y, x)
    assert value > 0
    shuffled = measured(metric, y[torch.randperm(len(y))], x[torch.randperm(len(x))])
    assert shuffled == pytest.approx(value, rel=1e-6)
    assert measured(metric, x, y) == pytest.approx(value, rel=1e-6)


@every_metric
@pytest.mark.parametrize("sizes", [(1, 11), (5, 0, 7), (3,) * 4])
def test_many_updates_equal_one(
    make: Callable[[], ResponseDistance], images: tuple[Tensor, Tensor], sizes: tuple[int, ...]
) -> None:
    metric, (y, x) = make(), images
    value = measured(metric, y, x)
    metric.reset()
    for part in y.split(sizes):
        metric.update(part, real=True)
        metric.update(x, real=False)
    assert metric.compute().item() == pytest.approx(value, rel=1e-6)


@every_metric
def test_merged_metrics_equal_one(
    make: Callable[[], ResponseDistance], images: tuple[Tensor, Tensor]
) -> None:
    metric, (y, x) = make(), images
    one, other = metric.clone(), metric.clone()
    one.update(y[:5], real=True)
    one.update(x, real=False)
    other.update(y[5:], real=True)
    one.merge_state(other)
    assert one.compute().item() == pytest.approx(measured(metric, y, x), rel=1e-6)


def test_it_counts_in_float64(images: tuple[Tensor, Tensor]) -> None:
    metric, (y, x) = ResponseDistance(1), images
    measured(metric, y, x)
    states = (metric.real_sum, metric.real_count, metric.fake_sum, metric.fake_count)
    assert {state.dtype for state in states} == {torch.float64}
    assert metric.compute().dtype == torch.float32


def test_half_precision_is_read_in_full(images: tuple[Tensor, Tensor]) -> None:
    y, x = (a.half() for a in images)
    value = measured(ResponseDistance(1), y.float(), x.float())
    with torch.autocast("cpu", torch.bfloat16):
        assert measured(ResponseDistance(1), y, x) == value


def test_a_wider_contrast_is_further() -> None:
    y = torch.randn(16, 1, 32, 32)
    metric = ResponseDistance(1)
    # The responses to white noise are proportional to its standard deviation.
    distances = [measured(metric, y, s * y) / (1 - s) for s in (0.9, 0.5, 0.0)]
    assert distances == pytest.approx([1 / math.sqrt(2 * math.pi)] * 3, rel=0.05)


@pytest.mark.parametrize("real", [True, False])
def test_one_kind_of_images_alone_has_no_distance(real: bool) -> None:
    metric = ResponseDistance(1)
    metric.update(torch.zeros(2, 1, 16, 16), real)
    assert metric.compute().isnan()


@pytest.mark.parametrize("x", [torch.zeros(1, 16, 16), torch.zeros(2, 1, 16, 16).byte()])
def test_what_is_no_image_is_refused(x: Tensor) -> None:
    with pytest.raises(ValueError, match=r"'x' should be floats of shape \(B, C, H, W\), got"):
        ResponseDistance(1).update(x, real=True)


@pytest.mark.parametrize("shape", [(2, 1, 12, 16), (2, 3, 16, 16)])
def test_images_that_do_not_fit_the_bank_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"'x' should have shape \(N, 1, H, W\)"):
        ResponseDistance(1).update(torch.zeros(shape), real=True)


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_channels_without_a_bank_are_refused(channels: int) -> None:
    with pytest.raises(ValueError, match=f"'channels' should be 1 or 3, got {channels}"):
        ResponseDistance(channels)
