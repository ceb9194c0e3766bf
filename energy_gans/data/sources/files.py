r"""Sources that are files of pictures: what their names say of split and class.

A layout is a function of all names; which container holds them makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .containers import Container, open_container
from .records import SPLITS, Record, Source, check_found, settle

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")

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


def file_source(path: Path, layout: Layout, looked_for: str, hold_out: int) -> Source:
    r"""Returns the source of pictures in a container.

    Arguments:
        path: The folder, zip or tar archive.
        layout: Says the split and the class of each picture.
        looked_for: What the layout looks for, in words.
        hold_out: Which images are held out if the source has no held-out split.

    Raises:
        ValueError: If nothing fits the layout, or only some of the pictures have a class.
    """
    container = open_container(path)
    entries = layout(container)
    check_found(path, entries, looked_for)
    names = sorted({e.class_name for e in entries if e.class_name is not None})
    if names and (stray := [e.name for e in entries if e.class_name is None]):
        raise ValueError(
            f"'source' = {str(path)!r} has pictures in class folders and pictures in none, "
            f"as {stray[0]!r}."
        )
    index = {name: i for i, name in enumerate(names)}
    splits, division = settle(path, [e.split for e in entries], hold_out)
    facts = {
        e.name: (split, index.get(e.class_name, 0))
        for e, split in zip(entries, splits, strict=True)
    }
    return Source(container.kind, splits, division, names, file_records(container, facts))


def file_records(container: Container, facts: dict[str, tuple[str, int]]) -> Iterator[Record]:
    r"""Yields the pictures of which the split and the label are known."""
    for name, contents in container.read(facts):
        yield Record(name, *facts[name], contents)


def pictures(names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    r"""Yields the names that are those of pictures, and their parts, without hidden files."""
    for name in names:
        parts = name.split("/")
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if name.lower().endswith(PICTURES) and not hidden:
            yield name, parts


def folder_layout(container: Container) -> list[Entry]:
    r"""Returns the pictures of `{train,val,test}/<class>/*`, `<class>/*` or `*`.

    Where there are splits, a class is the folder within the split's, whatever is below it and above
    them; without, it is the folder that holds the picture.
    """
    entries = []
    for name, parts in pictures(container.names):
        *folders, _ = parts
        at = next((i for i, part in enumerate(folders) if part.lower() in SPLITS), None)
        if at is None:
            entries.append(Entry(name, None, folders[-1] if folders else None))
        else:
            class_name = folders[at + 1] if at + 1 < len(folders) else None
            entries.append(Entry(name, SPLITS[folders[at].lower()], class_name))
    return entries


def unlabelled_layout(container: Container) -> list[Entry]:
    r"""Returns the pictures as :func:`folder_layout` does, without classes."""
    return [Entry(e.name, e.split, None) for e in folder_layout(container)]


def celeba_layout(container: Container) -> list[Entry]:
    r"""Returns the pictures `000001.jpg` to `202599.jpg`, in the official partition by number.

    Raises:
        ValueError: If a number comes twice.
    """
    entries = []
    numbers = set()
    for name, parts in pictures(container.names):
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
    annotations = tiny_imagenet_annotations(container)
    entries = []
    for name, parts in pictures(container.names):
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


def tiny_imagenet_annotations(container: Container) -> dict[str, str]:
    r"""Returns the classes of the validation pictures, by their file names."""
    files = [n for n in container.names if n.endswith("val/val_annotations.txt")]
    lines = []
    for name, contents in container.read(files[:1]):
        if isinstance(contents, ValueError):
            raise ValueError(f"{name} in {container.path} can not be used: {contents}.")
        lines += [line.split("\t") for line in contents.decode(errors="replace").splitlines()]
    return {fields[0]: fields[1] for fields in lines if len(fields) > 1}
