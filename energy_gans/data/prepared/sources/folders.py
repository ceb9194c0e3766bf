r"""The layout of pictures in folders: which folder is a picture's split, and which its class.

By default, the first folder is the class, at whatever depth the picture is, as for torchvision's
`ImageFolder`. Folders above the split's folder are no classes, nor are folders that contain all
pictures, such as the top folder of an archive.
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
    r"""Returns the layout `{train,val,test}/<class>/*`, `<class>/*` or `*`, at any depth.

    Arguments:
        labels: The class of a picture. `"first"` is the first folder within the split's folder or,
            without splits, the first folder in which the names of the pictures differ. `"last"` is
            the folder that holds the picture. With `"none"` there are no classes.

    Raises:
        ValueError: If `labels` is unknown.
    """
    if labels not in get_args(Labels):
        raise ValueError(f"'labels' should be one of {get_args(Labels)}, got {labels!r}.")
    return partial(_folder_entries, labels=labels)


def _folder_entries(container: Container, labels: Labels) -> list[Entry]:
    r"""Returns the pictures in a container, with their splits and classes.

    Raises:
        ValueError: If folders in different places would become one class.
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
    r"""Returns the split that a picture's folders name, and the folders within that folder."""
    at = next((i for i, folder in enumerate(folders) if folder.lower() in SPLITS), None)
    return (None, folders) if at is None else (SPLITS[folders[at].lower()], folders[at + 1 :])


def _count_shared_folders(places: Sequence[list[str]]) -> int:
    r"""Returns how many leading folders all pictures share and are therefore no classes.

    If all pictures are directly in one folder, that folder is a class and does not count.

    Arguments:
        places: The folders of each picture.
    """
    first, last = min(places, default=[]), max(places, default=[])
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return n - 1 if n == len(last) > 0 else n


def _check_class_folders(path: Path, places: Sequence[list[str]]) -> None:
    r"""Raises a `ValueError` if two folders that hold pictures have the same name.

    Arguments:
        path: The source.
        places: The folders of each picture.
    """
    known: dict[str, list[str]] = {}
    for folders in places:
        if folders and known.setdefault(folders[-1], folders) != folders:
            both = " and ".join(repr("/".join(f)) for f in (known[folders[-1]], folders))
            raise ValueError(
                f"'labels' = 'last' would make one class {folders[-1]!r} of the folders {both} of "
                f"'source' = {str(path)!r}: rename one, or take 'labels' = 'first'."
            )


def find_empty_classes(found: Pictures) -> list[str]:
    r"""Returns the class folders, directly within the splits' folders, that hold no picture."""
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
