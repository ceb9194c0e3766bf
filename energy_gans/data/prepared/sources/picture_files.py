r"""Sources of picture files, whose names determine their splits and classes.

A layout is a function from the names in a container to splits and classes, and is the same for
folders and archives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .containers import Container, open_container
from .records import Record, Source, assign_splits, check_any_found

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")
_LEADS_OUT = "its name leads out of the archive"

# The last image of each split in CelebA's official partition.
_LAST_OF_CELEBA = (("train", 162_770), ("val", 182_637), ("test", 202_599))


@dataclass(frozen=True)
class Entry:
    r"""A picture in a layout.

    Arguments:
        name: The name of the picture in the container.
        split: The split, or `None` if the layout has none.
        class_name: The name of the class, or `None` if the layout has none.
    """

    name: str
    split: str | None
    class_name: str | None


Layout = Callable[[Container], list[Entry]]


@dataclass(frozen=True)
class Pictures:
    r"""The pictures in a container, with their splits and labels.

    Arguments:
        container: The container.
        assignments: The split and the label of each picture, by name.
        classes: The names of the classes.
        split_rule: How the images got their splits, in words.
        hold_out: One in `hold_out` training images is yet to be held out; 0 for none.
        left_out: The names of files that were left out, and the reasons.
    """

    container: Container
    assignments: dict[str, tuple[str, int]]
    classes: list[str]
    split_rule: str
    hold_out: int
    left_out: list[tuple[str, str]]

    def records(self) -> Iterator[Record]:
        r"""Yields the pictures with their contents, in the container's order."""
        for name, contents in self.container.read(self.assignments):
            yield Record(name, *self.assignments[name], contents)


def file_source(path: Path, layout: Layout, looked_for: str, hold_out: int) -> Source:
    r"""Returns the source of pictures in a container.

    Arguments:
        path: The folder, zip or tar archive.
        layout: The function that returns the split and the class of each picture.
        looked_for: The expected files, in words, for an error message.
        hold_out: One in `hold_out` images is held out if the source has no held-out split.

    Raises:
        ValueError: If no picture fits the layout, or only some of the pictures have a class.
    """
    found = find_pictures(path, layout, looked_for, hold_out)
    splits = [split for split, _ in found.assignments.values()]
    return Source(
        found.container.kind,
        splits,
        found.split_rule,
        found.classes,
        found.records(),
        hold_out=found.hold_out,
        left_out=found.left_out,
    )


def find_pictures(path: Path, layout: Layout, looked_for: str, hold_out: int) -> Pictures:
    r"""Returns the pictures in a container without reading them; see :func:`file_source`."""
    container = open_container(path)
    entries = layout(container)
    unread = _list_left_out(container)
    check_any_found(path, entries, looked_for, unread)
    names = sorted({e.class_name for e in entries if e.class_name is not None})
    if names and (stray := [e.name for e in entries if e.class_name is None]):
        raise ValueError(
            f"'source' = {str(path)!r} has pictures in class folders and pictures in none, "
            f"as {stray[0]!r}: move them, or take no labels, 'labels' = 'none'."
        )
    index = {name: i for i, name in enumerate(names)}
    splits, split_rule, hold_out = assign_splits(path, [e.split for e in entries], hold_out)
    assignments = {
        e.name: (split, index.get(e.class_name, 0))
        for e, split in zip(entries, splits, strict=True)
    }
    return Pictures(container, assignments, names, split_rule, hold_out, unread)


def picture_names(names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    r"""Yields the names of pictures that are not hidden, and the parts of each name."""
    for name in names:
        parts = name.split("/")
        if name.lower().endswith(_SUFFIXES) and ".." not in parts and not is_hidden(parts):
            yield name, parts


def is_hidden(parts: Sequence[str]) -> bool:
    r"""Returns whether a name, given by its parts, is hidden or was added by macOS."""
    return any((p.startswith(".") and p != "..") or p == "__MACOSX" for p in parts)


def _list_left_out(container: Container) -> list[tuple[str, str]]:
    r"""Returns the names of possible pictures that were left out, and the reasons."""
    known = {name for name, _ in picture_names(container.names)}
    broken = [item for item in container.broken.items() if item[0] not in known]
    outside = [
        (name, _LEADS_OUT)
        for name in container.names
        if ".." in name.split("/") and name.lower().endswith(_SUFFIXES)
    ]
    found = [*container.left_out, *broken, *outside]
    return [(name, reason) for name, reason in found if not is_hidden(name.split("/"))]


def celeba_layout(container: Container) -> list[Entry]:
    r"""Returns the pictures `000001.jpg` to `202599.jpg`, with the official split of each number.

    Raises:
        ValueError: If a number occurs twice.
    """
    entries = []
    numbers = set()
    for name, parts in picture_names(container.names):
        stem = parts[-1].rsplit(".", 1)[0]
        split = celeba_split(stem)
        if split is None:
            continue
        if stem in numbers:
            raise ValueError(
                f"'source' = {str(container.path)!r} holds picture {stem} twice: choose the "
                "folder of one version."
            )
        numbers.add(stem)
        entries.append(Entry(name, split, None))
    return entries


def celeba_split(stem: str) -> str | None:
    r"""Returns the split of a picture of CelebA by its number, or `None` for any other name."""
    number = int(stem) if re.fullmatch(r"[0-9]{6}", stem) else 0
    return next((split for split, last in _LAST_OF_CELEBA if 1 <= number <= last), None)


def tiny_imagenet_layout(container: Container) -> list[Entry]:
    r"""Returns the pictures in `train/<wnid>/images/*` and `val`, without the unlabelled test set.

    The validation pictures are in `val/images/*`, with their classes in `val/val_annotations.txt`,
    or in class folders like the training pictures.

    Raises:
        ValueError: If the annotations lack a picture.
    """
    annotations = _tiny_imagenet_annotations(container)
    entries = []
    for name, parts in picture_names(container.names):
        at = next((i for i, part in enumerate(parts[:-1]) if part in ("train", "val")), None)
        if at is None or at + 2 >= len(parts):
            continue
        class_name = parts[at + 1]
        if class_name == "images":
            if parts[-1] not in annotations:
                raise ValueError(
                    f"'source' = {str(container.path)!r}: val/val_annotations.txt does not name "
                    f"{name!r}."
                )
            class_name = annotations[parts[-1]]
        entries.append(Entry(name, parts[at], class_name))
    return entries


def _tiny_imagenet_annotations(container: Container) -> dict[str, str]:
    r"""Returns the classes of the validation pictures, by file name."""
    files = [n for n in container.names if n.endswith("val/val_annotations.txt")]
    lines = []
    for name, contents in container.read(files[:1]):
        if isinstance(contents, ValueError):
            raise ValueError(f"{name} in {container.path} can not be used: {contents}.")
        lines += [line.split("\t") for line in contents.decode(errors="replace").splitlines()]
    return {fields[0]: fields[1] for fields in lines if len(fields) > 1}
