r"""What is not read: files that are no regular files, and archives that unpack to far more than they are.

Sizes in headers are believed only where they are checked against what is there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

# The bytes of one file: as many as the largest picture that is decoded has as plain pixels.
LARGEST = 256 * 2**20
# Pictures are compressed already: what unpacks to more than this many times its size, and to more than
# a gigabyte, holds none.
EXPANSION = 100
UNPACKED = 2**30

# What reading a file gives: its bytes, or why they can not be read.
Contents = bytes | ValueError

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def check_regular(path: Path | str) -> os.stat_result:
    r"""Returns the status of a file, links followed.

    Raises:
        ValueError: If it is no regular file: reading it might never end.
        OSError: If there is none.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ValueError(f"it is {kind}, and should be a regular file")
    return status


def read_regular(path: Path | str, largest: int) -> bytes:
    r"""Returns the contents of a regular file.

    Arguments:
        path: The file, or a link to one.
        largest: How many bytes are read at most.

    Raises:
        ValueError: If it is no regular file, or larger.
        OSError: If it can not be read.
    """
    size = check_regular(path).st_size
    if error := size_error(size, largest):
        raise error
    # The path may have become a pipe by now: opening that must not wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        contents = file.read(size + 1)
    if len(contents) > size:
        raise ValueError(f"it has more than the {size} bytes that the file system says")
    return contents


def size_limit(largest: int | None) -> int:
    r"""Returns how many bytes a file may have."""
    return LARGEST if largest is None else largest


def size_error(size: int, largest: int) -> ValueError | None:
    r"""Returns an error if a file is larger than it may be, in bytes."""
    if size > largest:
        return ValueError(
            f"it has {size} bytes, more than the {largest} that are read of one file"
        )
    return None


def check_expansion(path: Path, unpacked: int, packed: int) -> None:
    r"""Raises a `ValueError` if an archive holds more than its own size lets one expect, in bytes."""
    if unpacked > max(UNPACKED, EXPANSION * packed):
        raise ValueError(
            f"'source' = {str(path)!r} should be an archive of pictures, but unpacks to {unpacked} bytes "
            f"or more, over {EXPANSION} times its size of {packed}."
        )
