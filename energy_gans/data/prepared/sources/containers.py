r"""Containers of files: folders, and zip and tar archives, which are read without unpacking them.

A container lists the names of its files, `names`, and reads their contents. The names of an
archive's members never become paths of the file system, so no archive can make this package write
a file.

Reading returns an error instead of contents for a file that is not regular, such as a named pipe
or a device, and for a file larger than `limits.LARGEST` bytes; neither is opened.

Links in a folder are followed anywhere, links in an archive only within the archive. Files that
are left out of `names` are in `left_out`, with the reason. Links without a target are in `names`
and in `broken`, with the reason.
"""

from __future__ import annotations

import heapq
import os
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from .archive_names import (
    FOLDER_TWICE,
    REPLACED,
    Link,
    normalize_name,
    resolve_links,
    sort_by_folder,
)
from .limits import (
    Contents,
    check_regular,
    read_regular,
    size_error,
    size_limit,
)
from .tars import Tar, is_tar

# The errors of reading a member of a zip archive; RuntimeError includes NotImplementedError.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError),
    # The name of a member in its own header, which differs from that in the list of members.
    UnicodeDecodeError,
)
# The most bytes of the target of a link in a zip archive, the longest path of Linux.
LINK = 4096


class Folder:
    r"""The files in a folder and its subfolders.

    Names are relative to the folder, and files are listed and read in the order of their names.

    Arguments:
        path: The folder. A folder that can not be read is left out.
    """

    kind = "folder"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.folders: list[str] = []
        self.left_out: list[tuple[str, str]] = []
        self.broken: dict[str, str] = {}
        seen: set[tuple[int, int]] = set()
        folders, links = [""], []
        while folders or links:
            # Links to folders come last, so that files within `path` get the names they have
            # there. They are sorted, so that the result does not depend on the file system. A link
            # may point to a folder that contains it.
            folder = folders.pop() if folders else heapq.heappop(links)
            try:
                self.scan(folder, seen, folders, links)
            except OSError as error:
                self.left_out.append((folder, f"the folder can not be read: {error.strerror}"))
        self.names = sort_by_folder(self.names)

    def scan(
        self, folder: str, seen: set[tuple[int, int]], folders: list[str], links: list[str]
    ) -> None:
        r"""Appends a folder's files to `names`, its subfolders to `folders` and `links`."""
        path = os.path.join(self.path, folder)
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in seen:
            self.left_out.append((folder, FOLDER_TWICE))
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(path) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if not _is_folder(entry):
                    self.names.append(name)
                    if entry.is_symlink() and not os.path.exists(entry.path):
                        self.broken[name] = f"it is a link to {os.readlink(entry.path)!r}"
                elif entry.is_symlink():
                    heapq.heappush(links, name)
                else:
                    folders.append(name)
        self.folders.append(folder)

    def read(
        self, names: Collection[str], largest: int | None = None
    ) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names of files and their contents, or an error if a file can not be read.

        Arguments:
            names: The names.
            largest: The largest size of a file, in bytes; `limits.LARGEST` by default.
        """
        for name in names:
            try:
                contents: Contents = read_regular(
                    os.path.join(self.path, name), size_limit(largest)
                )
            except OSError as error:
                contents = ValueError(f"it can not be read: {error}")
            except ValueError as error:
                # The traceback would keep the contents in memory.
                contents = error.with_traceback(None)
            yield name, contents


def _is_folder(entry: os.DirEntry) -> bool:
    r"""Returns whether an entry of a folder is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class Zip:
    r"""The files in a zip archive, listed and read in the order of their names.

    Arguments:
        path: The archive.
    """

    kind = "zip"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out: list[tuple[str, str]] = []
        members: dict[str, zipfile.ZipInfo] = {}
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = normalize_name(member.filename)
                # A damaged archive may hold an empty name, for which `is_dir` fails.
                if not member.filename.endswith("/"):
                    self.left_out += [(name, REPLACED)] if name in members else []
                    members[name] = member
            found = {n: self.read_link(archive, m) for n, m in members.items() if _is_link(m)}
        links = {name: link for name, link in found.items() if link is not None}
        followed = resolve_links(links, members.keys() - links.keys())
        self.broken = followed.broken
        self.left_out += [(name, FOLDER_TWICE) for name in followed.folders]
        self.members = members | {link: members[name] for link, name in followed.files.items()}
        self.names = sort_by_folder(self.members.keys() - set(followed.folders))

    def read_link(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Link | None:
        r"""Returns a link of the archive, or `None` if its target can not be read."""
        if method_error(member) or member.file_size > LINK:
            return None
        try:
            return Link(self.unpack(archive, member).decode(errors="surrogateescape"), True)
        except DAMAGED:
            return None

    def read(
        self, names: Collection[str], largest: int | None = None
    ) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names of files and their contents, as :meth:`Folder.read`."""
        with zipfile.ZipFile(self.path) as archive:
            for name in names:
                member = self.members[name]
                contents: Contents | None = method_error(member)
                contents = contents or size_error(member.file_size, size_limit(largest))
                if name in self.broken:
                    contents = ValueError(self.broken[name])
                try:
                    yield name, contents or self.unpack(archive, member)
                except DAMAGED as error:
                    yield name, ValueError(f"it is damaged: {error}")

    @staticmethod
    def unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
        r"""Returns the contents of a member, at most one byte more than the archive says."""
        with archive.open(member) as file:
            # Without this argument, zipfile unpacks all contents before it checks the size.
            return file.read(member.file_size + 1)


Container = Folder | Zip | Tar


def open_container(path: Path) -> Container:
    r"""Returns the container at a path, whose kind is found from its contents, not its name.

    Raises:
        FileNotFoundError: If the path does not exist.
        ValueError: If the path is no folder, zip or tar archive, or can not be read.
    """
    if not path.exists():
        raise FileNotFoundError(f"'source' = {str(path)!r} does not exist.")
    if path.is_dir():
        folder = Folder(path)
        if folder.left_out and folder.left_out[0][0] == "":
            raise ValueError(f"'source' = {str(path)!r}: {folder.left_out[0][1]}.")
        return folder
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
    r"""Returns whether a file is a zip archive whose list of members can be read."""
    try:
        with zipfile.ZipFile(path):
            return True
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def _is_link(member: zipfile.ZipInfo) -> bool:
    r"""Returns whether a member of a zip archive is a symbolic link."""
    return stat.S_ISLNK(member.external_attr >> 16)


def method_error(member: zipfile.ZipInfo) -> ValueError | None:
    r"""Returns an error if unpacking a member of a zip archive might take unbounded memory."""
    # bzip2 can unpack a kilobyte to a gigabyte, and zipfile unpacks each part it reads at once.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return ValueError("it is not stored or deflated, the only methods that are supported")
    return None
