r"""Parquet shards, in which the Hugging Face Hub stores image sets: one row for each image.

The encoded picture is in the column `image` or `img`, which is binary or a struct of `bytes` and
`path`. The class is in the column `label`, `fine_label` or `labels`, if that holds one integer or
string in each row. The name of a shard begins with its split (`train-00000-of-00005.parquet`), or
a folder names the split.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from .limits import check_regular, size_error, size_limit
from .picture_files import celeba_split
from .records import SPLITS, Record, Source, assign_splits, check_any_found

_IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMNS = ("label", "fine_label", "labels")
# Rows that are read at a time. A shard can store a large value once and repeat it in every row, so
# several rows might take several times the memory.
ROWS = 1
# The most characters in the name of a class or a picture.
NAME = 255
# The most classes. The names of all classes up to the largest label are held.
CLASSES = 2**20


def import_optional(name: str) -> ModuleType:
    r"""Imports a package that only the preparation of data sets needs.

    Returns:
        The package.

    Raises:
        ModuleNotFoundError: If the package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"This source needs the package {name!r}: pip install 'energy-gans[prepare]'"
        ) from error


def parquet_files(path: Path) -> list[Path]:
    r"""Returns the shards at a path, a file or a folder with subfolders, sorted by name."""
    if path.is_file():
        return [path] if path.suffix == ".parquet" else []
    return sorted(path.rglob("*.parquet"))


def parquet_source(
    path: Path, hold_out: int, labelled: bool = True, celeba: bool = False
) -> Source:
    r"""Returns the source of the images in parquet shards.

    Arguments:
        path: The shard, or the folder of shards.
        hold_out: One in `hold_out` images is held out if the source has no held-out split.
        labelled: Whether the labels are read.
        celeba: Whether the number of an image determines its split if its shard names none.

    Raises:
        ValueError: If a shard is incomplete or has no column of images.
    """
    shards = [p for p in parquet_files(path) if not p.name.startswith("extra")]
    check_any_found(path, shards, "parquet shards (train-*.parquet, ...)")
    found: list[str | None] = []
    labels: list[Any] = []
    names: list[str] = []
    for shard in shards:
        file = _open_shard(shard)
        rows, label_names = _read_labels(shard, file) if labelled else ([], [])
        labels += rows or [None] * file.metadata.num_rows
        names = names or label_names
        split = _shard_split(shard.relative_to(path) if path.is_dir() else Path(shard.name))
        by_number = celeba and split is None
        found += _celeba_splits(shard, file) if by_number else [split] * file.metadata.num_rows
    check_any_found(path, found, "rows in its parquet shards")
    labels, names = _index_labels(path, labels, names)
    splits, split_rule, hold_out = assign_splits(path, found, hold_out)
    records = _parquet_records(shards, splits, labels)
    return Source("parquet", splits, split_rule, names, records, hold_out=hold_out)


def _open_shard(shard: Path) -> Any:
    r"""Opens a shard, as pyarrow's `ParquetFile`.

    Returns:
        The shard.

    Raises:
        ValueError: If the file is no parquet file, has no column of images, or claims to have more
            rows than bytes.
    """
    parquet = import_optional("pyarrow.parquet")
    with _explain(shard, "no complete parquet file"):
        size = check_regular(shard).st_size
        file = parquet.ParquetFile(shard)
        file.schema_arrow  # noqa: B018
    if file.metadata.num_rows > size:
        raise ValueError(
            f"{shard} should hold a picture in each row, but says that it has "
            f"{file.metadata.num_rows} rows in {size} bytes."
        )
    if not set(_IMAGE_COLUMNS) & set(file.schema_arrow.names):
        raise ValueError(
            f"{shard} should have a column 'image' or 'img', and has {file.schema_arrow.names}."
        )
    return file


@contextmanager
def _explain(shard: Path, what: str = "damaged") -> Iterator[None]:
    r"""Turns an error of pyarrow into a `ValueError` of one line that names the shard.

    Arguments:
        shard: The shard.
        what: What the shard is then.
    """
    errors = (import_optional("pyarrow").ArrowException, OSError, ValueError, LookupError)
    try:
        yield
    except errors as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"{shard} is {what}: {reason}.") from error


def _shard_split(relative: Path) -> str | None:
    r"""Returns the split that begins a shard's file name, or else its folder's, or `None`."""
    words = [relative.name.split("-")[0].split(".")[0], *reversed(relative.parts[:-1])]
    return next((SPLITS[w.lower()] for w in words if w.lower() in SPLITS), None)


