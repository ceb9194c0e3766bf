r"""LMDB databases, read without the LMDB library.

The library maps the file into memory and trusts all that it holds, so a damaged file crashes the
process. Here, pages are read one at a time, and each number in them is checked against the file.

A database is a B+ tree of pages. Pages 0 and 1 say where its root is; the one with the later
transaction counts. Nodes of branch pages hold the numbers of pages, and nodes of leaf pages hold
keys with their values, or with the number of the first of several pages that hold the value. All
numbers are stored with the least significant byte first.

References:
    Lightning Memory-Mapped Database, format 1 (Symas, 2011), https://www.symas.com/lmdb
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .limits import Contents, check_regular, size_error, size_limit

_MAGIC, _VERSION = 0xBEEFC0DE, 1
# Of a page: its number, padding, flags, and the ends of its pointers and of its free space.
_PAGE = struct.Struct("<QHHHH")
# Of a node: the low and the high half of a size or page number, flags, and the size of the key.
_NODE = struct.Struct("<HHHH")
# After the header of pages 0 and 1: magic number, version, address and size of the map, and for
# the table of free pages and for the database padding, flags, depth, numbers of branch, leaf and
# overflow pages and of entries, and root; then the last page and the transaction.
_META = struct.Struct("<IIQQ IHHQQQQQ IHHQQQQQ QQ")
_BRANCH, _LEAF, _META_PAGE = 1, 2, 8
# The value of a node is in pages of its own; other flags are those of tables within tables.
_LARGE = 1
_EMPTY = 2**64 - 1
# The depth of a tree at which the library gives up.
_DEPTH = 32


class _Meta(NamedTuple):
    r"""What a database says of itself.

    Arguments:
        transaction: The number of the last transaction.
        page_size: The size of a page in bytes.
        last: The number of the last page.
        entries: The number of entries.
        root: The number of the root's page.
    """

    transaction: int
    page_size: int
    last: int
    entries: int
    root: int


class LmdbFile:
    r"""The entries of a database, in the order of their keys.

    Arguments:
        path: The file `data.mdb`.

    Raises:
        ValueError: If the file is no database, is damaged or was cut short.
        OSError: If the file can not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, check_regular(path).st_size
        with path.open("rb") as file:
            self.meta = self._read_meta(file)
        pages = self.meta.last + 1
        if pages * self.meta.page_size > self.size:
            raise ValueError(f"it is cut short: it should have {pages} pages")
        if self.meta.entries > self.size // (_NODE.size + 2):
            raise ValueError(f"it is too small for {self.meta.entries} entries")

    def __len__(self) -> int:
        return self.meta.entries

    def _read_meta(self, file: BinaryIO) -> _Meta:
        r"""Returns what the later one of the pages 0 and 1 says.

        Raises:
            ValueError: If the file is no database.
        """
        first = _parse_meta(file.read(_PAGE.size + _META.size))
        file.seek(first.page_size)
        second = _parse_meta(file.read(_PAGE.size + _META.size))
        if first.page_size != second.page_size:
            raise ValueError("its pages have two sizes")
        return max(first, second)

    def items(self) -> Iterator[tuple[bytes, Contents]]:
        r"""Yields keys and values, or an error for a value that is too large.

        Raises:
            ValueError: If the file is damaged.
        """
        count = read = 0
        with self.path.open("rb") as file:
            for key, value in self._walk(file) if self.meta.root != _EMPTY else ():
                count += 1
                read += len(value) if isinstance(value, bytes) else 0
                if read > self.size or count > len(self):
                    break
                yield key, value
        if count != len(self) or read > self.size:
            raise ValueError(f"it should have {len(self)} entries in {self.size} bytes")

    def _walk(self, file: BinaryIO) -> Iterator[tuple[bytes, Contents]]:
        r"""Yields the entries of the tree."""
        pending, visited = [(self.meta.root, 1)], 0
        while pending:
            number, depth = pending.pop()
            visited += 1
            if visited > self.meta.last or depth > _DEPTH:
                raise ValueError("its pages form no tree")
            page = self._read_page(file, number)
            flags = _PAGE.unpack_from(page)[2] & (_BRANCH | _LEAF)
            nodes = [*_nodes(page)]
            if flags == _BRANCH:
                pending += [(_child(page, i), depth + 1) for i in reversed(nodes)]
            elif flags == _LEAF:
                for i in nodes:
                    yield self._entry(file, page, i)
            else:
                raise ValueError(f"its page {number} is neither a branch nor a leaf")

    def _read_page(self, file: BinaryIO, number: int) -> bytes:
        r"""Returns the contents of a page."""
        size = self.meta.page_size
        if not 2 <= number <= self.meta.last:
            raise ValueError(f"it has no page {number}")
        file.seek(number * size)
        page = file.read(size)
        if len(page) != size or _PAGE.unpack_from(page)[0] != number:
            raise ValueError(f"its page {number} is damaged")
        return page

    def _entry(self, file: BinaryIO, page: bytes, i: int) -> tuple[bytes, Contents]:
        r"""Returns the key and the value of the node at byte `i` of a leaf page."""
        low, high, flags, key_size = _NODE.unpack_from(page, i)
        start, size = i + _NODE.size + key_size, low | high << 16
        key = page[i + _NODE.size : start]
        if flags & ~_LARGE or len(key) != key_size:
            raise ValueError("it holds tables within tables, or is damaged")
        if not flags & _LARGE:
            value = page[start : start + size]
        elif error := size_error(size, size_limit(None)):
            return key, error
        else:
            number = int.from_bytes(page[start : start + 8], "little")
            place = number * self.meta.page_size + _PAGE.size
            if not (number >= 2 and place + size <= self.size):
                raise ValueError(f"the value of {key!r:.60} lies outside of it")
            file.seek(place)
            value = file.read(size)
        if len(value) != size:
            raise ValueError(f"the value of {key!r:.60} lies outside of its page")
        return key, value


def _parse_meta(page: bytes) -> _Meta:
    r"""Returns what page 0 or 1 says.

    Raises:
        ValueError: If it is no such page of a database.
    """
    if len(page) < _PAGE.size + _META.size or not _PAGE.unpack_from(page)[2] & _META_PAGE:
        raise ValueError("it does not begin as a database does")
    fields = _META.unpack_from(page, _PAGE.size)
    magic, version, page_size = fields[0], fields[1], fields[4]
    if magic != _MAGIC or version != _VERSION:
        raise ValueError("it does not begin as a database of format 1 does")
    if not (512 <= page_size <= 2**16 and page_size.bit_count() == 1):
        raise ValueError(f"its pages should not have {page_size} bytes")
    return _Meta(fields[-1], page_size, fields[-2], fields[-4], fields[-3])


def _nodes(page: bytes) -> Iterator[int]:
    r"""Yields the places of the nodes in a page, in the order of their keys."""
    end = _PAGE.unpack_from(page)[3]
    if not _PAGE.size <= end <= len(page):
        raise ValueError("the list of a page's nodes is damaged")
    for i in range(_PAGE.size, end - 1, 2):
        place = int.from_bytes(page[i : i + 2], "little")
        if not end <= place <= len(page) - _NODE.size:
            raise ValueError("the list of a page's nodes is damaged")
        yield place


def _child(page: bytes, i: int) -> int:
    r"""Returns the number of the page to which the node at byte `i` of a branch page leads."""
    low, high, flags, _ = _NODE.unpack_from(page, i)
    return low | high << 16 | flags << 32
