r"""Tests for the energy_gans.methods.parts.stored_lines module."""

import pytest
import torch
from torch import Tensor

from energy_gans.characters import one_hot
from energy_gans.functional import ngram_keys, ngram_numbers
from energy_gans.methods.parts.stored_lines import NGramPotentials, StoredLines

V, L, BITS = 5, 6, 8
KEYS = [ngram_keys(n, V, BITS) for n in (1, 4)]


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lines(n: int, seed: int) -> Tensor:
    return torch.randint(V, (n, L), generator=random(seed))


def stored(size: int) -> StoredLines:
    return StoredLines(torch.zeros(size, L, dtype=torch.uint8), KEYS)


def potentials(real_lines: int = 10, generated_lines: int = 20) -> NGramPotentials:
    found = NGramPotentials([1, 4], real_lines, generated_lines, 1.0, BITS)
    found.allocate(one_hot(lines(1, 0), V))
    return found


@pytest.mark.parametrize("at_random", [False, True])
def test_counts_are_those_of_the_lines_that_are_stored(at_random: bool) -> None:
    kept = stored(20)
    for step, n in enumerate((7, 7, 7, 7, 20, 1)):
        kept.store(lines(n, step), random(step) if at_random else None)
        held = kept.codes[: kept.seen].long()
        for counts, key in zip(kept.counts, KEYS, strict=True):
            expected = torch.bincount(ngram_numbers(held, key).flatten(), minlength=len(counts))
            assert torch.equal(counts.long(), expected)


def test_the_oldest_lines_are_replaced() -> None:
    kept = stored(10)
    for step in range(5):
        kept.store(lines(4, step))
    latest = torch.cat([lines(4, step) for step in range(5)])[-10:]
    assert sorted(kept.codes.tolist()) == sorted(latest.tolist())


def test_at_random_places_the_age_of_a_line_is_exponentially_distributed() -> None:
    kept = StoredLines(torch.zeros(1000, 1, dtype=torch.uint8), [ngram_keys(1, 256, BITS)])
    draws = random(0)
    for step in range(201):
        kept.store(torch.full((50, 1), min(step, 255)), draws)
    age = (200 - kept.codes.long()).double()
    # A line stays with a chance of 1 - 50 / 1000 a step.
    assert age.mean() == pytest.approx(19, abs=2)
    assert (age > 40).double().mean() == pytest.approx(0.95**41, abs=0.03)


def test_tables_follow_the_counts() -> None:
    found = potentials()
    for step in range(6):
        found.store("real", lines(4, step))
        found.store("generated", lines(4, 10 + step), random(step))
        for table, counts in zip(found.tables, found.counts(), strict=True):
            torch.testing.assert_close(table, found.potential(*counts))


@pytest.mark.parametrize(
    ("options", "symbols", "length"),
    [({"real_lines": 3}, V, L), ({}, V, L + 1), ({}, V - 1, L)],
    ids=["lines", "length", "symbols"],
)
def test_lines_of_another_run_are_refused(options: dict, symbols: int, length: int) -> None:
    found = potentials()
    found.store("real", lines(4, 0))
    sizes = {"real_lines": 10, "generated_lines": 20} | options
    other = NGramPotentials([1], **sizes, pseudo_count=1.0, bits=BITS)
    other.saved = found.contents()
    with pytest.raises(ValueError, match="checkpoint should hold up to .* got \\(4, 6\\)"):
        other.allocate(torch.zeros(1, symbols, length))