def _find_column(file: Any, names: tuple[str, ...]) -> str | None:
    r"""Returns the first of several names that is a column of a shard, or `None`."""
    return next((n for n in names if n in file.schema_arrow.names), None)


def _read_labels(shard: Path, file: Any) -> tuple[list[Any], list[str]]:
    r"""Returns the labels of a shard's rows and the names of the classes, each `[]` if missing."""
    types = import_optional("pyarrow.types")
    name = _find_column(file, _LABEL_COLUMNS)
    if name is None:
        return [], []
    kind = file.schema_arrow.field(name).type
    if types.is_string(kind) or types.is_large_string(kind):
        with _explain(shard):
            return _read_string_labels(shard, name), []
    if not types.is_integer(kind):
        return [], []
    try:
        about = json.loads((file.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
        names = [str(one) for one in about["info"]["features"][name].get("names", [])]
    except (ValueError, KeyError, AttributeError, TypeError):
        names = []
    with _explain(shard):
        return file.read(columns=[name]).column(name).to_pylist(), names


def _read_string_labels(shard: Path, name: str) -> list[str | None]:
    r"""Returns the labels of a shard's rows if they are strings, each read once.

    Raises:
        ValueError: If a label has more than `NAME` characters.
    """
    file = import_optional("pyarrow.parquet").ParquetFile(shard, read_dictionary=[name])
    labels: list[str | None] = []
    for group in range(file.num_row_groups):
        for chunk in file.read_row_group(group, columns=[name]).column(name).chunks:
            lengths = import_optional("pyarrow.compute").utf8_length(chunk.dictionary).to_pylist()
            if max(lengths, default=0) > NAME:
                raise ValueError(
                    f"it should have names of classes in its column {name!r}, of at most {NAME} "
                    f"characters, got one of {max(lengths)}"
                )
            words = chunk.dictionary.to_pylist()
            labels += [None if i is None else words[i] for i in chunk.indices.to_pylist()]
    return labels


def _celeba_splits(shard: Path, file: Any) -> list[str | None]:
    r"""Returns the splits of CelebA's pictures, from the numbers in their paths."""
    name = _find_column(file, _IMAGE_COLUMNS)
    with _explain(shard):
        rows = file.iter_batches(ROWS, columns=[f"{name}.path"])
        paths = ((row or {}).get("path") or "" for batch in rows for row in batch[0].to_pylist())
        return [celeba_split(Path(path).stem) for path in paths]


def _index_labels(path: Path, labels: list[Any], names: list[str]) -> tuple[list[int], list[str]]:
    r"""Returns integer labels and the names of the classes.

    Strings become their index among the sorted strings. Integers stay unchanged. If no row has a
    label, all labels are 0.

    Raises:
        ValueError: If only some of the rows have a label, or a label is out of range.
    """
    kinds = {type(label) for label in labels}
    if kinds == {type(None)}:
        return [0] * len(labels), []
    if kinds == {str}:
        names = sorted(set(labels))
        index = {name: i for i, name in enumerate(names)}
        return [index[label] for label in labels], names
    if kinds == {int}:
        if min(labels) < -1 or max(labels) >= CLASSES:
            raise ValueError(
                f"'source' = {str(path)!r} should have labels from 0 to {CLASSES - 1}, or -1 for "
                f"none, got labels from {min(labels)} to {max(labels)}."
            )
        return labels, names or [str(i) for i in range(max(labels) + 1)]
    raise ValueError(f"'source' = {str(path)!r} has rows with a label and rows with none.")


def _parquet_records(shards: list[Path], splits: list[str], labels: list[int]) -> Iterator[Record]:
    r"""Yields the images of all shards, one row at a time."""
    i = 0
    for shard in shards:
        file = _open_shard(shard)
        name = _find_column(file, _IMAGE_COLUMNS)
        end = i + file.metadata.num_rows
        with _explain(shard):
            for batch in file.iter_batches(ROWS, columns=[name]):
                image, path = _row_image(batch)
                yield Record(path or f"{shard.name}, image {i}", splits[i], labels[i], image)
                i += 1
            if i != end:
                raise ValueError("it has another number of rows than it says")


def _row_image(batch: Any) -> tuple[bytes | ValueError, str | None]:
    r"""Returns the encoded picture of a batch of one row, or an error, and the picture's path."""
    if error := size_error(batch.nbytes, size_limit(None)):
        return error, None
    (value,) = batch.column(0).to_pylist()
    image, path = (
        (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    )
    image = image if isinstance(image, bytes) else ValueError("the row has no bytes")
    return image, path[:NAME] if isinstance(path, str) and path else None
