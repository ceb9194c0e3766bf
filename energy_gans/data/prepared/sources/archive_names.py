r"""Names of the files in archives, and where links between them lead.

A link is followed within its archive only: no name ever becomes a path of the file system.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

# Links that are followed one after the other, as many as Linux follows.
HOPS = 40

REPLACED = "a later file of the archive has the same name"
FOLDER_TWICE = "the folder is read under another name"


@dataclass(frozen=True)
class Link:
    r"""Creates a link of an archive.

    Arguments:
        target: Where it leads.
        symbolic: Whether `target` is relative to the link's folder, else to the archive.
    """

    target: str
    symbolic: bool


@dataclass(frozen=True)
class ResolvedLinks:
    r"""Creates what becomes of an archive's links.

    Arguments:
        files: The names of links that lead to files, and these files' names.
        broken: The names of links that lead to nothing in the archive, and why they can not be read.
        folders: The names of links to folders, whose files are read under their own names.
    """

    files: dict[str, str]
    broken: dict[str, str]
    folders: list[str]


def normalize_name(name: str) -> str:
    r"""Returns the name of a member as a plain relative one."""
    return PurePosixPath(name.lstrip("/")).as_posix()


def sort_by_folder(names: Collection[str]) -> list[str]:
    r"""Returns names in the order of their folders, then of their files."""
    return sorted(names, key=lambda name: name.split("/"))


def resolve_links(links: Mapping[str, Link], files: Collection[str]) -> ResolvedLinks:
    r"""Returns where the links of an archive lead.

    Arguments:
        links: The links by their names.
        files: The names of the files that are no links.
    """
    followed = ResolvedLinks({}, {}, [])
    if not links:
        return followed
    folders = {""}
    for name in files:
        parts = name.split("/")
        folders.update("/".join(parts[:n]) for n in range(1, len(parts)))
    for name, link in links.items():
        target = _resolve_link(name, links)
        if target in files:
            followed.files[name] = target
        elif target in folders:
            followed.folders.append(name)
        else:
            followed.broken[name] = (
                f"it is a link to {link.target!r}, and no file of the archive has that name"
            )
    return followed


def _resolve_link(name: str, links: Mapping[str, Link]) -> str | None:
    r"""Returns the name that a link leads to, itself no link and perhaps of no file.

    Arguments:
        name: The name.
        links: All links by their names.

    Returns:
        The name, or `None` if it is outside of the archive or the links lead in a circle.
    """
    done: list[str] = []
    todo = name.split("/")[::-1]
    hops = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not done:
                return None
            done.pop()
            continue
        done.append(part)
        link = links.get("/".join(done))
        if link is None:
            continue
        hops += 1
        if hops > HOPS or (link.symbolic and link.target.startswith("/")):
            return None
        done = done[:-1] if link.symbolic else []
        todo += link.target.split("/")[::-1]
    return "/".join(done)
