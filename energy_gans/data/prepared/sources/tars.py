r"""Tar archives, read from start to end without unpacking them.

A link has the contents of its target if the archive contains that. Both are read at the place of
the target, so nothing is read twice. If two members have the same name, the later one counts, as
when the archive is unpacked.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from .archive_names import FOLDER_TWICE, REPLACED, Link, normalize_name, resolve_links
from .limits import Contents, check_expansion, size_error, size_limit

# The most bytes of a header that contains a long name.
HEADER = 2**20

# The errors of reading a tar archive; tarfile recurses once for each of a chain of headers.
_ERRORS = (tarfile.TarError, zlib.error, EOFError, OSError, RecursionError)

_LONG_NAMES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class _Header(tarfile.TarInfo):
    r"""Header of a member, which raises an error if its long name has more than `HEADER` bytes."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> _Header:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _LONG_NAMES and header.size > HEADER:
            raise tarfile.ReadError(f"a name has {header.size} bytes, more than {HEADER}")
        return header


class Tar:
    r"""The files in a tar archive, compressed or not, in the order of the archive.

    Arguments:
        path: The archive.

    Raises:
        ValueError: If the archive is incomplete or expands too much.
    """

    kind = "tar"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out: list[tuple[str, str]] = []
        packed, unpacked = path.stat().st_size, 0
        places: dict[str, int] = {}
        sizes: dict[str, int] = {}
        links: dict[str, Link] = {}
        for place, (name, _, member) in enumerate(self.members()):
            # The size is checked before the archive is unpacked up to the next member.
            unpacked = member.offset_data + member.size
            check_expansion(path, unpacked, packed)
            if places.pop(name, None) is not None:
                self.left_out.append((name, REPLACED))
                links.pop(name, None)
            places[name], sizes[name] = place, member.size
            if member.issym() or member.islnk():
                links[name] = Link(member.linkname, member.issym())
        followed = resolve_links(links, places.keys() - links.keys())
        check_expansion(path, unpacked + sum(sizes[t] for t in followed.files.values()), packed)
        self.broken = followed.broken
        self.left_out += [(name, FOLDER_TWICE) for name in followed.folders]
        # The names of a member and of the links to it, by the member's place in the archive.
        self.read_as: dict[int, list[str]] = {}
        for name in places.keys() - set(followed.folders):
            self.read_as.setdefault(places[followed.files.get(name, name)], []).append(name)
        for names in self.read_as.values():
            names.sort(key=places.__getitem__)
        self.names = [name for place in sorted(self.read_as) for name in self.read_as[place]]

    def members(self) -> Iterator[tuple[str, tarfile.TarFile, tarfile.TarInfo]]:
        r"""Yields each member that is no folder, as its name, the archive and the header."""
        try:
            with tarfile.open(self.path, tarinfo=_Header) as archive:
                for member in archive:
                    if not member.isdir():
                        yield normalize_name(member.name), archive, member
                    # tarfile would keep the headers of all members.
                    archive.members = []
        except _ERRORS as error:
            raise ValueError(f"'source' = {str(self.path)!r} is damaged: {error}.") from error

    def read(
        self, names: Collection[str], largest: int | None = None
    ) -> Iterator[tuple[str, Contents]]:
        r"""Yields the names of files and their contents, as :meth:`.containers.Folder.read`."""
        wanted = set(names)
        for place, (name, archive, member) in enumerate(self.members()):
            asked = [read_as for read_as in self.read_as.get(place, ()) if read_as in wanted]
            if not asked:
                continue
            contents: Contents | None
            if member.isreg():
                contents = size_error(member.size, size_limit(largest))
                contents = contents or archive.extractfile(member).read()
            else:
                reason = self.broken.get(name, "it is a device or a pipe, and no regular file")
                contents = ValueError(reason)
            for read_as in asked:
                yield read_as, contents


def is_tar(path: Path) -> bool:
    r"""Returns whether a file is a tar archive whose first header can be read."""
    try:
        with tarfile.open(path, tarinfo=_Header):
            return True
    except _ERRORS:
        return False
