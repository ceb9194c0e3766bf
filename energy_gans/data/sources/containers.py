r"""Containers of files that are read without unpacking them: folders, zip and tar archives.

A container lists the names of its files and reads them. Names never become paths: nothing that an
archive calls its members can make this write anywhere. What is no regular file (a named pipe, a device,
a link in a tar archive) is listed and never opened: reading it gives an error. So does a file that is
larger than `LARGEST`, before it takes memory.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from .limits import check_expansion, check_regular, read_regular, size_error

# The bytes of one file: as many as the largest picture that is decoded has as plain pixels.
LARGEST = 256 * 2**20
# The bytes of a header of a tar archive that says a long name.
HEADER = 2**20

Contents = bytes | ValueError

# What reading a member of a zip archive raises: NotImplementedError is a RuntimeError.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)
# What reading a tar archive raises: a long chain of headers makes tarfile call itself too often.
TORN = (tarfile.TarError, zlib.error, EOFError, OSError, RecursionError)

LONG_NAMES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


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

    def read(
        self, names: Collection[str], largest: int | None = None
    ) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names and contents of files, an error for one that can not be read.

        Arguments:
            names: The names.
            largest: How many bytes a file may have, `LARGEST` by default.
        """
        for name in names:
            try:
                contents: Contents = read_regular(os.path.join(self.path, name), limit(largest))
            except OSError as error:
                contents = ValueError(f"it can not be read: {error}")
            except ValueError as error:
                # A traceback would keep what was read.
                contents = error.with_traceback(None)
            yield name, contents


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

    def read(
        self, names: Collection[str], largest: int | None = None
    ) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names and contents of files, as :meth:`Folder.read` does."""
        with zipfile.ZipFile(self.path) as archive:
            for name in names:
                member = self.members[name]
                contents: Contents | None = method_error(member)
                contents = contents or size_error(member.file_size, limit(largest))
                try:
                    yield name, contents or self.unpacked(archive, member)
                except DAMAGED as error:
                    yield name, ValueError(f"it is damaged: {error}")

    @staticmethod
    def unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
        r"""Returns the contents of a member, of the size that the archive says."""
        with archive.open(member) as file:
            # Without a number, zipfile unpacks more than the size that it checks.
            return file.read(member.file_size + 1)


class Header(tarfile.TarInfo):
    r"""Creates a header of a tar archive, whose long names are short enough to be read."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> Header:
        header = super().frombuf(buf, encoding, errors)
        if header.type in LONG_NAMES and header.size > HEADER:
            raise tarfile.ReadError(f"a name has {header.size} bytes, more than {HEADER}")
        return header


class Tar:
    r"""Creates the container of the files in a tar archive, compressed or not.

    It is read from its beginning to its end, so files come in the archive's own order.

    Arguments:
        path: The archive.

    Raises:
        ValueError: If the archive is torn, or unpacks to far more than its size.
    """

    kind = "tar"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = []
        size = path.stat().st_size
        for name, _, member in self.members():
            # Before the archive is unpacked up to the next member.
            check_expansion(path, member.offset_data + member.size, size)
            self.names.append(name)

    def members(self) -> Iterator[tuple[str, tarfile.TarFile, tarfile.TarInfo]]:
        r"""Yields the names of the files, the archive and its members."""
        try:
            with tarfile.open(self.path, tarinfo=Header) as archive:
                for member in archive:
                    if not member.isdir():
                        yield clean(member.name), archive, member
                    # Else every member that was seen is kept.
                    archive.members = []
        except TORN as error:
            raise ValueError(f"'source' = {str(self.path)!r} is torn: {error}.") from error

    def read(
        self, names: Collection[str], largest: int | None = None
    ) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names and contents of files, as :meth:`Folder.read` does."""
        wanted = set(names)
        for name, archive, member in self.members():
            if name not in wanted:
                continue
            if not member.isreg():
                yield name, ValueError("it is a link, a device or a pipe, and no regular file")
            else:
                error = size_error(member.size, limit(largest))
                yield name, error or archive.extractfile(member).read()


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
    try:
        check_regular(path)
    except ValueError as error:
        raise ValueError(
            f"'source' = {str(path)!r} can not be read: {error} (a zip or tar archive, a parquet "
            "shard) or a folder."
        ) from error
    if is_zip(path):
        return Zip(path)
    if is_tar(path):
        return Tar(path)
    raise ValueError(
        f"'source' = {str(path)!r} is no folder, zip or tar archive, or it is cut short."
    )


def is_zip(path: Path) -> bool:
    r"""Returns whether a path is a zip archive whose list of members can be read."""
    try:
        with zipfile.ZipFile(path):
            return True
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def is_tar(path: Path) -> bool:
    r"""Returns whether a path is a tar archive whose first header can be read."""
    try:
        with tarfile.open(path, tarinfo=Header):
            return True
    except TORN:
        return False


def method_error(member: zipfile.ZipInfo) -> ValueError | None:
    r"""Returns an error if a member of a zip archive might take any memory to unpack."""
    # bzip2 makes a gigabyte of a kilobyte, and zipfile unpacks what it reads as a whole.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return ValueError("it is not stored or deflated, which is what is read of zip archives")
    return None


def limit(largest: int | None) -> int:
    r"""Returns how many bytes a file may have."""
    return LARGEST if largest is None else largest


def clean(name: str) -> str:
    r"""Returns the name of a member as a plain relative one."""
    return PurePosixPath(name).as_posix()


def ordered(names: Collection[str]) -> list[str]:
    r"""Returns names in the order of their folders, then of their files."""
    return sorted(names, key=lambda name: name.split("/"))
