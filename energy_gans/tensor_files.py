r"""Files of tensors: what `torch.save` wrote, read without running any code that a file may hold.

Since torch 1.6 such a file is a zip archive whose parts carry check sums. `torch.load` ignores the
check sums, so that a flipped bit would change a weight unnoticed. They are compared here.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

# The first bytes of a zip archive.
_ARCHIVE = b"PK\x03\x04"


class _DamagedArchiveError(ValueError):
    r"""Raised when an archive is not as `torch.save` writes it, with the reason as its message."""


def load_tensors(
    argument: str,
    file: str | os.PathLike | BinaryIO,
    *,
    legacy: bool = False,
    verify: bool = True,
    mmap: bool = False,
) -> Any:
    r"""Returns the contents of a file of tensors, with tensors on the CPU.

    Arguments:
        argument: The name of the user's argument that gave the file, for errors.
        file: The path of the file, or the file itself, opened in binary mode.
        legacy: Whether to accept the format before torch 1.6 too, which has no check sums.
        verify: Whether to compare the check sums, which reads the whole file.
        mmap: Whether tensors are mapped into memory, and read from the file when they are used.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or damaged, or holds anything but tensors and plain
            values.
    """
    if isinstance(file, (str, os.PathLike)) and not Path(file).is_file():
        raise FileNotFoundError(
            f"{argument!r} should be a file of weights, and {str(file)!r} is none."
        )
    try:
        if verify and not (legacy and not _is_archive(file)):
            _check_archive(file)
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:
        # A damaged file can make torch raise almost anything.
        is_path = isinstance(file, (str, os.PathLike))
        path = str(file if is_path else getattr(file, "name", file))
        raise ValueError(f"{argument!r} = {path!r} can not be read: {_reason(error)}.") from error


def _is_archive(file: str | os.PathLike | BinaryIO) -> bool:
    r"""Returns whether `torch.load` would read a file as a zip archive."""
    if isinstance(file, (str, os.PathLike)):
        with open(file, "rb") as stream:
            return stream.read(len(_ARCHIVE)) == _ARCHIVE
    start = file.tell()
    head = file.read(len(_ARCHIVE))
    file.seek(start)
    return head == _ARCHIVE


def _check_archive(file: str | os.PathLike | BinaryIO) -> None:
    r"""Compares the check sums of an archive's parts.

    Raises:
        zipfile.BadZipFile: If the file is no zip archive.
        _DamagedArchiveError: If a check sum is wrong, or a part is compressed: torch compresses no
            part, and a compressed part may expand to any size.
    """
    with zipfile.ZipFile(file) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise _DamagedArchiveError("a part of it is compressed")
        if (damaged := archive.testzip()) is not None:
            raise _DamagedArchiveError(f"its part {damaged!r} is damaged: the check sum is wrong")
    if not isinstance(file, (str, os.PathLike)):
        file.seek(0)


def _reason(error: Exception) -> str:
    r"""Returns why a file could not be read."""
    if isinstance(error, (_DamagedArchiveError, OSError)):
        return str(error)
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds objects other than tensors and plain values"
    return "it is truncated or damaged, or torch.save did not write it"
