r"""Tests for the energy_gans.data.prepared.pipeline module."""

import io
import os
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from energy_gans.data.prepared import pipeline
from energy_gans.data.prepared.manifest import read_manifest
from energy_gans.data.prepared.pipeline import Pipeline
from energy_gans.data.prepared.preprocessing import Preprocessing
from energy_gans.data.prepared.reader import open_prepared, verify
from energy_gans.data.prepared.sources import Record, Source, folder_source

from .sources.writing import pack, picture
from .test_preprocessing import announced

N = 203


def job(out: Path, source: Path | str = "", workers: int = 1, **options: object) -> Pipeline:
    return Pipeline("mine", str(source), str(out), Preprocessing(8), workers, **options)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    r"""Writes a zip archive of noisy pictures of several sizes, in two classes."""
    random = np.random.default_rng(0)
    files = {}
    for i in range(N):
        file = io.BytesIO()
        shape = (*random.integers(5, 40, 2), 3)
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(file, "PNG")
        split = "val" if i % 5 == 0 else "train"
        files[f"{split}/{'ab'[i % 2]}/{i:04}.png"] = file.getvalue()
    return pack(tmp_path / "photographs.zip", files)


def prepare(out: Path, source: Path, **options: object) -> dict:
    return job(out, source, **options).run(lambda path, _: folder_source(path, 20))


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_workers_change_nothing(tmp_path: Path, photographs: Path, workers: int) -> None:
    prepare(tmp_path / "1", photographs)
    prepare(tmp_path / "n", photographs, workers=workers)
    for file in sorted(os.listdir(tmp_path / "1")):
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "n" / file).read_bytes()


def test_images_are_those_that_pillow_makes_one_by_one(tmp_path: Path, photographs: Path) -> None:
    manifest = prepare(tmp_path / "set", photographs, workers=2)
    assert verify(tmp_path / "set") == manifest
    source = folder_source(photographs, 20)
    for split in ("train", "val"):
        prepared = open_prepared(tmp_path / "set", split)
        own = [
            record for record in folder_source(photographs, 20).records if record.split == split
        ]
        assert prepared.labels.tolist() == [record.label for record in own]
        for i, record in enumerate(own):
            image = Image.open(io.BytesIO(record.image))
            w, h = image.size
            side = min(w, h)
            corner = ((w - side) // 2, (h - side) // 2)
            square = image.crop((*corner, corner[0] + side, corner[1] + side))
            expected = np.asarray(square.resize((8, 8), Image.Resampling.BILINEAR))
            found = prepared.images[torch.tensor([i])][0].permute(1, 2, 0)
            assert np.array_equal(found, expected)
    assert source.classes == manifest["classes"] == ["a", "b"]


def test_the_manifest_says_where_the_pixels_come_from(tmp_path: Path, photographs: Path) -> None:
    prepare(tmp_path / "set", photographs)
    manifest = read_manifest(tmp_path / "set")
    assert manifest["name"] == "mine"
    assert manifest["source"] == {
        "path": str(photographs),
        "kind": "zip",
        "split": "the source's own",
        "left_out": [],
        "copies": 0,
        "held_out_copies": [],
    }
    assert manifest["preprocessing"] == {**Preprocessing(8).manifest(), "labels": "first"}
    assert manifest["versions"].keys() == {"energy_gans", "pillow", "numpy", "python"}
    assert [s["count"] for s in manifest["splits"].values()] == [162, 41]


def array_source(n: int, broken: tuple[int, ...] = ()) -> Source:
    r"""Returns a source of single-coloured images, some broken; the last one is for validation."""
    records = [
        Record(
            f"image {i}",
            "val" if i == n - 1 else "train",
            0,
            ValueError("it is broken") if i in broken else np.full((8, 8, 3), i % 256, np.uint8),
        )
        for i in range(n)
    ]
    return Source("arrays", [r.split for r in records], "by hand", [], records)


# Held-out images


def classes_and_copies(path: Path, order: int, top: str = "") -> Path:
    r"""Writes ten classes of ten pictures and one of forty, with copies, sorted or shuffled."""
    random = np.random.default_rng(0)
    files = {}
    for c, n in enumerate([10] * 10 + [40]):
        for i in range(n):
            value = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            contents = io.BytesIO()
            Image.fromarray(value).save(contents, "PNG")
            files[f"{top}class {c:02}/{i:02}.png"] = contents.getvalue()
    for i in range(10):
        files[f"{top}class 10/copy {i}.png"] = files[f"{top}class 10/{i:02}.png"]
        files[f"{top}class 00/copy {i}.png"] = files[f"{top}class 10/{30 + i}.png"]
    names = random.permutation(sorted(files)) if order else sorted(files)
    return pack(path, {name: files[name] for name in names})


def rows(root: Path, split: str) -> list[tuple[bytes, int]]:
    prepared = open_prepared(root, split)
    images = prepared.images[torch.arange(len(prepared.labels))].numpy()
    return sorted(zip(map(bytes, images), prepared.labels.tolist(), strict=True))


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_images_are_held_out_of_a_folder_and_its_archives(
    tmp_path: Path, workers: int
) -> None:
    kinds = {"folder": (0, ""), "x.zip": (1, ""), "x.tar": (1, "top/"), "y.tar.gz": (0, "top/")}
    found = []
    for kind, (order, top) in kinds.items():
        out = tmp_path / f"set of {kind}"
        manifest = prepare(out, classes_and_copies(tmp_path / kind, order, top), workers=workers)
        assert verify(out) == manifest
        found.append({split: rows(out, split) for split in ("train", "val")})
        assert manifest["source"]["copies"] == 20
    assert all(one == found[0] for one in found)
    train, val = found[0]["train"], found[0]["val"]
    assert not {image for image, _ in train} & {image for image, _ in val}
    assert len(val) == 160 // 20
    # Classes of twenty images or more give at least one.
    assert {0, 10} <= {label for _, label in val}


def test_copies_of_training_images_that_a_source_holds_out_are_named_and_nothing_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    files = {f"train/a/{i}.png": picture(i) for i in range(9)}
    files |= {f"val/a/{i}.png": picture(i + 8) for i in range(3)}
    manifest = prepare(tmp_path / "set", pack(tmp_path / "x.zip", files))
    assert manifest["source"]["held_out_copies"] == ["val/a/0.png"]
    assert [s["count"] for s in manifest["splits"].values()] == [9, 3]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({f"{i}.png": picture(1) for i in range(20)}, "No image of 'source' .* the same contents"),
        (
            {f"{i}.png": picture(i) if i else b"" for i in range(20)},
            "'hold_out' should be at most the number of images, 19, got 20",
        ),
    ],
)
def test_where_nothing_can_be_held_out_there_is_no_set(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    source = pack(tmp_path / "x.zip", files)
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / "set", source, on_error="skip")
    assert os.listdir(tmp_path) == ["x.zip"]


