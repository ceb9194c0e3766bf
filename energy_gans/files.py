r"""Files that are written whole or not at all, and locks that end with their process.

A file is written under a unique temporary name in the same folder, flushed to the disk and
renamed. If two processes write to one path, their bytes never mix: the last rename wins, and a
reader sees one of the two files whole. The temporary file is locked while it is written, so that
:func:`remove_stale` can distinguish files that are being written from files that a killed process
left.

Locks use `flock`, so they end with their process, however it ends. Windows and some network file
systems have no such locks. There, files are still written whole or not at all, but nothing
prevents two processes from using one folder. Without locks on a network file system, temporary
files of killed processes are not removed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows has no flock, so nothing is locked there.
    fcntl = None

_PART = ".part"
_TEMPORARY = re.compile(rf".+\.[0-9a-f]{{32}}{re.escape(_PART)}")


def import_hint(module: str) -> str:
    r"""Returns how Python finds a module of the current folder that it does not find yet.

    The current folder is not on the path of a console script.

    Arguments:
        module: The name of the module, or of something in the module.

    Returns:
        The end of a sentence; empty if Python finds the module, or the folder does not hold it.
    """
    top = module.partition(".")[0]
    there = Path(f"{top}.py").is_file() or Path(top, "__init__.py").is_file()
    if not there or importlib.util.find_spec(top) is not None:
        return ""
    return f": {top!r} is in the current folder, so put PYTHONPATH=. before the command"


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    r"""Opens a file that gets its name only when it is complete and on the disk.

    If the block raises an error, the new file is removed and a previous file at `path` is kept.

    Arguments:
        path: The path of the file. Its folder is created.

    Yields:
        The file, open for writing.

    Raises:
        OSError: If the file can not be written.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_PART}")
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
        # torch.save raises a RuntimeError if the disk is full.
        if isinstance(error, (OSError, RuntimeError)):
            kind = type(error) if isinstance(error, OSError) else OSError
            kept = "The previous file is unchanged." if path.exists() else "No file was written."
            raise kind(f"{path} could not be written: {error}. {kept}") from error
        raise
    _flush_folder(path.parent)


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    r"""Yields a folder that gets its name only when it is complete, in place of a previous one.

    If the block raises an error, the new folder is removed and a previous one at `path` is kept.

    Arguments:
        path: The path of the folder. The folder above it is created.

    Raises:
        OSError: If the folder can not be written.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_PART}")
    try:
        part.mkdir(parents=True)
        yield part
        replace_folder(part, path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def replace_folder(part: Path, path: Path) -> None:
    r"""Renames a complete folder, in place of a previous one, which is then removed.

    Arguments:
        part: The folder.
        path: Its new path, in the same folder. If the renaming fails, a previous folder there is
            kept.

    Raises:
        OSError: If the folder can not be renamed.
    """
    _flush_folder(part)
    old = path.with_name(f"{path.name}.{uuid.uuid4().hex}.old")
    try:
        if path.exists():
            path.rename(old)
        part.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    r"""Flushes the names in a folder to the disk, if the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_bytes(path: str | os.PathLike, content: bytes) -> None:
    r"""Appends bytes to a file, which is restored if that fails.

    Arguments:
        path: The path of the file, which is created if it is missing.
        content: The bytes to append.

    Raises:
        OSError: If the bytes can not be written.
    """
    try:
        # Unbuffered, because the rest of a buffer would be written after the file was truncated.
        with open(path, "ab", buffering=0) as file:
            end = file.tell()
            try:
                while content:
                    # A disk that is nearly full writes a part of the bytes, and raises an error
                    # next time.
                    content = content[file.write(content) :]
            except BaseException:
                file.truncate(end)
                raise
    except OSError as error:
        raise type(error)(
            f"{path} could not be written: {error}. Its previous content is unchanged."
        ) from error


def lock(descriptor: int, wait: bool = False) -> None:
    r"""Locks an open file or folder until it is closed or the process ends.

    Arguments:
        descriptor: The descriptor of the file or folder.
        wait: Whether to wait until no other process holds the lock.

    Raises:
        BlockingIOError: If another process holds the lock and `wait` is false.
        OSError: If the file system has no locks.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def is_at(descriptor: int, path: Path) -> bool:
    r"""Returns whether an open file or folder is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _create_locked(path: Path) -> BinaryIO:
    r"""Creates a file and locks it, if the file system has locks.

    Returns:
        The file, open for writing.

    Raises:
        FileExistsError: If the file exists.
    """
    while True:
        file = path.open("xb")
        with contextlib.suppress(OSError):
            lock(file.fileno())
        # Another process may have removed the file as stale before it was locked.
        if is_at(file.fileno(), path):
            return file
        file.close()


@contextmanager
def hold_lock(path: Path, name: str) -> Iterator[None]:
    r"""Holds a lock file and removes it at the end. A lock ends with its process.

    Without locks in the file system, nothing is locked.

    Arguments:
        path: The path of the lock file. Its folder is created.
        name: The name of the locked resource, for the error.

    Raises:
        BlockingIOError: If another process holds the lock; the error names the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+b")
    try:
        _take(file, name)
        while not is_at(file.fileno(), path):
            # The previous holder has removed this file.
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
    r"""Locks a lock file, if the file system has locks.

    Raises:
        BlockingIOError: If another process holds the lock; the error names the process.
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
    r"""Removes temporary files of killed processes in a folder and its subfolders, one level deep.

    Returns:
        The paths of the removed files.
    """
    removed = []
    for part in [*folder.glob(f"*{_PART}"), *folder.glob(f"*/*{_PART}")]:
        if not _TEMPORARY.fullmatch(part.name) or part.is_symlink() or not part.is_file():
            continue
        with contextlib.suppress(OSError), part.open("rb+") as file:
            lock(file.fileno())
            part.unlink()
            removed.append(part)
    return removed


def write_text(text: str, path: Path) -> None:
    r"""Writes a text file in UTF-8, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())
