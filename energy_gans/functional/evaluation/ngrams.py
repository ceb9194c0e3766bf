r"""n-grams of text: the divergence of two sets of lines, and the share that was seen before.

A line of :math:`L` characters has :math:`L - n + 1` n-grams, padding included. With the relative
frequencies :math:`p` of the n-grams of one set of lines and :math:`q` of another, the
Jensen-Shannon divergence

.. math::
    \mathrm{JS}(p, q) = \frac{1}{2} \sum_g \left[ p_g \log_2 \frac{2 p_g}{p_g + q_g}
    + q_g \log_2 \frac{2 q_g}{p_g + q_g} \right]

lies between 0, for equal frequencies, and 1, for sets without a common n-gram. It is far above 0
for few lines, even for lines of the same distribution, and smaller for more of them: it is only
compared at equal numbers of lines.

References:
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), Section 5.3,
    https://arxiv.org/abs/1704.00028
    Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al., 2018),
    Section 5.3 and Table 4a, https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...checks import check_filled

_BITS = 2**62


class NGramTable:
    r"""The n-grams of lines and their numbers, in which those of other lines are looked up.

    Arguments:
        y: The codes of the lines, integers from 0 on, with shape :math:`(M, L)`.
        n: The number :math:`n` of characters of an n-gram, from 1 to :math:`L`.

    Raises:
        ValueError: If there are no lines, or `n` is not between 1 and :math:`L`.
    """

    def __init__(self, y: Tensor, n: int) -> None:
        check_filled(y=y)
        self.n, self.length, self.base = n, y.shape[1], int(y.max()) + 1
        if not 1 <= n <= self.length:
            raise ValueError(
                f"'n' should be from 1 to the {self.length} characters of a line, got {n!r}."
            )
        self.ranked: list[Tensor] = []
        self.values, self.counts = self._numbers(y.long(), new=True).unique(return_counts=True)

    def look_up(self, x: Tensor) -> Tensor:
        r"""Returns the places of n-grams in the table, -1 for others.

        Arguments:
            x: The codes of lines, integers from 0 on, with shape :math:`(N, L)`.

        Returns:
            The places, int64, with shape :math:`(N, L - n + 1)`.

        Raises:
            ValueError: If there are no lines, or they have another length.
        """
        check_filled(x=x)
        if x.shape[1] != self.length:
            raise ValueError(
                f"'x' should hold lines of {self.length} characters, got {x.shape[1]}."
            )
        unknown = (x >= self.base).unfold(1, self.n, 1).any(2)
        numbers = self._numbers(x.long().clamp_max(self.base - 1))
        return _rank(numbers, self.values).masked_fill_(unknown, -1)

    def _numbers(self, codes: Tensor, new: bool = False) -> Tensor:
        r"""Returns a number for each n-gram, with a digit for each character.

        Numbers that would become too large are replaced by their ranks among those of the table,
        -1 for others. Digits after -1 leave it negative.

        Arguments:
            codes: The codes of lines, with shape :math:`(N, L)`.
            new: Whether the lines are those of the table.
        """
        numbers, size, ranked = codes, self.base, iter(self.ranked)
        for k in range(2, self.n + 1):
            if size * self.base >= _BITS:
                if new:
                    self.ranked.append(numbers.unique())
                values = self.ranked[-1] if new else next(ranked)
                numbers, size = _rank(numbers, values), len(values)
            numbers, size = numbers[:, :-1] * self.base + codes[:, k - 1 :], size * self.base
        return numbers


def ngram_divergence(x: Tensor, y: Tensor | NGramTable, n: int) -> Tensor:
    r"""Returns the Jensen-Shannon divergence of the n-grams of two sets of lines.

    Arguments:
        x: The codes of the first lines, integers from 0 on, with shape :math:`(N, L)`.
        y: The codes of the second lines, with shape :math:`(M, L)`, or their table.
        n: The number :math:`n` of characters of an n-gram, from 1 to :math:`L`.

    Returns:
        The divergence in bits, from 0 to 1, a scalar, float64.

    Raises:
        ValueError: If a set is empty, or `n` is not between 1 and :math:`L`.
    """
    table = _table_of(y, n)
    places = table.look_up(x).flatten()
    # An n-gram of one set alone adds half of its frequency there.
    common, counts = places[places >= 0].unique(return_counts=True)
    p = counts.double() / len(places)
    q = table.counts[common].double() / table.counts.sum()
    both = torch.xlogy(p, 2 * p / (p + q)) + torch.xlogy(q, 2 * q / (p + q))
    return (both.sum() / math.log(2) + (1 - p.sum()) + (1 - q.sum())) / 2


def seen_share(x: Tensor, y: Tensor | NGramTable, n: int, padding: int | None = None) -> Tensor:
    r"""Returns the share of the n-grams of some lines that occur in other lines.

    Arguments:
        x: The codes of the lines, integers from 0 on, with shape :math:`(N, L)`.
        y: The codes of the other lines, with shape :math:`(M, L)`, or their table.
        n: The number :math:`n` of characters of an n-gram, from 1 to :math:`L`.
        padding: The code of padding, at least 0. n-grams that hold it are not counted; all count
            if `None`.

    Returns:
        The share, a scalar, float64; 0 if no n-gram counts.

    Raises:
        ValueError: If a set is empty, or `n` is not between 1 and :math:`L`.
    """
    seen = _table_of(y, n).look_up(x) >= 0
    counted = torch.ones_like(seen)
    if padding is not None:
        counted = ~(x == padding).unfold(1, n, 1).any(2)
    return (seen & counted).sum().double() / counted.sum().clamp_min(1)


def _table_of(y: Tensor | NGramTable, n: int) -> NGramTable:
    r"""Returns the table of lines.

    Raises:
        ValueError: If the table is one of other n-grams.
    """
    table = y if isinstance(y, NGramTable) else NGramTable(y, n)
    if table.n != n:
        raise ValueError(f"'n' should be that of the table, {table.n}, got {n!r}.")
    return table


def _rank(numbers: Tensor, values: Tensor) -> Tensor:
    r"""Returns the places of numbers among sorted values, -1 for those that are not there."""
    places = torch.searchsorted(values, numbers).clamp_max(len(values) - 1)
    return places.where(values[places] == numbers, -1)
