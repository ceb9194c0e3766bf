r"""Lines of text, one sample a line, in text files, `.gz` files and folders of them.

Files are read a part at a time, twice: once for the characters that occur, and once for the codes
of the lines. White space at both ends of a line is dropped, and so are blank lines. One line in
`hold_out` is held out, by the contents of the line as far as it is read: lines that are equal are
in one split, whatever their order.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ....characters import (
    LARGEST,
    OWN,
    PAD,
    UNKNOWN,
    code_points,
    code_table,
    count_characters,
    frequent_characters,
    given_vocabulary,
)
from ....checks import check_count
from .limits import check_regular

_PART = 2**20
# A line with more bytes is refused: the file is no text.
_LONGEST = 2**24


class TextRows(NamedTuple):
    r"""Lines as code points.

    Arguments:
        place: The name of the file.
        numbers: The numbers of the lines in the file, from 1, with shape :math:`(N)`.
        rows: The code points of the lines, uint32, with shape :math:`(N, L)`.
        longest: The number of characters of the longest line, before it was cut.
    """

    place: str
    numbers: np.ndarray
    rows: np.ndarray
    longest: int


@dataclass(frozen=True)
class TextSource:
    r"""Lines of text, and how they become codes.

    Arguments:
        name: The name of the source in errors.
        parts: Returns the lines in parts, anew in each call.
        length: The number :math:`L` of characters of a line.
        symbols: The number :math:`V` of symbols, from 3 to 256.
        characters: The characters of the vocabulary; by default the most frequent ones.
        hold_out: One in this many lines is held out.

    Raises:
        ValueError: If an argument is out of its range.
    """

    name: str
    parts: Callable[[], Iterator[TextRows]]
    length: int
    symbols: int
    characters: str | None = None
    hold_out: int = 20

    def __post_init__(self) -> None:
        check_text(self.length, self.symbols, self.characters, self.hold_out)

    def vocabulary(self) -> tuple[str, int]:
        r"""Returns the vocabulary, and how many characters of all lines are outside of it.

        Raises:
            ValueError: If there are no lines, all are too short, or a character is outside of a
                given vocabulary.
        """
        counts, longest = np.zeros(1, np.int64), 0
        given = self.characters and given_vocabulary(self.characters, self.symbols)
        table = code_table(given) if given else None
        for part in self.parts():
            counts = counts + count_characters(part.rows)
            longest = max(longest, part.longest)
            if table is not None:
                _check_characters(part, table)
        if longest < self.length:
            found = f"the longest has {longest}" if longest else "there are none"
            raise ValueError(
                f"{self.name} should hold lines of at least 'length' = {self.length} characters, "
                f"and {found}."
            )
        vocabulary = given or frequent_characters(counts, self.symbols)
        known = [ord(character) for character in vocabulary[len(OWN) :]]
        return vocabulary, int(counts.sum() - counts[known].sum())

    def codes(self, vocabulary: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        r"""Yields the codes of lines, uint8, with shape :math:`(N, L)`, and which are held out."""
        table = code_table(vocabulary)
        for part in self.parts():
            sums = np.array([zlib.crc32(row) for row in part.rows], np.int64)
            yield table[part.rows], sums % self.hold_out == 0


def check_text(length: int, symbols: int, characters: str | None, hold_out: int) -> None:
    r"""Raises a `ValueError` for arguments of a :class:`TextSource` that are out of range."""
    check_count("length", length)
    if not len(OWN) < symbols <= LARGEST:
        raise ValueError(f"'symbols' should be from 3 to {LARGEST}, got {symbols!r}.")
    if hold_out < 2:
        raise ValueError(f"'hold_out' should be at least 2, got {hold_out!r}.")
    if characters is not None:
        given_vocabulary(characters, symbols)


def file_source(
    source: Path,
    length: int,
    symbols: int,
    characters: str | None,
    hold_out: int,
    argument: str = "source",
) -> TextSource:
    r"""Returns the lines of a text file, a `.gz` file, or all files of a folder by name.

    Arguments:
        source: The file or the folder.
        length: The number :math:`L` of characters of a line.
        symbols: The number :math:`V` of symbols.
        characters: The characters of the vocabulary; by default the most frequent ones.
        hold_out: One in this many lines is held out.
        argument: The name of the user's argument that gave the source, for errors.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the folder holds no files, or an argument is out of its range.
    """
    name = f"{argument!r} = {str(source)!r}"
    if not source.exists():
        raise FileNotFoundError(f"{name} should be a file of text or a folder, and is neither.")
    files = [source]
    if source.is_dir():
        files = [p for p in sorted(source.iterdir()) if p.is_file() and p.name[0] != "."]
        if not files:
            raise ValueError(f"{name} should hold files of text, and holds none.")
    parts = partial(_read_files, files, length, argument)
    return TextSource(name, parts, length, symbols, characters, hold_out)


def rows_of(
    lines: list[str], length: int, place: str, first: int = 1, as_they_are: bool = False
) -> TextRows:
    r"""Returns lines as code points.

    Arguments:
        lines: The lines.
        length: The number :math:`L` of characters of a line.
        place: The name of the file.
        first: The number of the first line.
        as_they_are: Whether blank lines, white space at the ends of lines, and symbols of padding
            are kept.
    """
    kept = dict(enumerate(lines, first))
    if not as_they_are:
        stripped = {i: line.strip().replace(PAD, UNKNOWN) for i, line in kept.items()}
        kept = {i: line for i, line in stripped.items() if line}
    numbers = np.array([*kept], np.int64)
    longest = max(map(len, kept.values()), default=0)
    return TextRows(place, numbers, code_points([*kept.values()], length), longest)


def read_text(path: Path, length: int, argument: str) -> Iterator[TextRows]:
    r"""Yields all lines of a text file or a `.gz` file as they are, in parts.

    Arguments:
        path: The file.
        length: The number :math:`L` of characters of a line.
        argument: The name of the user's argument that gave the file, for errors.

    Yields:
        The lines.

    Raises:
        ValueError: If the file is no text in UTF-8, or a damaged archive.
    """
    for lines, first in _read_file(path, argument):
        yield rows_of(lines, length, str(path), first, as_they_are=True)


def _read_files(files: list[Path], length: int, argument: str) -> Iterator[TextRows]:
    r"""Yields the lines of files."""
    for path in files:
        for lines, first in _read_file(path, argument):
            yield rows_of(lines, length, str(path), first)


def _read_file(path: Path, argument: str) -> Iterator[tuple[list[str], int]]:
    r"""Yields the lines of a file, in parts, with the number of the first line of each.

    Raises:
        ValueError: If the file is no text in UTF-8, or a damaged archive.
    """
    first = 1
    try:
        check_regular(path)
        for text in _read_parts(path):
            lines = _decode(text, first).split("\n")
            yield lines, first
            first += len(lines)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{argument!r} = {str(path)!r} should be text in UTF-8, or a .gz file of it: "
            f"{str(error).rstrip('.')}."
        ) from error


def _read_parts(path: Path) -> Iterator[bytes]:
    r"""Yields the contents of a file in parts of whole lines, without the ends of their last."""
    with _open(path) as file:
        left = b""
        while part := file.read(_PART):
            whole, end, rest = (left + part).rpartition(b"\n")
            left = rest
            if end:
                yield whole
            if len(left) > _LONGEST:
                raise ValueError(f"a line has more than {_LONGEST} bytes")
        if left:
            yield left


def _open(path: Path) -> BinaryIO:
    r"""Returns a file that is opened for reading, unpacked if it is a `.gz` file by its bytes."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _decode(text: bytes, first: int) -> str:
    r"""Returns the characters of a part of a file.

    Raises:
        ValueError: If it is no text.
    """
    if (null := text.find(0)) >= 0:
        line = first + text.count(b"\n", 0, null)
        raise ValueError(f"line {line} holds the byte 0, which no text does")
    try:
        return text.decode("utf-8-sig" if first == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = first + text.count(b"\n", 0, error.start)
        raise ValueError(f"line {line} holds the byte {text[error.start]:#x}") from error


def _check_characters(part: TextRows, table: np.ndarray) -> None:
    r"""Raises a `ValueError` that names the first character outside of a given vocabulary."""
    outside = np.argwhere(table[part.rows] == OWN.index(UNKNOWN))
    if len(outside) > 0:
        i, j = outside[0]
        character = chr(part.rows[i, j])
        raise ValueError(
            f"'characters' should hold all characters of the text, and line {part.numbers[i]} of "
            f"{part.place} has {character!r} (U+{ord(character):04X}): add it, or leave "
            "'characters' out for the most frequent ones."
        )