def test_an_image_that_is_skipped_is_not_held_out(tmp_path: Path) -> None:
    files = {f"{c}/{i}.png": picture(100 * c + i) for c in range(2) for i in range(30)}
    files |= {f"0/broken {i}.png": bytes([i]) for i in range(20)}
    prepare(tmp_path / "set", pack(tmp_path / "x.zip", files), on_error="skip")
    labels = open_prepared(tmp_path / "set", "val").labels
    assert sorted(labels.tolist()) in ([0, 0, 1], [0, 1, 1])


# Images that can not be used


def test_pictures_that_are_too_large_are_told_of_once(tmp_path: Path) -> None:
    files = {f"train/{i}.png": picture(i) for i in range(3)} | {"val/0.png": picture(9)}
    files |= {f"train/large {i}.png": announced(9460, 9460 + i) for i in range(5)}
    source = pack(tmp_path / "x.zip", files)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        manifest = prepare(tmp_path / "set", source, on_error="skip", workers=2)
    assert [str(one.message) for one in told] == []
    skipped = manifest["splits"]["train"]["skipped"]
    reasons = [f"it has 9460x{9460 + i} pixels, more than 89478485" for i in range(5)]
    assert [one["reason"] for one in skipped] == reasons


def test_the_first_broken_image_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"image 70 can not be used: it is broken. Add --on_error"
    ):
        job(tmp_path / "set", workers=2).run(lambda *_: array_source(200, (70, 71, 150)))
    assert os.listdir(tmp_path) == []


