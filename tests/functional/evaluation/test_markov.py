r"""Tests for the energy_gans.functional.evaluation.markov module."""

import pytest
import torch
from torch import Generator, Tensor

from energy_gans.functional import markov_lines, seen_share


def lines(seed: int, n: int) -> Tensor:
    r"""Returns codes of random lines of 12 of 3 characters, the first of which is always 2."""
    x = torch.randint(3, (n, 12), generator=Generator().manual_seed(seed))
    x[:, 0] = 2
    return x


def drawn(y: Tensor, order: int, n: int = 20_000) -> Tensor:
    r"""Returns lines of a chain."""
    return markov_lines(y, order, n, Generator().manual_seed(0))


def looped(y: Tensor, order: int, u: list[list[float]]) -> list[list[int]]:
    r"""Returns lines of a chain by plain loops, from a random number for each character."""
    drawn = []
    for numbers in u:
        x = [-1] * order
        for number in numbers:
            successors: list[int] = []
            for k in range(order, -1, -1):
                runs = [run for line in y.tolist() for run in windows([-1] * k + line, k + 1)]
                successors = sorted(run[-1] for run in runs if run[:-1] == x[len(x) - k :])
                if successors:
                    break
            x.append(successors[int(number * len(successors))])
        drawn.append(x[order:])
    return drawn


def windows(line: list[int], size: int) -> list[list[int]]:
    return [line[i : i + size] for i in range(len(line) - size + 1)]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_chains_are_those_of_plain_loops(order: int) -> None:
    # Few lines, of which some runs only end: chains go on with fewer characters there.
    y = torch.tensor([[0, 1, 0, 2, 0, 3], [1, 1, 0, 2, 1, 4], [0, 0, 1, 2, 2, 0]])
    random = Generator().manual_seed(1)
    u = torch.stack([torch.rand(30, generator=random, dtype=torch.float64) for _ in range(6)], 1)
    x = markov_lines(y, order, 30, Generator().manual_seed(1))
    assert x.tolist() == looped(y, order, u.tolist())


def test_order_zero_has_the_frequencies_of_characters() -> None:
    y = lines(0, 5)
    p, q = (torch.bincount(a.flatten(), minlength=3) / a.numel() for a in (drawn(y, 0), y))
    torch.testing.assert_close(p, q, rtol=0, atol=0.01)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_runs_of_a_chain_are_runs_of_its_lines(order: int) -> None:
    # Where all runs of `order` characters go on somewhere, no fewer characters are considered.
    y = lines(0, 200)
    y = torch.cat([y, torch.cat([y[:, :6].roll(3, 0), y[:, 6:].flip(1)], 1)])
    assert seen_share(drawn(y, order, 500), y, order + 1) == 1


def test_successors_have_the_frequencies_of_the_lines() -> None:
    y, order = lines(0, 40), 1
    found, real = (torch.zeros(3, 3) for _ in range(2))
    for counts, a in ((found, drawn(y, order)), (real, y)):
        pairs = (a[:, :-1] * 3 + a[:, 1:]).flatten()
        counts += torch.bincount(pairs, minlength=9).view(3, 3)
        counts /= counts.sum(1, keepdim=True)
    torch.testing.assert_close(found, real, rtol=0, atol=0.015)


@pytest.mark.parametrize("order", [1, 5])
def test_chains_learn_how_lines_begin(order: int) -> None:
    assert (drawn(lines(0, 50), order, 1000)[:, 0] == 2).all()


def test_an_order_as_long_as_the_line_recites() -> None:
    y = lines(0, 30)
    x = drawn(y, 12, 200)
    assert {*map(tuple, x.tolist())} <= {*map(tuple, y.tolist())}


def test_a_chain_goes_on_where_its_lines_only_end() -> None:
    x = drawn(torch.tensor([[0, 0, 0, 0, 1]]), 2, 200)
    assert x.min() >= 0
    assert x.max() <= 1


@pytest.mark.parametrize("order", [-1, 100])
def test_other_orders_are_refused(order: int) -> None:
    with pytest.raises(ValueError, match=f"'order' should be .* got {order}"):
        drawn(lines(0, 2), order)


def test_the_largest_order_is_that_of_62_bits() -> None:
    # The digits of runs are those of the characters and one for the start of a line.
    y = torch.zeros(2, 3, dtype=torch.long)
    assert torch.equal(drawn(y, 60, 2), y)
    with pytest.raises(ValueError, match="'order' should be .* got 61"):
        drawn(y, 61, 2)
