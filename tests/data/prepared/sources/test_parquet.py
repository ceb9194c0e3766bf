r"""Tests for the energy_gans.data.prepared.sources.parquet module."""

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from energy_gans.data.prepared.sources import (
    celeba_source,
    cifar_source,
    folder_source,
    limits,
    lsun_source,
    svhn_source,
    tiny_imagenet_source,
)

from .writing import facts, frugal, picture


def shard(
    path: Path, columns: dict[str, list[Any]], names: list[str] | None = None, label: str = "label"
) -> Path:
    r"""Writes a shard as the datasets library does, with the names of classes as metadata."""
    table = pa.table(columns)
    if names is not None:
        features = {label: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)
    return path


def rows(*values: int, path: str = "") -> list[dict[str, Any]]:
    return [{"bytes": picture(v), "path": path.format(v) or None} for v in values]


@pytest.mark.parametrize("below", ["", "data"])
@pytest.mark.parametrize("held_out", ["validation", "valid", "val", "test"])
@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label")])
def test_shards_of_the_hubs(
    tmp_path: Path, below: str, held_out: str, image: str, label: str
) -> None:
    data, names = tmp_path / below, ["cat", "dog", "eel"]
    more = {"coarse_label": [7]} if label == "fine_label" else {}
    shard(
        data / "train-00000-of-00002.parquet",
        {image: rows(1, 2, 3), label: [0, 2, 1]},
        names,
        label,
    )
    one = data / "train-00001-of-00002.parquet"
    shard(one, {image: rows(4), label: [1], **more}, names, label)
    shard(data / f"{held_out}-00000-of-00001.parquet", {image: rows(5), label: [2]}, names, label)
    source = folder_source(tmp_path, 20)
    assert source.classes == names
    assert source.kind == "parquet"
    train = [("train", 0, 1), ("train", 2, 2), ("train", 1, 3), ("train", 1, 4)]
    assert facts(source) in ([*train, ("val", 2, 5)], [("val", 2, 5), *train])


def test_splits_that_are_folders(tmp_path: Path) -> None:
    shard(tmp_path / "train" / "0000.parquet", {"image": rows(1), "label": [0]})
    shard(tmp_path / "test" / "0000.parquet", {"image": rows(2), "label": [1]})
    source = folder_source(tmp_path, 20)
    assert facts(source) == [("val", 1, 2), ("train", 0, 1)]
    assert source.classes == ["0", "1"]


def test_one_shard_of_binary_values_without_labels(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", {"image": [picture(v) for v in range(4)]})
    source = folder_source(path, 4)
    assert source.classes == []
    assert facts(source) == [("train", 0, v) for v in range(4)]
    assert source.hold_out == 4


def test_labels_that_are_words(tmp_path: Path) -> None:
    labels = ["dog", "cat", "dog", "ant"]
    path = shard(tmp_path / "x.parquet", {"img": rows(1, 2, 3, 4), "label": labels})
    source = folder_source(path, 4)
    assert source.classes == ["ant", "cat", "dog"]
    assert [label for _, label, _ in facts(source)] == [2, 1, 2, 0]


def test_labels_are_left_out_if_none_are_wanted(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", {"img": rows(1, 2), "label": ["dog", "cat"]})
    source = folder_source(path, 2, "none")
    assert source.classes == []
    assert [label for _, label, _ in facts(source)] == [0, 0]


def test_labels_that_are_lists_are_none(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", {"image": rows(1, 2), "labels": [[1, 2], [3]]})
    assert folder_source(path, 2).classes == []


def test_more_rows_than_are_read_at_a_time(tmp_path: Path) -> None:
    values = [v % 256 for v in range(300)]
    path = shard(tmp_path / "x.parquet", {"image": rows(*values), "label": list(range(300))})
    found = facts(folder_source(path, 300))
    assert [(label, value) for _, label, value in found] == list(enumerate(values))


def test_rows_are_named(tmp_path: Path) -> None:
    named = rows(7, path="{}.jpg") + rows(8)
    path = shard(tmp_path / "x.parquet", {"image": named})
    assert [r.name for r in folder_source(path, 2).records] == ["7.jpg", "x.parquet, image 1"]


def test_a_row_without_bytes_is_an_error_of_its_own(tmp_path: Path) -> None:
    images = [*rows(1), {"bytes": None, "path": "http://elsewhere/2.jpg"}, None]
    path = shard(tmp_path / "x.parquet", {"image": images})
    _, two, three = folder_source(path, 3).records
    assert two.name == "http://elsewhere/2.jpg"
    assert all(str(r.image) == "the row has no bytes" for r in (two, three))


def test_celeba_by_its_shards_or_its_numbers(tmp_path: Path) -> None:
    shard(tmp_path / "a" / "train-0.parquet", {"image": rows(1, 2), "celeb_id": [1, 2]})
    shard(tmp_path / "a" / "valid-0.parquet", {"image": rows(3), "celeb_id": [3]})
    source = celeba_source(tmp_path / "a", 20)
    assert facts(source) == [("train", 0, 1), ("train", 0, 2), ("val", 0, 3)]
    assert source.classes == []
    images = rows(1, path="000001.jpg") + rows(2, path="200000.jpg") + rows(3, path="170000.jpg")
    path = shard(tmp_path / "all.parquet", {"image": images})
    assert facts(celeba_source(path, 20)) == [("train", 0, 1), ("test", 0, 2), ("val", 0, 3)]


def test_the_extra_set_of_svhn_is_left_out(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "test", "extra")):
        shard(tmp_path / f"{split}-00000-of-1.parquet", {"image": rows(i), "label": [i]})
    assert facts(svhn_source(tmp_path)) == [("val", 1, 1), ("train", 0, 0)]


def test_sets_that_come_as_shards(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "test")):
        shard(tmp_path / f"{split}-0.parquet", {"img": rows(i), "fine_label": [i]})
    expected = [("val", 1, 1), ("train", 0, 0)]
    assert facts(cifar_source(tmp_path, 100)) == expected
    assert facts(tiny_imagenet_source(tmp_path, 20)) == expected
    source = lsun_source(tmp_path, "bedroom", 20, tmp_path)
    assert facts(source) == [("val", 0, 1), ("train", 0, 0)]
    assert source.classes == ["bedroom"]


@pytest.mark.parametrize("change", ["cut", "text"])
def test_a_torn_shard_is_named(tmp_path: Path, change: str) -> None:
    path = shard(tmp_path / "train-0.parquet", {"image": rows(1, 2)})
    path.write_bytes(path.read_bytes()[:-20] if change == "cut" else b"<html>404</html>")
    with pytest.raises(ValueError, match=r"train-0.parquet is no complete parquet file"):
        folder_source(tmp_path, 2)


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", {"image": rows(1, 2)})
    contents = bytearray(path.read_bytes())
    contents[4:60] = b"\xff" * 56
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=r"x.parquet is damaged"):
        facts(folder_source(tmp_path, 2))


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", {"text": ["a"], "label": [1]})
    with pytest.raises(ValueError, match=r"column 'image' or 'img', and has \['text', 'label'\]"):
        folder_source(path, 2)


