r"""Sources that are files of pictures: what their names say of split and class.

A layout is a function of all names; which container holds them makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .containers import Container, open_container
from .records import Record, Source, assign_splits, check_any_found

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")
LEADS_OUT = "its name leads out of the archive"

# The last image of each split in CelebA's official partition.
CELEBA = (("train", 162_770), ("val", 182_637), ("test", 202_599))


@dataclass(frozen=True)
class Entry:
    r"""Creates what a layout says of one picture.

    Arguments:
        name: Its name in the container.
        split: Its split, `None` if the layout says nothing.
        class_name: The name of its class, `None` if the layout says nothing.
    """

    name: str
    split: str | None
    class_name: str | None


Layout = Callable[[Container], list[Entry]]


@dataclass(frozen=True)
class Pictures:
    r"""Creates the pictures of a container, of which the splits and the labels are known.

    Arguments:
        container: The container.
        assignments: The split and the label of each picture, by its name.
        classes: The names of the classes.
        split_rule: How the splits came about, in words.
        hold_out: Of how many training images one is yet to be held out, 0 for none.
        left_out: The names of what was left out, and why.
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
        layout: Says the split and the class of each picture.
        looked_for: What the layout looks for, in words.
        hold_out: Of how many images one is held out if the source has no held-out split.

    Raises:
        ValueError: If nothing fits the layout, or only some of the pictures have a class.
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
    r"""Returns the pictures in a container, none of which is read: see :func:`file_source`."""
    container = open_container(path)
    entries = layout(container)
    unread = list_left_out(container)
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
    r"""Yields the names that are those of pictures, and their parts, without hidden files."""
    for name in names:
        parts = name.split("/")
        if name.lower().endswith(PICTURES) and ".." not in parts and not is_hidden(parts):
            yield name, parts


def is_hidden(parts: Sequence[str]) -> bool:
    r"""Returns whether the parts of a name are those of a hidden file, or of one of macOS's own."""
    return any((p.startswith(".") and p != "..") or p == "__MACOSX" for p in parts)


def list_left_out(container: Container) -> list[tuple[str, str]]:
    r"""Returns the names in a container that are none of its pictures but might have been, and why."""
    known = {name for name, _ in picture_names(container.names)}
    broken = [item for item in container.broken.items() if item[0] not in known]
    outside = [
        (name, LEADS_OUT)
        for name in container.names
        if ".." in name.split("/") and name.lower().endswith(PICTURES)
    ]
    found = [*container.left_out, *broken, *outside]
    return [(name, reason) for name, reason in found if not is_hidden(name.split("/"))]


def celeba_layout(container: Container) -> list[Entry]:
    r"""Returns the pictures `000001.jpg` to `202599.jpg`, in the official partition by number.

    Raises:
        ValueError: If a number comes twice.
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
                f"'source' = {str(container.path)!r} holds picture {stem} twice: choose the folder of one version."
            )
        numbers.add(stem)
        entries.append(Entry(name, split, None))
    return entries


def celeba_split(stem: str) -> str | None:
    r"""Returns the split of a picture of CelebA by its number, `None` if it is no such number."""
    number = int(stem) if re.fullmatch(r"[0-9]{6}", stem) else 0
    return next((split for split, last in CELEBA if 1 <= number <= last), None)


def tiny_imagenet_layout(container: Container) -> list[Entry]:
    r"""Returns the pictures of `train/<wnid>/images/*` and `val`, without the unlabelled test set.

    The validation pictures stand in `val/images/*`, with `val/val_annotations.txt`, or in class
    folders as those for training.

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
                    f"'source' = {str(container.path)!r}: val/val_annotations.txt says nothing of {name!r}."
                )
            class_name = annotations[parts[-1]]
        entries.append(Entry(name, parts[at], class_name))
    return entries


def _tiny_imagenet_annotations(container: Container) -> dict[str, str]:
    r"""Returns the classes of the validation pictures, by their file names."""
    files = [n for n in container.names if n.endswith("val/val_annotations.txt")]
    lines = []
    for name, contents in container.read(files[:1]):
        if isinstance(contents, ValueError):
            raise ValueError(f"{name} in {container.path} can not be used: {contents}.")
        lines += [line.split("\t") for line in contents.decode(errors="replace").splitlines()]
    return {fields[0]: fields[1] for fields in lines if len(fields) > 1}