def test_broken_images_are_skipped_and_named(tmp_path: Path) -> None:
    broken = (0, 70, 199)
    run = job(tmp_path / "set", workers=2, on_error="skip")
    manifest = run.run(lambda *_: array_source(201, broken))
    train = manifest["splits"]["train"]
    assert train["skipped"] == [{"name": f"image {i}", "reason": "it is broken"} for i in broken]
    assert train["count"] == 197
    images = open_prepared(tmp_path / "set", "train").images
    kept = [i for i in range(200) if i not in broken]
    assert images[torch.arange(197)][:, 0, 0, 0].tolist() == kept


def test_a_split_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    run = job(tmp_path / "set", on_error="skip")
    with pytest.raises(ValueError, match=r"None of the val images .* image 9: it is broken"):
        run.run(lambda *_: array_source(10, (9,)))
    assert os.listdir(tmp_path) == []


def test_a_source_is_read_a_few_chunks_ahead(tmp_path: Path) -> None:
    read = []

    def records() -> Iterator[Record]:
        for record in array_source(5000).records:
            read.append(record)
            yield record

    chunks = job(tmp_path / "set", workers=2).chunks(records())
    for i, chunk in enumerate(chunks):
        assert len(chunk.records) <= pipeline.CHUNK
        assert len(read) <= (i + 2 + 2 * pipeline.AHEAD) * pipeline.CHUNK
    assert len(read) == 5000


def test_few_bytes_of_images_are_held_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "CHUNK_BYTES", 3000)
    monkeypatch.setattr(pipeline, "WORK_BYTES", 20_000)
    read = done = 0

    def records() -> Iterator[Record]:
        nonlocal read
        for i in range(300):
            read += 1
            yield Record(str(i), "train", 0, bytes(1000))

    for chunk in job(tmp_path / "set", workers=8).chunks(records()):
        done += len(chunk.failures)
        # A chunk ends above 3,000 bytes. All chunks in work have 20,000 bytes and one chunk more.
        assert len(chunk.failures) <= 4
        assert read - done <= 24
    assert (read, done) == (300, 300)


def test_chunks_come_in_order_however_long_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, threads = pipeline._preprocess_chunk, set()

    def slowly(preprocessing: Preprocessing, records: list[Record]) -> pipeline._Chunk:
        threads.add(threading.get_ident())
        time.sleep(0.02 if records[0].name == "image 0" else 0)
        return whole(preprocessing, records)

    monkeypatch.setattr(pipeline, "_preprocess_chunk", slowly)
    chunks = job(tmp_path / "set", workers=4).chunks(iter(array_source(3200).records))
    names = [record.name for chunk in chunks for record in chunk.records]
    assert names == [f"image {i}" for i in range(3200)]
    assert len(threads) > 1


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (OSError(28, "No space left on device"), OSError, "No space left.*Nothing was left"),
        (KeyboardInterrupt(), InterruptedError, "interrupted. Nothing was left behind"),
    ],
)
def test_a_run_that_ends_midway_leaves_nothing(
    tmp_path: Path, error: BaseException, raised: type[Exception], message: str
) -> None:
    def records() -> Iterator[Record]:
        yield from array_source(500).records
        raise error

    source = Source("arrays", ["train"] * 501, "by hand", [], records())
    with pytest.raises(raised, match=message):
        job(tmp_path / "set", workers=2).run(lambda *_: source)
    assert os.listdir(tmp_path) == []


def test_the_scratch_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    def source(_: Path, scratch: Path) -> Source:
        (scratch / "data.mdb").write_bytes(b"large")
        return array_source(10)

    job(tmp_path / "set").run(source)
    arrays = ("images", "labels", "sums")
    expected = {f"{s}.{w}.npy" for s in ("train", "val") for w in arrays}
    assert set(os.listdir(tmp_path / "set")) == expected | {"manifest.json"}


def test_an_output_that_is_there_is_found_before_the_source_is_read(tmp_path: Path) -> None:
    job(tmp_path / "set").run(lambda *_: array_source(10))
    with pytest.raises(FileExistsError, match="--overwrite true"):
        job(tmp_path / "set").run(lambda *_: pytest.fail("the source was read"))
    job(tmp_path / "set", overwrite=True).run(lambda *_: array_source(5))
    assert len(open_prepared(tmp_path / "set", "train").images) == 4


def test_bad_workers_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'workers' should be at least 1, got 0"):
        job(tmp_path / "set", workers=0).run(lambda *_: array_source(10))
