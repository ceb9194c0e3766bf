r"""Markov chains of characters, with which the samples of models of text are compared.

In a chain of order :math:`k`, the next character depends on the :math:`k` characters before it,
with the relative frequencies of some lines. The places before a line hold a symbol of their own,
so a chain also learns how lines begin. Where the lines never go on after :math:`k` characters,
since they only end so, fewer characters are considered.

References:
    A Mathematical Theory of Communication (Shannon, 1948), Section 3
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ...checks import check_count, check_filled

_BITS = 2**62


def markov_lines(y: Tensor, order: int, n: int, random: Generator) -> Tensor:
    r"""Returns lines of a Markov chain that is fitted to other lines.

    Arguments:
        y: The codes of the lines, integers from 0 on, with shape :math:`(M, L)`.
        order: The order :math:`k` of the chain, at least 0.
        n: The number :math:`N` of lines.
        random: The generator to draw from.

    Returns:
        The codes, int64, with shape :math:`(N, L)`.

    Raises:
        ValueError: If there are no lines, or `order` or `n` is out of its range.
    """
    check_filled(y=y)
    check_count("n", n)
    base = int(y.max()) + 2
    if order < 0 or base ** (order + 1) >= _BITS:
        raise ValueError(f"'order' should be 0 or a small number of characters, got {order!r}.")
    tables = [_successors(y.long(), k, base) for k in range(order + 1)]
    x = torch.full((n, order + y.shape[1]), base - 1, device=y.device)
    for t in range(order, x.shape[1]):
        u = torch.rand(n, generator=random, dtype=torch.float64, device=random.device)
        x[:, t] = _draw_next(x[:, t - order : t], u.to(y.device), tables, base)
    return x[:, order:]


def _numbers(characters: Tensor, base: int) -> Tensor:
    r"""Returns rows of characters :math:`(*, k)` as numbers with a digit for each."""
    number = torch.zeros(characters.shape[:-1], dtype=torch.long, device=characters.device)
    for digit in characters.unbind(-1):
        number = number * base + digit
    return number


def _successors(y: Tensor, order: int, base: int) -> tuple[Tensor, Tensor]:
    r"""Returns all runs of `order` + 1 characters as sorted numbers, and their summed counts."""
    before = y.new_full((len(y), order), base - 1)
    runs = _numbers(torch.cat([before, y], 1).unfold(1, order + 1, 1), base)
    numbers, counts = runs.unique(return_counts=True)
    return numbers, counts.cumsum(0)


def _draw_next(
    context: Tensor, u: Tensor, tables: list[tuple[Tensor, Tensor]], base: int
) -> Tensor:
    r"""Returns the next character after each context, with shape :math:`(N)`.

    Arguments:
        context: The last characters, with shape :math:`(N, k)`.
        u: Uniform random numbers in [0, 1), float64, with shape :math:`(N)`.
        tables: The runs of each order and their summed counts, as of :func:`_successors`.
        base: The base of the numbers.
    """
    following = torch.full_like(u, -1, dtype=torch.long)
    for order in range(context.shape[1], -1, -1):
        if (following >= 0).all():
            break
        numbers, sums = tables[order]
        start = _numbers(context[:, context.shape[1] - order :], base) * base
        low, high = (torch.searchsorted(numbers, edge) for edge in (start, start + base))
        below = torch.cat([sums.new_zeros(1), sums])
        least, most = below[low], below[high]
        target = least + (u * (most - least)).long()
        index = torch.searchsorted(sums, target, right=True).clamp_max(len(sums) - 1)
        found = (following < 0) & (high > low)
        following = torch.where(found, numbers[index] % base, following)
    return following
