r"""Files of tensors, read without running any code that a file may hold.

Since torch 1.6, `torch.save` writes a zip archive whose parts carry check sums. `torch.load`
ignores the check sums, so that a flipped bit would change a weight unnoticed. They are compared
here. Files of safetensors have no check sums, so their SHA-256 is returned with their tensors.

A file may also describe a network, and give it any size. :class:`BoundedAllocation` refuses to
make networks that are far larger than the weights in the file.
"""

from __future__ import annotations

import hashlib
import math
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# The first bytes of a zip archive.
_ARCHIVE = b"PK\x03\x04"
# What a network may allocate when it is made: some bytes, and a multiple of its weights. Weights
# are drawn before those of the file replace them, and some initial weights take more than one try.
_BYTES, _TIMES = 2**28, 16
# The most operations while a network is made. The largest networks of the package take thousands.
_OPERATIONS = 20_000


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


def load_safetensors(argument: str, path: str | os.PathLike) -> tuple[dict[str, Tensor], str]:
    r"""Returns the tensors of a safetensors file by name, on the CPU, and the file's SHA-256.

    Arguments:
        argument: The name of the user's argument that gave the file, for errors.
        path: The path of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or damaged, or has another format.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{argument!r} should be a file of weights, and {str(path)!r} is none."
        )
    content = Path(path).read_bytes()
    try:
        return safetensors.torch.load(content), hashlib.sha256(content).hexdigest()
    except Exception as error:
        # Types of numbers that this version of torch lacks raise other errors.
        raise ValueError(
            f"{argument!r} = {str(path)!r} can not be read: it is truncated or damaged, or no "
            "file of safetensors."
        ) from error


class BoundedAllocation(TorchDispatchMode):
    r"""Context in which a network is made whose description a file gives.

    Arguments:
        state: The weights of the file, by name.

    Raises:
        ValueError: If the network takes far more memory than its weights, or too many operations.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        super().__init__()
        tensors = (value for value in state.values() if isinstance(value, Tensor))
        self.limit = _BYTES + _TIMES * sum(tensor.nbytes for tensor in tensors)
        self.allocated = self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        self.operations += 1
        if name.startswith("new_") or not any(isinstance(one, Tensor) for one in args):
            self.allocated += 4 * _element_count(name, args)
        if self.allocated > self.limit or self.operations > _OPERATIONS:
            raise ValueError("its description is of a network far larger than its weights")
        return func(*args, **(kwargs or {}))


def _element_count(name: str, args: tuple[Any, ...]) -> int:
    r"""Returns about how many elements a function makes that is not given tensors."""
    sizes = [one for one in args if isinstance(one, (list, tuple))]
    if sizes:
        return max(math.prod(one) for one in sizes)
    numbers = [one for one in args if isinstance(one, int)]
    return math.prod(numbers) ** (2 // len(numbers)) if name == "eye" else max(numbers, default=1)


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
