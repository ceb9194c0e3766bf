r"""Tests for the energy_gans.functional.evaluation.ngrams module."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from energy_gans.functional import NGramTable, ngram_divergence, seen_share


def lines(seed: int, n: int, base: int = 5, length: int = 16) -> Tensor:
    r"""Returns codes of random lines."""
    return torch.randint(base, (n, length), generator=torch.Generator().manual_seed(seed))


def grams(x: Tensor, n: int) -> list[tuple[int, ...]]:
    r"""Returns all n-grams of lines."""
    return [tuple(row[i : i + n]) for row in x.tolist() for i in range(len(row) - n + 1)]


def counted_divergence(x: Tensor, y: Tensor, n: int) -> float:
    r"""Returns the divergence by a loop over the n-grams of either set."""
    p, q = Counter(grams(x, n)), Counter(grams(y, n))
    total = 0.0
    for gram in p.keys() | q.keys():
        a, b = p[gram] / p.total(), q[gram] / q.total()
        total += sum(c * math.log2(2 * c / (a + b)) for c in (a, b) if c) / 2
    return total


# Numbers of 12 characters of the largest vocabulary do not fit into 64 bits.
@pytest.mark.parametrize("base", [2, 5, 256])
@pytest.mark.parametrize("n", [1, 2, 4, 9, 12, 16])
def test_divergence_is_that_of_a_loop_over_ngrams(n: int, base: int) -> None:
    y = lines(0, 30, base)
    # Some lines are common, as random ones of many characters share no long n-gram.
    x = torch.cat([lines(1, 20, base), y[:5]])
    assert ngram_divergence(x, y, n).item() == pytest.approx(counted_divergence(x, y, n), abs=1e-9)


@pytest.mark.parametrize("n", [1, 3, 12])
def test_divergence_is_zero_of_equal_and_one_of_disjoint_lines(n: int) -> None:
    x = lines(0, 10)
    assert ngram_divergence(x, x.flip(0), n).item() == pytest.approx(0, abs=1e-12)
    assert ngram_divergence(x, x + 5, n).item() == pytest.approx(1, abs=1e-12)
    assert ngram_divergence(x + 5, x, n).item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("n", [2, 12])
def test_divergence_is_symmetric(n: int) -> None:
    x, y = torch.cat([lines(0, 9), lines(3, 2)]), torch.cat([lines(0, 9), lines(2, 20, 7)])
    torch.testing.assert_close(ngram_divergence(x, y, n), ngram_divergence(y, x, n))


@pytest.mark.parametrize("padding", [None, 0])
@pytest.mark.parametrize("n, base", [(1, 4), (3, 4), (12, 256)])
def test_share_is_that_of_a_loop(n: int, base: int, padding: int | None) -> None:
    y = lines(0, 20, base)
    x = torch.cat([lines(1, 20, base), y[3:9]])
    known = set(grams(y, n))
    found = [gram for gram in grams(x, n) if padding not in gram]
    expected = sum(gram in known for gram in found) / len(found)
    assert seen_share(x, y, n, padding).item() == pytest.approx(expected)


def test_a_table_gives_what_its_lines_give() -> None:
    x, y = lines(0, 10), lines(1, 10)
    table = NGramTable(y, 3)
    assert ngram_divergence(x, table, 3) == ngram_divergence(x, y, 3)
    assert seen_share(x, table, 3) == seen_share(x, y, 3)
    assert sorted(table.counts.tolist()) == sorted(Counter(grams(y, 3)).values())


@pytest.mark.parametrize("base", [5, 256])
@pytest.mark.parametrize("n", [1, 3, 12])
def test_places_are_those_among_the_sorted_ngrams(n: int, base: int) -> None:
    y = lines(1, 6, base)
    x = torch.cat([lines(0, 6, base), y[2:4], y[:2].clamp_min(3), y[4:] + base // 2])
    known = sorted({*grams(y, n)})
    expected = [known.index(gram) if gram in known else -1 for gram in grams(x, n)]
    assert -1 in expected and max(expected) > 0
    assert NGramTable(y, n).look_up(x).flatten().tolist() == expected


def test_the_share_of_one_ngram_is_one_or_zero() -> None:
    x, y = torch.tensor([[0, 1, 2]]), torch.tensor([[3, 1, 2]])
    assert seen_share(x, y, 2, padding=0) == 1
    assert seen_share(x, y, 2, padding=2) == 0


@pytest.mark.parametrize("n", [0, -1, 17])
def test_other_lengths_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match=f"'n' should be from 1 to the 16 .* got {n}"):
        ngram_divergence(lines(0, 2), lines(1, 2), n)


def test_lines_of_other_lengths_and_other_tables_are_refused() -> None:
    table = NGramTable(lines(0, 2), 3)
    with pytest.raises(ValueError, match="'x' should hold lines of 16 characters, got 15"):
        table.look_up(lines(0, 2, length=15))
    with pytest.raises(ValueError, match="'n' should be that of the table, 3, got 4"):
        ngram_divergence(lines(0, 2), table, 4)


def test_long_ngrams_that_differ_in_their_first_character_differ() -> None:
    # Their numbers would be equal modulo 2 to the power of 64.
    y = torch.full((2, 12), 255)
    x, y[0, 0] = y[:1].clone(), 3
    x[0, 0] = 4
    assert ngram_divergence(x, y, 12).item() == pytest.approx(1)
    assert seen_share(x, y, 12) == 0
