r"""Tests for the energy_gans.metrics.ngram_divergence module."""

import pytest
import torch
from torch import Generator, Tensor

from energy_gans.characters import one_hot
from energy_gans.functional import ngram_divergence, seen_share
from energy_gans.metrics import NGramDivergence


def lines(seed: int, n: int = 20) -> Tensor:
    return torch.randint(4, (n, 14), generator=Generator().manual_seed(seed))


def test_values_are_those_of_all_lines() -> None:
    x, y = torch.cat([lines(0), lines(2, 5)]), torch.cat([lines(1), lines(2, 5)])
    metric = NGramDivergence([2, 4])
    for part in x.split(7):
        metric.update(one_hot(part, 6), real=False)
    for part in y.split(9):
        metric.update(part, real=True)
    values = metric.compute()
    assert list(values) == ["js_2", "js_4", "seen_12"]
    for n in (2, 4):
        assert values[f"js_{n}"] == ngram_divergence(x, y, n)
    # The code 0 is padding.
    assert values["seen_12"] == seen_share(x, y, 12, padding=0)


def test_the_floor_has_as_many_lines_as_there_are_samples() -> None:
    metric = NGramDivergence([2], seen=None)
    metric.update(lines(0, 6), real=False)
    metric.update(lines(1), real=True)
    held_out = lines(2)
    assert metric.floor(held_out)["js_2"] == ngram_divergence(held_out[:6], lines(1), 2)
    with pytest.raises(ValueError, match="'lines' should be at least as many .*, 6, got 5"):
        metric.floor(held_out[:5])


@pytest.mark.parametrize("reset_real", [True, False])
def test_reset_forgets_samples_and_real_lines_on_demand(reset_real: bool) -> None:
    metric = NGramDivergence([2], seen=None, reset_real=reset_real)
    for x, real in ((lines(0), False), (lines(1), True)):
        metric.update(x, real)
    metric.reset()
    metric.update(lines(2), real=False)
    if reset_real:
        with pytest.raises(ValueError, match="NGramDivergence needs real lines, and got none"):
            metric.compute()
    else:
        assert metric.compute()["js_2"] == ngram_divergence(lines(2), lines(1), 2)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"orders": []}, "'orders' should be at least one"),
        ({"orders": [2, 0]}, "'orders' should be .* got 0"),
        ({"seen": 0}, "'seen' should be .* got 0"),
    ],
)
def test_other_lengths_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NGramDivergence(**arguments)


@pytest.mark.parametrize("orders, seen, name", [([15], None, "orders"), ([4], 15, "seen")])
def test_more_orders_than_characters_are_refused(
    orders: list[int], seen: int | None, name: str
) -> None:
    with pytest.raises(ValueError, match=f"'{name}' should be at most the 14 .* got 15"):
        NGramDivergence(orders, seen).update(lines(0), real=True)


def test_a_call_counts_kept_real_lines_once() -> None:
    real, generated = lines(0), lines(1)
    metric = NGramDivergence(orders=[2], seen=3, reset_real=False)
    metric.update(real, real=True)
    for part in generated.chunk(2):
        metric(part, real=False)
    assert len(metric.real) == 1
    fresh = NGramDivergence(orders=[2], seen=3)
    fresh.update(real, real=True)
    fresh.update(generated, real=False)
    assert metric.compute() == fresh.compute()
