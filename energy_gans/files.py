r"""Files that are written whole or not at all, locks that end with their process, and check sums.

A file is written under a temporary name of its own beside its place, flushed to the disk and renamed.
Two writers of one path never touch each other's bytes: the later one wins, and a reader sees one of
the two files whole. The temporary file is locked while it is written, so that :func:`remove_stale`
tells a file that a killed process left from one that is being written.
"""

from __future__ import annotations

import contextlib
import os
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows has no flock: there nothing is locked.
    fcntl = None

PART = ".part"


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    r"""Opens a file that takes its name only once it is complete and on the disk.

    An error inside removes it, and what stood at `path` stays as it was.

    Arguments:
        path: The path of the file. Its folder is made.

    Raises:
        OSError: If it can not be written.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            with contextlib.suppress(OSError):
                lock(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        # torch.save makes a RuntimeError of a full disk.
        if isinstance(error, (OSError, RuntimeError)):
            kind = type(error) if isinstance(error, OSError) else OSError
            kept = "The previous one is as it was." if path.exists() else "There is none yet."
            raise kind(f"{path} could not be written: {error}. {kept}") from error
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    r"""Puts a folder's names on the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock(descriptor: int) -> None:
    r"""Locks an open file or folder until it is closed, or its process ends.

    Raises:
        BlockingIOError: If another process holds it.
        OSError: If its file system has no locks.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_stale(folder: Path) -> list[Path]:
    r"""Removes the temporary files that killed processes left in a folder and below, and returns them."""
    removed = []
    for part in folder.rglob(f"*{PART}"):
        with contextlib.suppress(OSError):
            if part.is_file() and not part.is_symlink():
                with part.open("rb+") as file:
                    lock(file.fileno())
                part.unlink()
                removed.append(part)
    return removed


def check_archive(path: str | os.PathLike | BinaryIO) -> None:
    r"""Checks that the parts of a file of tensors are those that were written.

    Such a file is a zip archive, whose parts carry check sums that `torch.load` does not look at.

    Raises:
        zipfile.BadZipFile: If it is no zip archive.
        ValueError: If a part is damaged, or compressed: torch compresses none, and a compressed one may
            be of any size.
    """
    with zipfile.ZipFile(path) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise ValueError("a part of it is compressed")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"its part {damaged!r} is damaged: the check sum is wrong")
