r"""Names of the files in archives, and the targets of links.

Links are resolved within the archive: no name ever becomes a path of the file system.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

# The longest chain of links that is followed, as in Linux.
HOPS = 40

REPLACED = "a later file of the archive has the same name"
FOLDER_TWICE = "the folder is read under another name"


@dataclass(frozen=True)
class Link:
    r"""A link in an archive.

    Arguments:
        target: The target of the link.
        symbolic: Whether `target` is relative to the link's folder; otherwise, it is relative to
            the top of the archive.
    """

    target: str
    symbolic: bool


@dataclass(frozen=True)
class ResolvedLinks:
    r"""The links of an archive, by the kind of their targets.

    Arguments:
        files: Names of the links to files, and the names of these files.
        broken: Names of the links without a target in the archive, and an error message for each.
        folders: Names of the links to folders, whose files are read under their own names.
    """

    files: dict[str, str]
    broken: dict[str, str]
    folders: list[str]


def normalize_name(name: str) -> str:
    r"""Returns the name of a member as a normalized relative path."""
    return PurePosixPath(name.lstrip("/")).as_posix()


def sort_by_folder(names: Collection[str]) -> list[str]:
    r"""Returns names sorted by folder, then by file."""
    return sorted(names, key=lambda name: name.split("/"))


def resolve_links(links: Mapping[str, Link], files: Collection[str]) -> ResolvedLinks:
    r"""Resolves the links of an archive.

    Arguments:
        links: The links, by name.
        files: The names of all other files.

    Returns:
        What each link leads to, and which lead nowhere.
    """
    found = ResolvedLinks({}, {}, [])
    if not links:
        return found
    folders = {""}
    for name in files:
        parts = name.split("/")
        folders.update("/".join(parts[:n]) for n in range(1, len(parts)))
    for name, link in links.items():
        target = _resolve_link(name, links)
        if target in files:
            found.files[name] = target
        elif target in folders:
            found.folders.append(name)
        else:
            found.broken[name] = (
                f"it is a link to {link.target!r}, and no file of the archive has that name"
            )
    return found


def _resolve_link(name: str, links: Mapping[str, Link]) -> str | None:
    r"""Returns the name at the end of a chain of links, which need not exist.

    Arguments:
        name: The name of a link, or a path through links to folders.
        links: All links, by name.

    Returns:
        The name, or `None` if it is outside of the archive or the links form a cycle.
    """
    resolved: list[str] = []
    remaining = name.split("/")[::-1]
    hops = 0
    while remaining:
        part = remaining.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not resolved:
                return None
            resolved.pop()
            continue
        resolved.append(part)
        link = links.get("/".join(resolved))
        if link is None:
            continue
        hops += 1
        if hops > HOPS or (link.symbolic and link.target.startswith("/")):
            return None
        resolved = resolved[:-1] if link.symbolic else []
        remaining += link.target.split("/")[::-1]
    return "/".join(resolved)
