r"""LSUN: an LMDB database for each category and split, `{category}_{train,val}_lmdb`.

Its values are WebP or JPEG pictures. A database is a folder or, as it is published, a zip archive
of that folder, of which the file `data.mdb` is unpacked to a scratch folder. Images come in the
order of their keys. A database that is given alone has no split.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .containers import DAMAGED, is_zip, method_error
from .folders import folder_layout
from .limits import check_expansion
from .lmdb_files import LmdbFile
from .parquet import parquet_files, parquet_source
from .picture_files import file_source
from .records import Record, Source, assign_splits, check_any_found

NAME = re.compile(r"(?P<category>.+)_(?P<split>train|val)_lmdb(\.zip)?")


def lsun_source(path: Path, category: str | None, hold_out: int, scratch: Path) -> Source:
    r"""Returns the source of a category of LSUN.

    Arguments:
        path: The database of a category, its zip archive, a folder that holds the databases for
            training and validation, or a folder or archive of pictures or parquet shards of one
            category.
        category: The category, which is the name of the class; `None` if the names of the files
            tell it.
        hold_out: One in `hold_out` images is held out if the source has no held-out split.
        scratch: A folder for the unpacked file of an archive.

    Raises:
        FileNotFoundError: If `path` does not exist.
        ValueError: If there are no images, or the category is not given and not unique.
    """
    if not path.exists():
        raise FileNotFoundError(f"'source' = {str(path)!r} does not exist.")
    found = {None: path} if _is_lmdb(path) else _find_lmdbs(path, category)
    if found:
        named = _category_of(next(iter(found.values())))
        if None not in (category, named) and category != named:
            raise ValueError(
                f"'category' is {category!r}, but 'source' = {str(path)!r} is of {named!r}."
            )
        category = category or named
        source = _lmdb_source(path, found, hold_out, scratch)
    elif parquet_files(path):
        source = parquet_source(path, hold_out, labelled=False)
    else:
        looked_for = "{category}_train_lmdb[.zip], parquet shards or pictures"
        source = file_source(path, folder_layout("none"), looked_for, hold_out)
    if category is None:
        raise ValueError(
            f"'category' should be given: 'source' = {str(path)!r} does not say what its images "
            "are."
        )
    return replace(source, classes=[category], options={"category": category})


def _lmdb_source(
    path: Path, found: dict[str | None, Path], hold_out: int, scratch: Path
) -> Source:
    r"""Returns the source of the images in databases.

    Arguments:
        path: The path that was given.
        found: The path of the database of each split, or of the key `None` if its split is
            unknown.
        hold_out: One in `hold_out` images is held out if there is no held-out split.
        scratch: A folder for the unpacked file of an archive.
    """
    databases = {one: _open_lmdb(one, _extract_lmdb(one, scratch)) for one in found.values()}
    known = [split for split, one in found.items() for _ in range(len(databases[one]))]
    check_any_found(path, known, "images in its lmdb")
    splits, split_rule, hold_out = assign_splits(path, known, hold_out)
    records = _lmdb_records(databases, splits)
    return Source("lmdb", splits, split_rule, [], records, hold_out=hold_out)


def _is_lmdb(path: Path) -> bool:
    r"""Returns whether a path is a database: a folder of a `data.mdb`, or an archive of one."""
    if path.is_dir():
        return (path / "data.mdb").is_file()
    return path.is_file() and is_zip(path) and _find_member(path) is not None


def _find_member(path: Path) -> str | None:
    r"""Returns the name of the member `data.mdb` of an archive, or `None` if it has none."""
    with zipfile.ZipFile(path) as archive:
        return next((n for n in archive.namelist() if n.split("/")[-1] == "data.mdb"), None)


def _category_of(path: Path) -> str | None:
    r"""Returns the category in the name of a path, or `None`."""
    match = NAME.fullmatch(path.name)
    return match["category"] if match else None


def _find_lmdbs(path: Path, category: str | None) -> dict[str | None, Path]:
    r"""Returns the databases of a category in a folder, by split.

    Raises:
        ValueError: If the folder holds databases, but not of one category only.
    """
    if not path.is_dir():
        return {}
    matches = [(NAME.fullmatch(p.name), p) for p in sorted(path.iterdir())]
    known = [(m["category"], m["split"], p) for m, p in matches if m and _is_lmdb(p)]
    categories = sorted({c for c, _, _ in known if category in (None, c)})
    if known and len(categories) != 1:
        raise ValueError(
            f"'category' should be one of {sorted({c for c, _, _ in known})}, "
            f"which 'source' = {str(path)!r} holds, got {category!r}."
        )
    # Sorted names put a folder before its archive, so reversing prefers the folder.
    return {split: p for c, split, p in reversed(known) if c in categories}


def _extract_lmdb(path: Path, scratch: Path) -> Path:
    r"""Returns the file `data.mdb` of a database, and unpacks it if it is in an archive.

    Raises:
        ValueError: If the archive is damaged or expands too much.
    """
    if path.is_dir():
        return path / "data.mdb"
    copy = scratch / f"{path.stem}.mdb"
    with zipfile.ZipFile(path) as archive, copy.open("wb") as file:
        about = archive.getinfo(_find_member(path))
        check_expansion(path, about.file_size, path.stat().st_size)
        try:
            if error := method_error(about):
                raise error
            with archive.open(about) as member:
                shutil.copyfileobj(member, file, 2**20)
        except (*DAMAGED, ValueError) as error:
            raise ValueError(f"{path} can not be unpacked: {error}.") from error
    return copy


def _open_lmdb(path: Path, file: Path) -> LmdbFile:
    r"""Returns the database in a file.

    Arguments:
        path: The database or its archive, for errors.
        file: The file `data.mdb`.

    Raises:
        ValueError: If the file is no database, or was cut short.
    """
    try:
        return LmdbFile(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no lmdb that can be read: {error}.") from error


def _lmdb_records(databases: Mapping[Path, LmdbFile], splits: Sequence[str]) -> Iterator[Record]:
    r"""Yields the images of databases, one database after the other.

    Arguments:
        databases: The databases, by the path that was given.
        splits: The split of each image.

    Raises:
        ValueError: If a database is damaged.
    """
    own = iter(splits)
    for path, database in databases.items():
        try:
            for key, image in database.items():
                yield Record(key.decode(errors="replace"), next(own), 0, image)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}.") from error
