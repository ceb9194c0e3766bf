r"""Tests for the energy_gans.data.prepared.sources.folders module."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from torchvision import datasets

from energy_gans.data.prepared.sources import Labels, Source, folder_source
from energy_gans.data.prepared.sources.folders import (
    _count_shared_folders,
    find_empty_classes,
    folder_layout,
)
from energy_gans.data.prepared.sources.picture_files import find_pictures

from .writing import pack, picture

KINDS = ["folder", "x.zip", "x.tar"]


def classes_of(source: Source) -> dict[str, str | None]:
    r"""Returns the class of each picture by name, or `None` if there are no classes."""
    return {
        record.name: source.classes[record.label] if source.classes else None
        for record in source.records
    }


def named(path: Path, names: Sequence[str], labels: Labels = "first") -> dict[str, str | None]:
    files = {name: picture(i) for i, name in enumerate(names)}
    return classes_of(folder_source(pack(path, files), 2, labels))


LAYOUTS = {
    "flat": (["0.png", "1.png"], [None, None], [None, None]),
    "classes": (["a/0.png", "b/1.png"], ["a", "b"], ["a", "b"]),
    "one class": (["a/0.png", "a/1.png"], ["a", "a"], ["a", "a"]),
    "a top": (["top/a/0.png", "top/b/1.png"], ["a", "b"], ["a", "b"]),
    "two tops": (["top/2/a/0.png", "top/2/b/1.png"], ["a", "b"], ["a", "b"]),
    "flat in a top": (["top/0.png", "top/1.png"], ["top", "top"], ["top", "top"]),
    "nested": (["a/x/0.png", "a/y/1.png", "b/2.png"], ["a", "a", "b"], ["x", "y", "b"]),
    "splits": (
        ["train/a/x/0.png", "train/b/1.png", "val/a/y/2.png"],
        ["a", "b", "a"],
        ["x", "b", "y"],
    ),
    "splits in a top": (["t/train/a/x/0.png", "t/val/a/1.png"], ["a", "a"], ["x", "a"]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_class_is_the_first_or_the_last_folder_or_none(
    tmp_path: Path, kind: str, layout: str
) -> None:
    names, first, last = LAYOUTS[layout]
    for labels, expected in (("first", first), ("last", last), ("none", [None] * len(names))):
        found = named(tmp_path / f"{labels} {kind}", names, labels)
        assert found == dict(zip(names, expected, strict=True))


@pytest.mark.parametrize("layout", ["classes", "one class", "nested"])
def test_torchvision_takes_the_first_folder_for_the_class(tmp_path: Path, layout: str) -> None:
    names, _, _ = LAYOUTS[layout]
    found = named(tmp_path, names)
    theirs = datasets.ImageFolder(str(tmp_path))
    expected = {
        Path(path).relative_to(tmp_path).as_posix(): theirs.classes[label]
        for path, label in theirs.samples
    }
    assert found == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("above", [("", ""), ("train/", "val/")])
def test_folders_at_two_places_are_not_one_class(
    tmp_path: Path, kind: str, above: tuple[str, str]
) -> None:
    names = [f"{above[0]}a/games/0.png", f"{above[1]}b/games/1.png", f"{above[0]}c/2.png"]
    expected = dict(zip(names, "abc", strict=True))
    assert named(tmp_path / f"first {kind}", names) == expected
    with pytest.raises(
        ValueError,
        match=r"'last' would make one class 'games' of .* 'a/games' and 'b/games' of .*first",
    ):
        named(tmp_path / f"last {kind}", names, "last")


def test_a_class_may_be_in_all_splits(tmp_path: Path) -> None:
    names = ["train/a/games/0.png", "val/a/games/1.png"]
    assert set(named(tmp_path, names, "last").values()) == {"games"}


@pytest.mark.parametrize("labels", ["first", "last"])
def test_pictures_in_no_class_are_refused_unless_there_are_none(
    tmp_path: Path, labels: Labels
) -> None:
    names = ["a/0.png", "1.png"]
    with pytest.raises(ValueError, match=r"pictures in none, as '1.png': move them, or take no l"):
        named(tmp_path / labels, names, labels)
    assert named(tmp_path / "none", names, "none") == dict.fromkeys(names)


def test_labels_of_another_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'labels' should be one of .*'last'.*, got 'middle'"):
        named(tmp_path, ["a/0.png", "b/1.png"], "middle")


def test_the_source_says_its_labels(tmp_path: Path) -> None:
    path = pack(tmp_path, {f"{c}/0.png": picture(1) for c in "ab"})
    assert folder_source(path, 2, "last").options == {"labels": "last"}


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], 0),
        ([[]], 0),
        ([["a"]], 0),
        ([["a", "b"]], 1),
        ([["a"], ["b"]], 0),
        ([["t", "a"], ["t", "b"]], 1),
        ([["t"], ["t", "b"]], 1),
        ([["t", "a"], ["t", "a", "x"], ["t", "b"]], 1),
        ([["t", "a"], ["t", "a", "x"], ["t", "ab"]], 1),
    ],
)
def test_folders_that_all_share_are_no_class(places: list[list[str]], expected: int) -> None:
    assert _count_shared_folders(places) == _count_shared_folders(places[::-1]) == expected


def test_class_folders_without_pictures_are_found(tmp_path: Path) -> None:
    files = {"train/a/0.png": b"", "train/c/deep/1.png": b"", "val/a/2.png": b""}
    pack(tmp_path, files)
    for name in ("train/b", "val/d/e", "train/.git", "notes", "train/a/empty"):
        (tmp_path / name).mkdir(parents=True)
    found = find_pictures(tmp_path, folder_layout(), "pictures", 2)
    assert sorted(find_empty_classes(found)) == ["train/b", "val/d"]
