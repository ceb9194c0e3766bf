r"""CIFAR-10 and CIFAR-100: 50,000 and 10,000 images of 32x32 pixels.

The published batches are pickles, and unpickling a file can run any code. They are not unpickled
here: a pickle is a list of instructions, and its arguments are read, which include one long string
of pixels and the lists of labels and names. The binary version has one record for each image: its
label (for CIFAR-100, the coarse and the fine label) and its pixels. The test set becomes `val`.
"""

from __future__ import annotations

import itertools
import pickletools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .containers import Container, Folder, open_container

_PIXELS = 3 * 32 * 32
# The most bytes of a batch, which has 10,000 images (CIFAR-100: 50,000), labels and names.
LARGEST = {10: 32 * 2**20, 100: 160 * 2**20}
FILES = {
    (10, "python", "train"): [f"data_batch_{i}" for i in range(1, 6)],
    (10, "python", "val"): ["test_batch"],
    (10, "python", "names"): ["batches.meta"],
    (10, "binary", "train"): [f"data_batch_{i}.bin" for i in range(1, 6)],
    (10, "binary", "val"): ["test_batch.bin"],
    (10, "binary", "names"): ["batches.meta.txt"],
    (100, "python", "train"): ["train"],
    (100, "python", "val"): ["test"],
    (100, "python", "names"): ["meta"],
    (100, "binary", "train"): ["train.bin"],
    (100, "binary", "val"): ["test.bin"],
    (100, "binary", "names"): ["fine_label_names.txt"],
}
_PLACES = {
    10: (
        "cifar-10-batches-py",
        "cifar-10-batches-bin",
        "cifar-10-python.tar.gz",
        "cifar-10-binary.tar.gz",
    ),
    100: (
        "cifar-100-python",
        "cifar-100-binary",
        "cifar-100-python.tar.gz",
        "cifar-100-binary.tar.gz",
    ),
}

# The instructions whose argument is an integer, and the strings by which protocol 2 encodes the
# bytes of Python 3.
_INTEGERS = ("INT", "BININT", "BININT1", "BININT2")
_CODEC = ("latin1", "_codecs encode")


def load_cifar(root: Path, split: str, classes: int) -> tuple[Tensor, Tensor]:
    r"""Returns the images and labels of the published files of CIFAR-10 or CIFAR-100.

    Arguments:
        root: The folder of batches, its archive, or a folder that holds one of both.
        split: `"train"` or `"val"`.
        classes: 10 or 100; for 100, the labels are the fine ones.

    Returns:
        The images as uint8, with shape :math:`(N, 3, 32, 32)`, and the labels, with shape
        :math:`(N)`.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If a file is damaged.
    """
    container, version = _find_batches(Path(root), classes)
    batches = [
        _read_batch(contents, f"{name!r} in {container.path}", classes, version)
        for name, contents in _read_files(
            container, FILES[classes, version, split], LARGEST[classes]
        )
    ]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return torch.from_numpy(images), torch.from_numpy(labels)


def cifar_classes(root: Path, classes: int) -> list[str]:
    r"""Returns the names of the classes, or their numbers if the files lack the names."""
    container, version = _find_batches(Path(root), classes)
    key = "label_names" if classes == 10 else "fine_label_names"
    names: list[str] = []
    try:
        ((name, contents),) = _read_files(
            container, FILES[classes, version, "names"], LARGEST[classes]
        )
    except FileNotFoundError:
        contents = b""
    if version == "binary":
        names = contents.decode(errors="replace").split()
    elif contents:
        names = _parse_names(contents, f"{name!r} in {container.path}", key)
    return names if len(names) == classes else [str(i) for i in range(classes)]


def _find_batches(root: Path, classes: int) -> tuple[Container, str]:
    r"""Returns the container of the batches, and their version, `"python"` or `"binary"`.

    Raises:
        FileNotFoundError: If there are none.
    """
    places = [root / place for place in _PLACES[classes]] if root.is_dir() else []
    for place in [*places, root]:
        if not place.exists():
            continue
        container = _TopFolder(place) if place.is_dir() else open_container(place)
        names = {name.split("/")[-1] for name in container.names}
        for version in ("python", "binary"):
            if names >= {*FILES[classes, version, "train"], *FILES[classes, version, "val"]}:
                return container, version
    raise FileNotFoundError(
        f"{str(root)!r} should hold {', '.join(_PLACES[classes][:-1])} or {_PLACES[classes][-1]}."
    )


