r"""Tests for the energy_gans.data.prepared.sources.picture_files module."""

from pathlib import Path

import pytest

from energy_gans.data.prepared.sources import celeba_source, folder_source, tiny_imagenet_source

from .writing import facts, pack, picture

KINDS = ["folder", "x.zip", "x.tar", "x.tar.gz"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("above", ["", "pictures/"])
@pytest.mark.parametrize(("train", "held_out"), [("train", "val"), ("Training", "validation")])
def test_splits_and_classes_are_folders(
    tmp_path: Path, kind: str, above: str, train: str, held_out: str
) -> None:
    files = {
        f"{above}{held_out}/dog/a.png": picture(1),
        f"{above}{train}/cat/0.png": picture(2),
        f"{above}{train}/cat/deeper/1.JPG": picture(3, "JPEG"),
        f"{above}{train}/dog/0.webp": picture(4, "WEBP"),
        f"{above}test/eel/0.png": picture(5),
    }
    source = folder_source(pack(tmp_path / kind, files), 20)
    assert source.classes == ["cat", "dog", "eel"]
    assert source.kind in kind
    assert sorted(facts(source), key=lambda f: f[2]) == [
        ("val", 1, 1),
        ("train", 0, 2),
        ("train", 0, 3),
        ("train", 1, 4),
        ("test", 2, 5),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_classes_alone_are_for_training_until_they_are_read(tmp_path: Path, kind: str) -> None:
    files = {f"{name}/{i}.png": picture(i) for i in range(4) for name in "ab"}
    source = folder_source(pack(tmp_path / kind, files), 4)
    assert source.classes == ["a", "b"]
    assert source.hold_out == 4
    assert sorted(facts(source)) == [("train", c, i) for c in (0, 1) for i in range(4)]


@pytest.mark.parametrize("kind", KINDS)
def test_flat_pictures_have_no_classes(tmp_path: Path, kind: str) -> None:
    files = {f"{i}.png": picture(i) for i in range(5)}
    source = folder_source(pack(tmp_path / kind, files), 3)
    assert source.classes == []
    assert facts(source) == [("train", 0, i) for i in range(5)]


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    files = {f"{i}.png": picture(i) for i in range(2)}
    other = {"notes.txt": b"", ".hidden.png": b"", "__MACOSX/._0.png": b"", ".git/x.jpg": b""}
    source = folder_source(pack(tmp_path / "x.zip", {**files, **other}), 2)
    assert facts(source) == [("train", 0, 0), ("train", 0, 1)]
    assert source.left_out == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"notes.txt": b""}, r"holds no pictures \{train,val\}/<class>"),
        ({}, "holds no pictures"),
        (
            {"a/0.png": b"", "1.png": b""},
            r"in class folders and pictures in none, as '1.png': .* 'labels' = 'none'",
        ),
        ({"train/a/0.png": b"", "b/1.png": b""}, "inside and images outside"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(ValueError, match=rf"'source' = .*{message}"):
        folder_source(pack(tmp_path / "x.zip", files), 2)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_pictures_whose_names_lead_out_of_an_archive_are_named(tmp_path: Path, kind: str) -> None:
    files = {f"{i}.png": picture(i) for i in range(2)}
    outside = {"../x.png": b"", "a/../../y.png": b"", "../notes.txt": b"", "../.z.png": b""}
    source = folder_source(pack(tmp_path / kind, {**files, **outside}), 2)
    assert len(facts(source)) == 2
    reason = "its name leads out of the archive"
    assert sorted(source.left_out) == [("../x.png", reason), ("a/../../y.png", reason)]
    with pytest.raises(ValueError, match=r"left out 2, \.\./x\.png: its name leads out"):
        folder_source(pack(tmp_path / f"2{kind}", outside), 2)


BORDERS = {1: "train", 162770: "train", 162771: "val", 182637: "val", 182638: "test"}
BORDERS |= {202599: "test"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("above", ["", "img_align_celeba/", "celeba/img_align_celeba/"])
def test_celeba_has_its_official_partition(tmp_path: Path, kind: str, above: str) -> None:
    files = {f"{above}{n:06}.jpg": picture(n % 251, "JPEG") for n in BORDERS}
    others = {"list_eval_partition.txt": b"", f"{above}000000.jpg": b"", "202600.jpg": b""}
    others |= {"1.jpg": b"", "cover.jpg": b""}
    source = celeba_source(pack(tmp_path / kind, {**files, **others}), 20)
    assert facts(source) == [(split, 0, n % 251) for n, split in BORDERS.items()]
    assert source.classes == []


def test_a_part_of_celeba_holds_some_out(tmp_path: Path) -> None:
    files = {f"{n:06}.jpg": picture(n, "JPEG") for n in range(1, 5)}
    source = celeba_source(pack(tmp_path / "x.zip", files), 2)
    assert [split for split, _, _ in facts(source)] == ["train"] * 4
    assert source.hold_out == 2


def test_celeba_twice_is_refused(tmp_path: Path) -> None:
    files = {"img_align_celeba/000001.jpg": b"", "img_align_celeba_png/000001.png": b""}
    with pytest.raises(ValueError, match="holds picture 000001 twice"):
        celeba_source(pack(tmp_path, files), 2)


def test_celeba_says_what_it_looks_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"000001.jpg to 202599.jpg \(img_align_celeba.zip"):
        celeba_source(pack(tmp_path / "x.zip", {"a.jpg": b""}), 2)


TINY = {
    "train/n02/images/n02_0.JPEG": picture(1, "JPEG"),
    "train/n01/images/n01_0.JPEG": picture(2, "JPEG"),
    "test/images/test_0.JPEG": picture(3, "JPEG"),
    "wnids.txt": b"n02\nn01\n",
}
ANNOTATED = {
    "val/images/val_1.JPEG": picture(4, "JPEG"),
    "val/images/val_0.JPEG": picture(5, "JPEG"),
    "val/val_annotations.txt": b"val_0.JPEG\tn01\t0\t0\t62\t62\nval_1.JPEG\tn02\t1\t2\t3\t4\n",
}
REARRANGED = {
    "val/n02/images/val_1.JPEG": picture(4, "JPEG"),
    "val/n01/val_0.JPEG": picture(5, "JPEG"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("above", ["", "tiny-imagenet-200/"])
@pytest.mark.parametrize("val", [ANNOTATED, REARRANGED], ids=["annotated", "rearranged"])
def test_tiny_imagenet(tmp_path: Path, kind: str, above: str, val: dict[str, bytes]) -> None:
    files = {above + name: contents for name, contents in {**TINY, **val}.items()}
    source = tiny_imagenet_source(pack(tmp_path / kind, files), 20)
    assert source.classes == ["n01", "n02"]
    assert sorted(facts(source), key=lambda f: f[2]) == [
        ("train", 1, 1),
        ("train", 0, 2),
        ("val", 1, 4),
        ("val", 0, 5),
    ]


def test_tiny_imagenet_without_annotations_is_refused(tmp_path: Path) -> None:
    files = {n: c for n, c in {**TINY, **ANNOTATED}.items() if not n.endswith(".txt")}
    with pytest.raises(ValueError, match=r"val_annotations.txt does not name 'val/images/val_0"):
        tiny_imagenet_source(pack(tmp_path / "x.zip", files), 20)
