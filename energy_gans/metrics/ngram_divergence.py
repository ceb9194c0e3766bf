r"""The divergence of the n-grams of generated and of real text, as a metric.

Values depend on the number of lines: for few lines they are far above 0, even for real ones. So
they are compared at equal numbers, and with :meth:`NGramDivergence.floor`, the values of as many
held-out lines. A model that recites its training lines is below the floor: `seen` is the share of
longer n-grams that occur in the training lines, which it raises.

References:
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), Section 5.3,
    https://arxiv.org/abs/1704.00028
    Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al., 2018),
    Section 5.3 and Table 4a, https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from ..characters import OWN, PAD, to_codes
from ..checks import check_count
from ..functional import NGramTable, ngram_divergence, seen_share

_PADDING = OWN.index(PAD)


class NGramDivergence(Metric):
    r"""The Jensen-Shannon divergence of n-grams, from 0 to 1, and the share of seen n-grams.

    Arguments:
        orders: The numbers of characters of the n-grams whose frequencies are compared.
        seen: The number of characters of the n-grams that are looked up in the real lines, or
            `None` for no such share. n-grams that hold padding, the code 0, are left out.
        reset_real: Whether :meth:`reset` forgets the real lines, too.
        kwargs: The arguments of `torchmetrics.Metric`.

    Raises:
        ValueError: If a length is not positive, or there are none.

    Example:
        >>> metric = NGramDivergence(orders=[1, 2], seen=None)
        >>> metric.update(torch.tensor([[2, 3, 2, 3]]), real=True)
        >>> metric.update(torch.tensor([[3, 2, 3, 2]]), real=False)
        >>> {name: round(value.item(), 4) for name, value in metric.compute().items()}
        {'js_1': 0.0, 'js_2': 0.0817}
    """

    higher_is_better = False

    def __init__(
        self,
        orders: Sequence[int] = (1, 2, 3, 4, 5, 6),
        seen: int | None = 12,
        reset_real: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not orders:
            raise ValueError("'orders' should be at least one length of n-grams, got none.")
        for order in orders:
            check_count("orders", order)
        if seen is not None:
            check_count("seen", seen)
        self.orders, self.seen, self.reset_real = tuple(orders), seen, reset_real
        for which in ("real", "generated"):
            self.add_state(which, [], dist_reduce_fx="cat")

    @property
    def full_state_update(self) -> bool:
        r"""Whether `forward` updates twice; otherwise it would add kept lines once more."""
        return not self.reset_real

    def update(self, lines: Tensor, real: bool) -> None:
        r"""Adds lines.

        Arguments:
            lines: Samples of text, with shape :math:`(B, V, L)`, or codes, with shape
                :math:`(B, L)`.
            real: Whether they are real.

        Raises:
            ValueError: If the lines are neither, or shorter than an n-gram.
        """
        codes = to_codes(lines)
        longest = max(*self.orders, self.seen or 0)
        if codes.shape[1] < longest:
            name = "seen" if longest == self.seen else "orders"
            raise ValueError(
                f"{name!r} should be at most the {codes.shape[1]} characters of a line, got "
                f"{longest}."
            )
        (self.real if real else self.generated).append(codes)

    def compute(self) -> dict[str, Tensor]:
        r"""Returns `js_1`, `js_2`, ... and, for `seen` of 12, `seen_12`: scalars, float64.

        Raises:
            ValueError: If there are no real or no generated lines.
        """
        return self._measure(self._lines("generated"))

    def floor(self, lines: Tensor) -> dict[str, Tensor]:
        r"""Returns the values of other lines in place of the generated ones, scalars, float64.

        Arguments:
            lines: The lines, held-out ones for a floor, with shape :math:`(N, V, L)`, or their
                codes, with shape :math:`(N, L)`. As many as there are generated ones are used.

        Raises:
            ValueError: If there are no real lines, or fewer lines than generated ones.
        """
        n, codes = len(self._lines("generated")), to_codes(lines)
        if len(codes) < n:
            raise ValueError(
                f"'lines' should be at least as many as the generated ones, {n}, got {len(codes)}."
            )
        return self._measure(codes[:n])

    def reset(self) -> None:
        kept = [*self.real]
        super().reset()
        if not self.reset_real:
            self.real = kept

    def _lines(self, which: str) -> Tensor:
        r"""Returns the codes of all real or all generated lines, with shape :math:`(N, L)`.

        Raises:
            ValueError: If there are none.
        """
        found = getattr(self, which)
        codes = dim_zero_cat(found) if len(found) > 0 else torch.empty(0)
        if len(codes) == 0:
            raise ValueError(f"NGramDivergence needs {which} lines, and got none.")
        return codes

    def _measure(self, x: Tensor) -> dict[str, Tensor]:
        r"""Returns the values of lines by name, scalars, float64."""
        return text_measures([x], self._lines("real"), self.orders, self.seen)[0]


def text_measures(
    sets: Sequence[Tensor], y: Tensor, orders: Sequence[int], seen: int | None
) -> list[dict[str, Tensor]]:
    r"""Returns the values of :class:`NGramDivergence` of several sets of lines.

    Arguments:
        sets: The codes of the lines of each set, with shape :math:`(N, L)`.
        y: The codes of the real lines, with shape :math:`(M, L)`.
        orders: The numbers of characters of the n-grams whose frequencies are compared.
        seen: The number of characters of the n-grams that are looked up, or `None`.

    Returns:
        The values by name, scalars, float64, of each set.

    Raises:
        ValueError: If a set is empty, or a length is out of its range.
    """
    values: list[dict[str, Tensor]] = [{} for _ in sets]
    for n in orders:
        # One table at a time, as each is larger than the lines.
        table = NGramTable(y, n)
        for found, x in zip(values, sets, strict=True):
            found[f"js_{n}"] = ngram_divergence(x, table, n)
    if seen is not None:
        table = NGramTable(y, seen)
        for found, x in zip(values, sets, strict=True):
            found[f"seen_{seen}"] = seen_share(x, table, seen, _PADDING)
    return values
