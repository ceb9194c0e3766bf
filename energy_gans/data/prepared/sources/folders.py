r"""The layout of a user's own pictures: which of the folders above a picture is its split, and which its class.

torchvision's `ImageFolder` takes the first folder below its root for the class, whatever is below that; so
does this, by default. Folders above the splits' and the folders that all pictures share, as that which an
archive begins with, are no classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from .containers import Container
from .picture_files import Entry, Layout, Pictures, is_hidden, picture_names
from .records import SPLITS

Labels = Literal["first", "last", "none"]


def folder_layout(labels: Labels = "first") -> Layout:
    r"""Returns the layout `{train,val,test}/<class>/*`, `<class>/*` or `*`, with folders at any depth.

    Arguments:
        labels: The class of a picture. `"first"`: the folder right within the split's, whatever is below
            it; without splits, the first folder in which the pictures differ. `"last"`: the folder that
            holds the picture. `"none"`: there are no classes.

    Raises:
        ValueError: If `labels` is unknown.
    """
    if labels not in get_args(Labels):
        raise ValueError(f"'labels' should be one of {get_args(Labels)}, got {labels!r}.")
    return partial(_folder_entries, labels=labels)


def _folder_entries(container: Container, labels: Labels) -> list[Entry]:
    r"""Returns the pictures of the layout of a folder.

    Raises:
        ValueError: If folders at different places would be one class.
    """
    found = [(name, *_find_split(parts[:-1])) for name, parts in picture_names(container.names)]
    if labels == "none":
        return [Entry(name, split, None) for name, split, _ in found]
    if labels == "last":
        _check_class_folders(container.path, [folders for _, _, folders in found])
        return [Entry(n, split, folders[-1] if folders else None) for n, split, folders in found]
    start = _count_shared_folders([folders for _, split, folders in found if split is None])
    return [
        Entry(n, split, next(iter(folders[start if split is None else 0 :]), None))
        for n, split, folders in found
    ]


def _find_split(folders: list[str]) -> tuple[str | None, list[str]]:
    r"""Returns the split that the folders above a picture say, and those of them below the split's."""
    at = next((i for i, folder in enumerate(folders) if folder.lower() in SPLITS), None)
    return (None, folders) if at is None else (SPLITS[folders[at].lower()], folders[at + 1 :])


def _count_shared_folders(places: Sequence[list[str]]) -> int:
    r"""Returns how many folders all pictures share, without the last one if that holds all of them.

    So the folder that an archive begins with is no class, and a single folder of pictures is one.
    """
    first, last = min(places, default=[]), max(places, default=[])
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return n - 1 if n == len(last) > 0 else n


def _check_class_folders(path: Path, places: Sequence[list[str]]) -> None:
    r"""Raises a `ValueError` if two folders of pictures have one name."""
    known: dict[str, list[str]] = {}
    for folders in places:
        if folders and known.setdefault(folders[-1], folders) != folders:
            both = " and ".join(repr("/".join(f)) for f in (known[folders[-1]], folders))
            raise ValueError(
                f"'labels' = 'last' would make one class {folders[-1]!r} of the folders {both} of "
                f"'source' = {str(path)!r}: rename one, or take 'labels' = 'first'."
            )


def find_empty_classes(found: Pictures) -> list[str]:
    r"""Returns the folders right within the splits' of a folder that hold no picture."""
    holding = set()
    for name in found.assignments:
        parts = name.split("/")
        holding.update("/".join(parts[:n]) for n in range(1, len(parts)))
    empty = []
    for folder in found.container.folders:
        parts = folder.split("/")
        split, below = _find_split(parts)
        if split and len(below) == 1 and folder not in holding and not is_hidden(parts):
            empty.append(folder)
    return empty
