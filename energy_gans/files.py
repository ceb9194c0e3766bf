r"""Files that are written whole or not at all, locks that end with their process, and check sums.

A file is written under a temporary name of its own beside its place, flushed to the disk and renamed.
Two writers of one path never touch each other's bytes: the later one wins, and a reader sees one of
the two files whole. The temporary file is locked while it is written, so that :func:`remove_stale`
tells a file that a killed process left from one that is being written.

Locks are those of `flock`: they end with their process, however it ends. Windows and some network
file systems have none. There files are as whole as anywhere, but nothing keeps two processes out of
one folder, and what killed processes left stays.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows has no flock: there nothing is locked.
    fcntl = None

PART = ".part"
TEMPORARY = re.compile(rf".+\.[0-9a-f]{{32}}{re.escape(PART)}")


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
        with _create_locked(part) as file:
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
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    r"""Puts a folder's names on the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_bytes(path: str | os.PathLike, content: bytes) -> None:
    r"""Appends to a file, which stays as it was if that fails.

    Arguments:
        path: The path of the file, which is made if it is missing.
        content: What is appended.

    Raises:
        OSError: If it can not be written.
    """
    try:
        # Without a buffer, whose rest would be written after the file was cut.
        with open(path, "ab", buffering=0) as file:
            end = file.tell()
            try:
                while content:
                    # A disk that fills up takes a part, and refuses the rest.
                    content = content[file.write(content) :]
            except BaseException:
                file.truncate(end)
                raise
    except OSError as error:
        raise type(error)(
            f"{path} could not be written: {error}. What it held is as it was."
        ) from error


def lock(descriptor: int) -> None:
    r"""Locks an open file or folder until it is closed, or its process ends.

    Raises:
        BlockingIOError: If another process holds it.
        OSError: If its file system has no locks.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_at(descriptor: int, path: Path) -> bool:
    r"""Returns whether an open file or folder is the one that has a name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _create_locked(path: Path) -> BinaryIO:
    r"""Returns a new file, locked where its file system has locks.

    Raises:
        FileExistsError: If there is such a file.
    """
    while True:
        file = path.open("xb")
        with contextlib.suppress(OSError):
            lock(file.fileno())
        # Who removes stale files may have come between the two.
        if is_at(file.fileno(), path):
            return file
        file.close()


@contextmanager
def hold_lock(path: Path, name: str) -> Iterator[None]:
    r"""Holds a lock file, which is removed at the end. A process that is killed lets go of it.

    Where the file system has no locks nothing is held.

    Arguments:
        path: The path of the lock file. Its folder is made.
        name: What is locked, as the error has it.

    Raises:
        BlockingIOError: If another process holds it, that names that process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+b")
    try:
        _take(file, name)
        while not is_at(file.fileno(), path):
            # Who held it before has removed it.
            file.close()
            file = path.open("a+b")
            _take(file, name)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
    finally:
        file.close()


def _take(file: BinaryIO, name: str) -> None:
    r"""Locks a lock file, where its file system has locks.

    Raises:
        BlockingIOError: If another process holds it, that names that process.
    """
    try:
        lock(file.fileno())
    except BlockingIOError:
        file.seek(0)
        holder = file.read().decode(errors="replace") or "another process"
        raise BlockingIOError(
            f"{name} is in use by {holder}: wait for its end, or choose another folder."
        ) from None
    except OSError:
        pass


def remove_stale(folder: Path) -> list[Path]:
    r"""Removes the temporary files that killed processes left in a folder, and returns them.

    They are looked for in the folder and in those that it holds.
    """
    removed = []
    for part in [*folder.glob(f"*{PART}"), *folder.glob(f"*/*{PART}")]:
        if not TEMPORARY.fullmatch(part.name) or part.is_symlink() or not part.is_file():
            continue
        with contextlib.suppress(OSError), part.open("rb+") as file:
            lock(file.fileno())
            part.unlink()
            removed.append(part)
    return removed


def write_text(text: str, path: Path) -> None:
    r"""Writes a text, in UTF-8, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())