class _TopFolder(Folder):
    r"""The files of a folder without those of its subfolders, which hold no batches."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = sorted(p.name for p in path.iterdir() if p.is_file())


def _read_files(container: Container, files: list[str], largest: int) -> list[tuple[str, bytes]]:
    r"""Returns the names and contents of files of a container, in the order of `files`.

    Arguments:
        container: The folder or archive.
        files: The names of the files, without folders.
        largest: The largest size of a file, in bytes.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged or too large.
    """
    found = {name.split("/")[-1]: name for name in container.names if name.split("/")[-1] in files}
    if missing := set(files) - found.keys():
        raise FileNotFoundError(f"{container.path} lacks {', '.join(sorted(missing))}.")
    contents = {}
    for name, read in container.read([found[file] for file in files], largest):
        if isinstance(read, ValueError):
            raise ValueError(
                f"The batch {name!r} in {container.path} is damaged: {read}."
            ) from read
        contents[name] = read
    return [(file, contents[found[file]]) for file in files]


def _read_batch(
    contents: bytes, name: str, classes: int, version: str
) -> tuple[np.ndarray, np.ndarray]:
    r"""Returns the images, uint8 with shape :math:`(N, 3, 32, 32)`, and the labels of a batch.

    Raises:
        ValueError: If the numbers of images and labels differ, or a label is out of range.
    """
    if version == "binary":
        width = _PIXELS + (1 if classes == 10 else 2)
        if len(contents) == 0 or len(contents) % width != 0:
            raise ValueError(f"The batch {name} is incomplete: it has {len(contents)} bytes.")
        rows = np.frombuffer(contents, np.uint8).reshape(-1, width)
        pixels, labels = rows[:, -_PIXELS:], rows[:, -_PIXELS - 1].astype(np.int64)
    else:
        key = "labels" if classes == 10 else "fine_labels"
        pixels, labels = _parse_batch(contents, name, key)
    if len(labels) != len(pixels) or not ((labels >= 0) & (labels < classes)).all():
        raise ValueError(
            f"The batch {name} is damaged: it has {len(pixels)} images, and {len(labels)} "
            f"labels that should be below {classes}."
        )
    return pixels.reshape(-1, 3, 32, 32).copy(), labels


def _pickle_instructions(contents: bytes, name: str) -> Iterator[tuple[str, object]]:
    r"""Yields the instructions of a pickle and their arguments, without executing them."""
    try:
        for opcode, argument, _ in pickletools.genops(contents):
            yield opcode.name, argument
    except (ValueError, IndexError, UnicodeError) as error:
        raise ValueError(f"The batch {name} is no complete pickle: {error}.") from error


def _parse_batch(contents: bytes, name: str, key: str) -> tuple[np.ndarray, np.ndarray]:
    r"""Returns the pixels and the labels of a pickled batch.

    Arguments:
        contents: The pickle.
        name: The name and the place of the batch, for errors.
        key: The key of the labels.

    Returns:
        The pixels, uint8 with shape :math:`(N, 3072)`, and the labels, with shape :math:`(N)`.

    Raises:
        ValueError: If the batch is damaged, or holds something else.
    """
    pixels, labels = b"", []
    columns = flag = within = False
    for opcode, argument in _pickle_instructions(contents, name):
        if isinstance(argument, (str, bytes, bytearray)) and argument not in _CODEC:
            within = _to_text(argument) == key
            if len(argument) >= max(_PIXELS, len(pixels)):
                pixels, columns = _to_bytes(argument), flag
            elif argument in ("C", "F") and pixels:
                # Protocol 5 stores the order of the array after its pixels, other protocols
                # before.
                columns = argument == "F"
        elif within and opcode in _INTEGERS:
            labels.append(argument)
        if opcode in ("NEWTRUE", "NEWFALSE"):
            flag = opcode == "NEWTRUE"
    if len(pixels) == 0 or len(pixels) % _PIXELS != 0:
        raise ValueError(f"The batch {name} has no pixels of 32x32 images.")
    array = np.frombuffer(pixels, np.uint8)
    array = array.reshape(_PIXELS, -1).T if columns else array.reshape(-1, _PIXELS)
    return array, np.array(labels, np.int64)


def _parse_names(contents: bytes, name: str, key: str) -> list[str]:
    r"""Returns the list of strings under a key of a pickled dictionary."""
    found = itertools.dropwhile(
        lambda item: not (isinstance(item[1], (str, bytes)) and _to_text(item[1]) == key),
        _pickle_instructions(contents, name),
    )
    rest = itertools.takewhile(lambda item: item[0] != "APPENDS", itertools.islice(found, 1, None))
    return [_to_text(argument) for _, argument in rest if isinstance(argument, (str, bytes))]


def _to_text(value: str | bytes | bytearray) -> str:
    r"""Returns a string of a pickle as text, cut to 64 characters if it is bytes."""
    return value if isinstance(value, str) else bytes(value[:64]).decode("latin-1")


def _to_bytes(value: str | bytes | bytearray) -> bytes:
    r"""Returns a string of a pickle as the bytes that it encodes."""
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)
