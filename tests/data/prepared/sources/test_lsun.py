r"""Tests for the energy_gans.data.prepared.sources.lsun module."""

import os
import zipfile
from pathlib import Path

import lmdb
import pytest

from energy_gans.data.prepared.sources import limits, lsun_source

from .writing import facts, frugal, pack, picture


def write(path: Path, values: list[int]) -> Path:
    r"""Writes a database like those of LSUN: keys are digests, values are pictures."""
    with lmdb.open(str(path), map_size=2**24) as env, env.begin(write=True) as transaction:
        for i, value in enumerate(values):
            transaction.put(f"{i:040x}".encode(), picture(value, "WEBP", (300, 256)))
    return path


def zipped(path: Path) -> Path:
    r"""Replaces a folder by its zip archive, the form in which LSUN is published."""
    archive = path.with_name(path.name + ".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for one in sorted(path.iterdir()):
            file.write(one, f"{path.name}/{one.name}")
            one.unlink()
    path.rmdir()
    return archive


@pytest.fixture
def root(tmp_path: Path) -> Path:
    r"""Writes two databases of one category, and one of another."""
    write(tmp_path / "lsun" / "bedroom_train_lmdb", [10, 20, 30])
    write(tmp_path / "lsun" / "bedroom_val_lmdb", [40])
    write(tmp_path / "lsun" / "church_outdoor_val_lmdb", [50, 60])
    (tmp_path / "scratch").mkdir()
    return tmp_path / "lsun"


@pytest.fixture(autouse=True)
def makedirs(tmp_path: Path) -> None:
    (tmp_path / "lsun").mkdir()


EXPECTED = [("train", 0, 10), ("train", 0, 20), ("train", 0, 30), ("val", 0, 40)]


@pytest.mark.parametrize("archived", [(), ("train",), ("train", "val")])
def test_a_folder_of_lmdbs(root: Path, archived: tuple[str, ...]) -> None:
    for split in archived:
        zipped(root / f"bedroom_{split}_lmdb")
    source = lsun_source(root, "bedroom", 20, root.parent / "scratch")
    assert sorted(facts(source)) == EXPECTED
    assert source.classes == ["bedroom"]
    assert source.kind == "lmdb"
    assert source.options == {"category": "bedroom"}


@pytest.mark.parametrize("archived", [False, True])
def test_one_lmdb_holds_some_out(root: Path, archived: bool) -> None:
    path = root / "church_outdoor_val_lmdb"
    source = lsun_source(zipped(path) if archived else path, None, 2, root.parent / "scratch")
    assert facts(source) == [("train", 0, 50), ("train", 0, 60)]
    assert source.hold_out == 2
    assert source.classes == ["church_outdoor"]


def test_a_folder_is_preferred_to_its_archive(root: Path) -> None:
    zipped(root / "bedroom_val_lmdb")
    write(root / "bedroom_val_lmdb", [41])
    source = lsun_source(root, "bedroom", 20, root.parent / "scratch")
    assert sorted(facts(source))[-1] == ("val", 0, 41)


def test_only_the_scratch_folder_is_written(root: Path) -> None:
    zipped(root / "bedroom_val_lmdb")
    before = sorted(os.walk(root))
    facts(lsun_source(root, "bedroom", 20, root.parent / "scratch"))
    assert sorted(os.walk(root)) == before


@pytest.mark.parametrize("category", [None, "kitchen"])
def test_categories_are_named(root: Path, category: str | None) -> None:
    with pytest.raises(ValueError, match=r"'category' .* \['bedroom', 'church_outdoor'\]"):
        lsun_source(root, category, 20, root.parent / "scratch")


def test_an_lmdb_of_another_category_is_refused(root: Path) -> None:
    path = root / "church_outdoor_val_lmdb"
    with pytest.raises(ValueError, match=r"'category' is 'bedroom', but .* of 'church_outdoor'"):
        lsun_source(path, "bedroom", 2, root.parent / "scratch")


@pytest.mark.parametrize("kind", ["folder", "x.zip"])
def test_pictures_of_a_category(tmp_path: Path, kind: str) -> None:
    files = {f"0/{i % 2}/{i}.webp": picture(10 * i, "WEBP") for i in range(4)}
    path = pack(tmp_path / kind, files)
    source = lsun_source(path, "tower", 4, tmp_path)
    assert source.classes == ["tower"]
    assert facts(source) == [
        ("train", 0, 0),
        ("train", 0, 20),
        ("train", 0, 10),
        ("train", 0, 30),
    ]
    assert source.hold_out == 4
    with pytest.raises(ValueError, match="'category' should be given"):
        lsun_source(path, None, 4, tmp_path)


def test_a_truncated_lmdb_is_refused(root: Path) -> None:
    file = root / "bedroom_train_lmdb" / "data.mdb"
    os.truncate(file, file.stat().st_size - 4096)
    with pytest.raises(ValueError, match=r"_train_lmdb is no lmdb .*: it is cut short"):
        lsun_source(root, "bedroom", 20, root.parent / "scratch")


def test_what_is_no_lmdb_is_refused(root: Path) -> None:
    (root / "bedroom_train_lmdb" / "data.mdb").write_bytes(b"<html>" * 5000)
    with pytest.raises(ValueError, match=r"_train_lmdb is no lmdb .*: it does not begin as"):
        lsun_source(root, "bedroom", 20, root.parent / "scratch")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\{category\}_train_lmdb\[.zip\]"):
        lsun_source(tmp_path / "lsun", None, 20, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere' does not exist"):
        lsun_source(tmp_path / "nowhere", None, 20, tmp_path)


def test_a_value_that_is_too_large_is_an_error_of_its_own(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(root / "bedroom_train_lmdb")
    with lmdb.open(path, map_size=2**27) as env, env.begin(write=True) as transaction:
        transaction.put(b"z", bytes(30 * 2**20))
    monkeypatch.setattr(limits, "LARGEST", 2**20)
    source = lsun_source(root, "bedroom", 20, tmp_path / "scratch")
    with frugal(memory=2**28):
        images = {record.name: record.image for record in source.records}
    large = images.pop("z")
    assert all(isinstance(image, bytes) for image in images.values())
    assert "31457280 bytes, more than the 1048576" in str(large)


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNPACKED", 2**20)
    path = pack(tmp_path / "bedroom_train_lmdb.zip", {"x/data.mdb": bytes(10 * 2**20)})
    with pytest.raises(ValueError, match=r"'source' = .*zip' .* unpacks to 10485760 bytes"):
        lsun_source(path, None, 20, tmp_path)
    assert (
        list(tmp_path.glob("*.mdb")) == [] or (tmp_path / f"{path.stem}.mdb").stat().st_size == 0
    )
