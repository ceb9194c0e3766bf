r"""Tests for the energy_gans.functional.ngram_fields module."""

import itertools
import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from energy_gans.functional import (
    draw_characters,
    ngram_field,
    ngram_keys,
    ngram_numbers,
    ngram_potential,
)

V, L = 3, 4


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tables(orders: tuple[int, ...], bits: int = 8) -> tuple[list[Tensor], list[Tensor]]:
    r"""Returns the keys and a random potential for each length of n-grams."""
    keys = [ngram_keys(n, V, bits) for n in orders]
    return keys, [torch.randn(1 << bits, generator=random(n), dtype=torch.float64) for n in orders]


def line_potential(c: Tensor, keys: list[Tensor], potentials: list[Tensor]) -> Tensor:
    r"""Returns the potential of lines: the sum over lengths of the mean over n-grams."""
    pairs = zip(keys, potentials, strict=True)
    return sum(table[ngram_numbers(c, key).long()].mean(1) for key, table in pairs)


@pytest.mark.parametrize("orders, bits", [((1,), 8), ((1, 2, 4), 8), ((2, 3), 3)])
def test_the_mean_field_is_the_gradient_of_the_mean_potential(
    orders: tuple[int, ...], bits: int
) -> None:
    keys, potentials = tables(orders, bits)
    pi = torch.randn(V, L, generator=random(9), dtype=torch.float64).softmax(0).requires_grad_()
    lines = torch.tensor(list(itertools.product(range(V), repeat=L)))
    chances = torch.stack([pi[:, k].index_select(0, lines[:, k]) for k in range(L)]).prod(0)
    mean = (chances * line_potential(lines, keys, potentials)).sum()
    (gradient,) = torch.autograd.grad(mean, pi)
    field = torch.einsum("b,bvl->vl", chances.detach(), ngram_field(lines, keys, potentials))
    # Up to a constant at each place, as probabilities sum to 1.
    difference = field - gradient
    torch.testing.assert_close(difference, difference[:1].expand_as(difference))


def test_the_field_is_the_change_of_the_potential_by_a_character() -> None:
    keys, potentials = tables((1, 3))
    c = torch.randint(V, (5, L), generator=random(1))
    field = ngram_field(c, keys, potentials)
    for place, symbol in itertools.product(range(L), range(V)):
        changed = c.clone()
        changed[:, place] = symbol
        step = line_potential(changed, keys, potentials) - line_potential(c, keys, potentials)
        own = field[torch.arange(5), c[:, place], place]
        torch.testing.assert_close(field[:, symbol, place] - own, step)


def test_mean_potentials_of_generated_ngrams_are_their_divergence() -> None:
    y = torch.randint(2, (4000, L), generator=random(2))
    x = (torch.rand(4000, L, generator=random(3)) < 0.7).long()
    key = ngram_keys(2, 2)
    real, generated = (
        torch.bincount(ngram_numbers(c, key).flatten(), minlength=4) for c in (y, x)
    )
    phi = ngram_potential(real, generated, pseudo_count=1e-9)
    q, p = real / real.sum(), generated / generated.sum()
    torch.testing.assert_close(-(p * phi).sum(), (p * (p / q).log()).sum())
    expected = 2 * (0.7 * math.log(1.4) + 0.3 * math.log(0.6))
    assert -(p * phi).sum().item() == pytest.approx(expected, rel=0.05)


def test_particles_that_follow_the_field_have_the_ngrams_of_the_data() -> None:
    y = torch.tensor([[0, 1, 2, 0], [1, 2, 0, 1], [2, 0, 1, 2]])
    keys = [ngram_keys(2, V, 4)]
    real = torch.bincount(ngram_numbers(y, keys[0]).flatten(), minlength=16)
    logits = 0.1 * torch.randn(60, V, L, generator=random(4))
    for step in range(300):
        pi = logits.softmax(1)
        c = draw_characters(pi, torch.rand(60, L, generator=random(step)))
        own = torch.bincount(ngram_numbers(c, keys[0]).flatten(), minlength=16)
        field = ngram_field(c, keys, [ngram_potential(real * 20, own)])
        logits = logits + pi * (field - (pi * field).sum(1, keepdim=True))
    found = Counter(map(tuple, logits.argmax(1).tolist()))
    assert found.keys() == set(map(tuple, y.tolist()))
    assert min(found.values()) >= 15


@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_ngrams_as_frequent_as_in_the_data_have_no_potential(ratio: float) -> None:
    counts = torch.tensor([0, 1, 5, 1000])
    phi = ngram_potential(counts * ratio, counts, pseudo_count=0.5, ratio=ratio)
    torch.testing.assert_close(phi, torch.zeros(4))
    assert ngram_potential(torch.tensor(3), torch.tensor(2)) == pytest.approx(math.log(4 / 3))


@pytest.mark.parametrize("n, symbols, bits", [(1, 1, 1), (3, 5, 9), (2, 88, 14), (4, 2, 4)])
def test_ngrams_have_their_own_numbers_where_bits_suffice(n: int, symbols: int, bits: int) -> None:
    ngrams = torch.tensor(list(itertools.product(range(symbols), repeat=n)))
    numbers = ngram_numbers(ngrams, ngram_keys(n, symbols, bits))
    assert len(numbers.unique()) == symbols**n
    assert numbers.min() >= 0 and numbers.max() < 2**bits
    assert numbers.dtype == torch.int32


def test_few_ngrams_share_a_number_elsewhere() -> None:
    ngrams = torch.randint(88, (40_000, 5), generator=random(5)).unique(dim=0)
    numbers = ngram_numbers(ngrams, ngram_keys(5, 88, 22))
    assert numbers.min() >= 0 and numbers.max() < 2**22 and numbers.dtype == torch.int32
    # Of random numbers, n^2 / 2^23 pairs are equal in the mean: 191.
    assert 140 < len(ngrams) - len(numbers.unique()) < 250


def test_numbers_of_ngrams_are_the_same_in_each_call() -> None:
    assert torch.equal(ngram_keys(6, 88), ngram_keys(6, 88))
    assert ngram_keys(6, 88, bits=30).max() < 2**30
    assert not torch.equal(ngram_keys(6, 88)[:5], ngram_keys(5, 88))


def test_characters_are_drawn_from_the_distributions() -> None:
    pi = torch.tensor([0.2, 0.0, 0.5, 0.3]).expand(1, 4).unsqueeze(2).expand(1, 4, 20_000)
    c = draw_characters(pi, torch.rand(1, 20_000, generator=random(6)))
    shares = torch.bincount(c[0], minlength=4) / 20_000
    torch.testing.assert_close(shares, pi[0, :, 0], atol=0.02, rtol=0)
    assert shares[1] == 0
    almost = draw_characters(pi[..., :1] * 0.999, torch.tensor([[0.9999]]))
    assert almost.tolist() == [[3]]
    never_first = draw_characters(torch.tensor([[[0.0], [1.0]]]), torch.zeros(1, 1))
    assert never_first.tolist() == [[1]]


def test_lines_that_are_shorter_than_an_ngram_are_refused() -> None:
    with pytest.raises(ValueError, match="'c' should hold lines of at least 5 characters, got 4"):
        ngram_numbers(torch.zeros(2, 4, dtype=torch.long), ngram_keys(5, 3))


def test_each_length_needs_a_table() -> None:
    keys, potentials = tables((1, 2))
    c = torch.zeros(2, L, dtype=torch.long)
    for k, p in ((keys, potentials[:1]), ([], [])):
        with pytest.raises(ValueError, match="'potentials' should hold one table for each"):
            ngram_field(c, k, p)
