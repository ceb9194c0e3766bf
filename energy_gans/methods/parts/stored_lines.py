r"""Stored lines of text, the counts of their n-grams, and the potential of n-grams.

Tables follow the lines: a step changes them only at the n-grams of lines that come and go. They
are not saved. Checkpoints hold the lines, from which the same tables are counted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...checks import check_count, check_positive
from ...functional import ngram_field, ngram_keys, ngram_numbers, ngram_potential


class StoredLines:
    r"""Lines of text and the counts of their n-grams.

    Arguments:
        codes: Room for :math:`M` lines, uint8, with shape :math:`(M, L)`.
        keys: The values of :func:`~energy_gans.functional.ngram_keys` for each length of n-grams.

    Attributes:
        seen: The number of lines that were ever stored.
        counts: How often n-grams of each length stand in the stored lines, by number.
    """

    def __init__(self, codes: Tensor, keys: Sequence[Tensor]) -> None:
        self.codes, self.keys, self.seen = codes, keys, 0
        # The XOR of numbers has no more bits than the largest of them.
        sizes = [1 << int(key.max()).bit_length() for key in keys]
        self.counts = [codes.new_zeros(size, dtype=torch.int32) for size in sizes]

    def store(self, c: Tensor, random: torch.Generator | None = None) -> list[Tensor]:
        r"""Stores lines: in empty places, in those of the oldest lines, or in random ones.

        The age of a line is exponentially distributed if its place is taken at random.

        Arguments:
            c: The lines, with shape :math:`(B, L)`.
            random: The generator of random places, or `None` to replace the oldest lines.

        Returns:
            The numbers of n-grams whose counts have changed, for each length.

        Raises:
            ValueError: If there are more lines than places.
        """
        size, n = len(self.codes), len(c)
        if n > size:
            raise ValueError(
                f"'real_lines' and 'generated_lines' should be at least the minibatch of {n}, got "
                f"{size}."
            )
        if random is None or self.seen < size:
            places = (self.seen + torch.arange(n, device=c.device)) % size
        else:
            places = torch.randperm(size, generator=random, device=random.device)[:n]
            places = places.to(c.device)
        old = self.codes[places[places < self.seen]].long()
        self.codes[places] = c.to(torch.uint8)
        self.seen += n
        gone, come = self.count(old, -1), self.count(c, 1)
        return [torch.cat(numbers) for numbers in zip(gone, come, strict=True)]

    def count(self, c: Tensor, sign: int) -> list[Tensor]:
        r"""Adds lines to the counts, or takes them away.

        Arguments:
            c: The lines, with shape :math:`(B, L)`.
            sign: 1 or -1.

        Returns:
            The numbers of their n-grams, for each length.
        """
        found = [ngram_numbers(c, keys).flatten() for keys in self.keys]
        for counts, numbers in zip(self.counts, found, strict=True):
            counts.index_add_(0, numbers, torch.full_like(numbers, sign))
        return found


class NGramPotentials:
    r"""The potential of n-grams of stored real and generated lines.

    Arguments:
        orders: The lengths of n-grams.
        real_lines: The number of real lines that are stored.
        generated_lines: The number of generated lines that are stored.
        pseudo_count: The pseudo-count of each n-gram.
        bits: The bits of numbers of n-grams.

    Attributes:
        tables: The potential of each number of an n-gram, for each length.

    Raises:
        ValueError: If there are no orders, or a number is not positive.
    """

    def __init__(
        self,
        orders: Sequence[int],
        real_lines: int,
        generated_lines: int,
        pseudo_count: float,
        bits: int,
    ) -> None:
        if len(orders) == 0 or len(set(orders)) < len(orders):
            raise ValueError(f"'orders' should hold different lengths, got {list(orders)!r}.")
        for n in orders:
            ngram_keys(n, 1, bits)
        check_count("real_lines", real_lines)
        check_count("generated_lines", generated_lines)
        check_positive("pseudo_count", pseudo_count)
        self.orders, self.bits, self.pseudo_count = list(orders), bits, pseudo_count
        self.sizes = {"real": real_lines, "generated": generated_lines}
        self.lines: dict[str, StoredLines] = {}
        self.tables: list[Tensor] = []
        self.saved: dict[str, Any] | None = None

    def allocate(self, y: Tensor) -> None:
        r"""Makes room for lines, and counts those of a loaded checkpoint.

        Arguments:
            y: Samples of text, with shape :math:`(B, V, L)`.

        Raises:
            ValueError: If a checkpoint holds lines of another length.
        """
        _, symbols, length = y.shape
        self.keys = [ngram_keys(n, symbols, self.bits).to(y.device) for n in self.orders]
        for name, size in self.sizes.items():
            codes = torch.zeros(size, length, dtype=torch.uint8, device=y.device)
            lines = self.lines[name] = StoredLines(codes, self.keys)
            if self.saved is not None:
                self.restore(lines, **self.saved[name])
        self.saved = None
        self.tables = [self.potential(*counts) for counts in self.counts()]

    def store(self, name: str, c: Tensor, random: torch.Generator | None = None) -> None:
        r"""Stores lines, and updates the potential of their n-grams.

        Arguments:
            name: Which lines: `"real"` or `"generated"`.
            c: The lines, with shape :math:`(B, L)`.
            random: The generator of random places, or `None` to replace the oldest lines.
        """
        changed = self.lines[name].store(c, random)
        for table, numbers, counts in zip(self.tables, changed, self.counts(), strict=True):
            numbers = numbers.long()
            table[numbers] = self.potential(*(count[numbers] for count in counts))

    def counts(self) -> list[tuple[Tensor, Tensor]]:
        r"""Returns the counts of n-grams in real and in generated lines, for each length."""
        return list(zip(*(lines.counts for lines in self.lines.values()), strict=True))

    def potential(self, real: Tensor, generated: Tensor) -> Tensor:
        r"""Returns the potential of n-grams with given counts."""
        ratio = self.sizes["real"] / self.sizes["generated"]
        return ngram_potential(real, generated, self.pseudo_count, ratio)

    def field(self, c: Tensor) -> Tensor:
        r"""Returns the field at lines, with shape :math:`(B, V, L)`.

        Arguments:
            c: The drawn lines, with shape :math:`(B, L)`.
        """
        return ngram_field(c, self.keys, self.tables)

    def means(self, c: Tensor) -> list[Tensor]:
        r"""Returns the mean potential of the n-grams of lines, for each length.

        Arguments:
            c: The lines, with shape :math:`(B, L)`.
        """
        tables = zip(self.tables, self.keys, strict=True)
        return [table[ngram_numbers(c, keys).long()].mean() for table, keys in tables]

    # What checkpoints hold

    def contents(self) -> dict[str, Any]:
        r"""Returns the stored lines, or those of a loaded checkpoint, for a checkpoint."""
        if not self.lines:
            return self.saved or {}
        return {
            name: {"codes": lines.codes[: lines.seen].clone(), "seen": lines.seen}
            for name, lines in self.lines.items()
        }

    def restore(self, lines: StoredLines, codes: Tensor, seen: int) -> None:
        r"""Counts the lines of a checkpoint.

        Arguments:
            lines: The empty lines.
            codes: Their codes, uint8, with shape :math:`(M, L)`.
            seen: The number of lines that were ever stored.

        Raises:
            ValueError: If they do not fit.
        """
        (size, length), symbols = lines.codes.shape, lines.keys[0].shape[1]
        fits = codes.shape == (min(seen, size), length) and codes.dtype == torch.uint8
        if not fits or (len(codes) and int(codes.max()) >= symbols):
            raise ValueError(
                f"The checkpoint should hold up to {size} lines of {length} characters, codes "
                f"below {symbols}, got {tuple(codes.shape)}: 'real_lines', 'generated_lines', "
                "'length' and 'symbols' should be those of its run."
            )
        lines.codes[: len(codes)] = codes
        lines.seen = seen
        lines.count(codes.to(lines.codes.device).long(), 1)
