r"""Sentences of the help that comes with Python, for a first run on text without a download."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..prepared.sources.text import TextSource, rows_of
from .text import TextDataModule

# A paragraph of prose begins with a word and another one in lower case; code and tables do not.
_PROSE = re.compile(r"[A-Z][a-z]* [a-z]")


class EmbeddedText(TextDataModule):
    r"""Data module of prose of the topics of Python's `help()`.

    Samples have the shape :math:`(V, L)`, as those of :class:`TextLines`. Each paragraph is split
    between words into lines of :math:`L` characters or a few more, about 5,900 of 32 characters.
    The text differs from one version of Python to the next.

    Arguments:
        length: The number :math:`L` of characters of a line.
        symbols: The number :math:`V` of symbols, from 3 to 256.
        hold_out: One in this many lines is held out.
        batch_size: The size of the global batch of a training step, over all processes.

    Raises:
        ValueError: If an argument is out of its range, or this Python comes without its help.
    """

    def __init__(
        self, length: int = 32, symbols: int = 128, hold_out: int = 8, batch_size: int = 64
    ) -> None:
        super().__init__(length, symbols, None, hold_out, batch_size)

    def open_text(self) -> TextSource:
        lines = list(_help_lines(self.line_length))
        name, length = "EmbeddedText", self.line_length
        return TextSource(
            *(name, lambda: iter([rows_of(lines, length, name)]), length, self.symbols),
            hold_out=self.hold_out,
        )


def _help_lines(length: int) -> Iterator[str]:
    r"""Yields lines of at least `length` characters of Python's help.

    Raises:
        ValueError: If this Python comes without its help.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ValueError(
            "EmbeddedText reads the topics of Python's help(), which this Python lacks: TextLines "
            "reads any text file."
        ) from error
    for topic in topics.values():
        for paragraph in map(str.strip, topic.split("\n\n")):
            if _PROSE.match(paragraph) and paragraph[-1] in ".:":
                line = ""
                for word in paragraph.split():
                    line = f"{line} {word}".lstrip()
                    if len(line) >= length:
                        yield line
                        line = ""
