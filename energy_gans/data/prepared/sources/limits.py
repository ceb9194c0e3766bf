r"""Which files are refused: those that are not regular, too large, or expand too much.

A size in a header is used only if reading checks it against the contents.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

# The most bytes of one file: those of the pixels of the largest picture that is decoded.
LARGEST = 256 * 2**20
# Pictures are compressed already. An archive that unpacks to more than EXPANSION times its size,
# and to more than UNPACKED bytes, is refused.
EXPANSION = 100
UNPACKED = 2**30

# The result of reading a file: its bytes, or the reason why it can not be read.
Contents = bytes | ValueError

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def check_regular(path: Path | str) -> os.stat_result:
    r"""Returns the status of a regular file; links are followed.

    Raises:
        ValueError: If the file is not regular: reading it might never end.
        OSError: If the file does not exist.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ValueError(f"it is {kind}, and should be a regular file")
    return status


def read_regular(path: Path | str, largest: int) -> bytes:
    r"""Returns the contents of a regular file.

    Arguments:
        path: The file, or a link to it.
        largest: The largest size of the file, in bytes.

    Raises:
        ValueError: If the file is not regular or is larger.
        OSError: If the file can not be read.
    """
    size = check_regular(path).st_size
    if error := size_error(size, largest):
        raise error
    # The path may have been replaced by a pipe, and opening that must not wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        contents = file.read(size + 1)
    if len(contents) > size:
        raise ValueError(f"it has more than the {size} bytes that the file system says")
    return contents


def size_limit(largest: int | None) -> int:
    r"""Returns the largest size of a file, in bytes: the given one, or else `LARGEST`."""
    return LARGEST if largest is None else largest


def size_error(size: int, largest: int) -> ValueError | None:
    r"""Returns an error if the size of a file, in bytes, is larger than `largest`."""
    if size > largest:
        return ValueError(
            f"it has {size} bytes, more than the {largest} that are read of one file"
        )
    return None


def check_expansion(path: Path, unpacked: int, packed: int) -> None:
    r"""Raises a `ValueError` if an archive expands too much.

    Arguments:
        path: The archive.
        unpacked: The size of its contents, in bytes.
        packed: The size of the archive, in bytes.
    """
    if unpacked > max(UNPACKED, EXPANSION * packed):
        raise ValueError(
            f"'source' = {str(path)!r} should be an archive of pictures, but unpacks to "
            f"{unpacked} bytes or more, over {EXPANSION} times its size of {packed}."
        )