def test_labels_of_some_rows_only_are_refused(tmp_path: Path) -> None:
    path = shard(tmp_path / "x.parquet", {"image": rows(1, 2), "label": [1, None]})
    with pytest.raises(ValueError, match="rows with a label and rows with none"):
        folder_source(path, 2)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shard(tmp_path / "x.parquet", {"image": rows(1, 2)})

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'energy-gans\[prepare\]'"):
        folder_source(path, 2)


# Hostile shards


def repeated(value: object, kind: pa.DataType, n: int) -> pa.Array:
    r"""Returns a column that stores one value once and repeats it in each row."""
    return pa.DictionaryArray.from_arrays([0] * n, pa.array([value], kind))


def hostile(path: Path, **columns: object) -> Path:
    # Without the stored schema, readers get plain values instead of dictionaries.
    pq.write_table(pa.table(columns), path, store_schema=False, compression="zstd")
    return path


def test_a_value_that_many_rows_name_is_not_multiplied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 20 * 2**20
    path = hostile(tmp_path / "x.parquet", image=repeated(bytes(size), pa.binary(), 64))
    assert path.stat().st_size < 10**5
    with frugal(memory=2**29, seconds=30):
        assert [len(r.image) for r in folder_source(path, 20).records] == [size] * 64
        monkeypatch.setattr(limits, "LARGEST", 2**20)
        errors = [r.image for r in folder_source(path, 20).records]
    assert all("bytes, more than the 1048576" in str(error) for error in errors)


def test_names_of_classes_are_read_once_and_are_short(tmp_path: Path) -> None:
    images = repeated(picture(1), pa.binary(), 500)
    path = hostile(
        tmp_path / "x.parquet", image=images, label=repeated("a" * 10**7, pa.string(), 500)
    )
    with (
        frugal(memory=2**29),
        pytest.raises(ValueError, match=r"at most 255 charac.*got one of 10000000"),
    ):
        folder_source(path, 20)


def test_rows_that_a_shard_only_announces_take_no_memory(tmp_path: Path) -> None:
    path = hostile(tmp_path / "x.parquet", image=pa.nulls(10**6, pa.binary()))
    with (
        frugal(),
        pytest.raises(ValueError, match=r"x.parquet should .* has 1000000 rows in \d+ bytes"),
    ):
        folder_source(path, 20)


def test_a_pipe_among_the_shards_is_named(tmp_path: Path) -> None:
    shard(tmp_path / "a.parquet", {"image": rows(1, 2), "label": [0, 1]})
    os.mkfifo(tmp_path / "b.parquet")
    with frugal(), pytest.raises(ValueError, match=r"b.parquet is no .*: it is a named pipe"):
        folder_source(tmp_path, 2)
