r"""Containers of files that are read without unpacking them: folders, zip and tar archives.

A container lists the names of its files and reads them. Names never become paths: nothing that an
archive calls its members can make this write anywhere.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

# No picture of a data set is larger; an archive may say that it is.
LARGEST = 256 * 2**20

Contents = bytes | ValueError

# What reading a member of a zip archive raises: NotImplementedError is a RuntimeError.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)


class Folder:
    r"""Creates the container of the files in a folder and below.

    Names are relative to the folder. They are listed and read in their own order.

    Arguments:
        path: The folder.
    """

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self.path = path
        found, seen = [], set()
        for folder, folders, files in os.walk(path, followlinks=True):
            # A link may lead back to a folder above it.
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            below = Path(folder).relative_to(path)
            found += [(below / file).as_posix() for file in files]
        self.names = ordered(found)

    def read(self, names: Collection[str]) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names and contents of files, an error for one that can not be read."""
        for name in names:
            path = os.path.join(self.path, name)
            try:
                with open(path, "rb") as file:
                    contents = checked_size(os.fstat(file.fileno()).st_size) or file.read()
                yield name, contents
            except OSError as error:
                yield name, ValueError(f"it can not be read: {error}")


class Zip:
    r"""Creates the container of the files in a zip archive, listed and read in the order of names.

    Arguments:
        path: The archive.
    """

    kind = "zip"

    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(path) as archive:
            members = {clean(m.filename): m for m in archive.infolist() if not m.is_dir()}
        self.names = ordered(members)
        self.members = members

    def read(self, names: Collection[str]) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names and contents of files, an error for one that can not be read."""
        with zipfile.ZipFile(self.path) as archive:
            for name in names:
                member = self.members[name]
                try:
                    yield name, checked_size(member.file_size) or archive.read(member)
                except DAMAGED as error:
                    yield name, ValueError(f"it is damaged: {error}")


class Tar:
    r"""Creates the container of the files in a tar archive, compressed or not.

    It is read from its beginning to its end, so files come in the archive's own order.

    Arguments:
        path: The archive.

    Raises:
        ValueError: If the archive is torn.
    """

    kind = "tar"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = [name for name, _, _ in self.members()]

    def members(self) -> Iterator[tuple[str, tarfile.TarFile, tarfile.TarInfo]]:
        r"""Yields the names of the files, the archive and its members."""
        try:
            with tarfile.open(self.path) as archive:
                for member in archive:
                    if member.isreg():
                        yield clean(member.name), archive, member
                    # Else every member that was seen is kept.
                    archive.members = []
        except (tarfile.TarError, zlib.error, EOFError) as error:
            raise ValueError(f"'source' = {str(self.path)!r} is torn: {error}.") from error

    def read(self, names: Collection[str]) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names and contents of files, an error for one that can not be read."""
        wanted = set(names)
        for name, archive, member in self.members():
            if name in wanted:
                yield name, checked_size(member.size) or archive.extractfile(member).read()


Container = Folder | Zip | Tar


def open_container(path: Path) -> Container:
    r"""Returns the container of a path, by what it is and not by how it is called.

    Raises:
        FileNotFoundError: If there is nothing.
        ValueError: If it is no folder, zip or tar archive.
    """
    if not path.exists():
        raise FileNotFoundError(f"'source' = {str(path)!r} does not exist.")
    if path.is_dir():
        return Folder(path)
    if is_zip(path):
        return Zip(path)
    if tarfile.is_tarfile(path):
        return Tar(path)
    raise ValueError(
        f"'source' = {str(path)!r} is no folder, zip or tar archive, or it is cut short."
    )


def is_zip(path: Path) -> bool:
    r"""Returns whether a path is a zip archive whose list of members can be read."""
    try:
        with zipfile.ZipFile(path):
            return True
    except (zipfile.BadZipFile, ValueError):
        return False


def clean(name: str) -> str:
    r"""Returns the name of a member as a plain relative one."""
    return PurePosixPath(name).as_posix()


def ordered(names: Collection[str]) -> list[str]:
    r"""Returns names in the order of their folders, then of their files."""
    return sorted(names, key=lambda name: name.split("/"))


def checked_size(size: int) -> ValueError | None:
    r"""Returns an error if a file is larger than any picture is."""
    if size > LARGEST:
        return ValueError(f"it has {size} bytes, more than the {LARGEST} of any picture")
    return None
