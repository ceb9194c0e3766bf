r"""Tests for the energy_gans.commands.prepare module."""

import importlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from scipy.io import savemat

from energy_gans.cli import main
from energy_gans.data.prepared.manifest import read_manifest
from energy_gans.data.prepared.reader import open_prepared
from energy_gans.data.prepared.sources import limits
from energy_gans.data.prepared.writer import PreparedWriter

from ..data.prepared.sources.test_cifar import FILES, batches, python2
from ..data.prepared.sources.writing import frugal, pack, picture
from ..data.prepared.test_preprocessing import announced


def celeba(at: Path) -> Path:
    sizes = {"kind": "JPEG", "size": (178, 218)}
    numbers = {1: 10, 162_770: 20, 162_771: 30, 182_638: 40}
    files = {f"img_align_celeba/{n:06}.jpg": picture(v, **sizes) for n, v in numbers.items()}
    return pack(at / "img_align_celeba.zip", files)


def lsun(at: Path) -> Path:
    for split, values in (("train", [10, 20]), ("val", [30])):
        path = at / f"bedroom_{split}_lmdb"
        with lmdb.open(str(path), map_size=2**24) as env, env.begin(write=True) as transaction:
            for v in values:
                transaction.put(f"{v}".encode(), picture(v, "WEBP", (80, 70)))
    return at


def tinyimagenet(at: Path) -> Path:
    files = {f"t/train/n0{v}/images/{v}.JPEG": picture(10 * v, "JPEG", (64, 64)) for v in (1, 2)}
    files["t/val/images/val_0.JPEG"] = picture(30, "JPEG", (64, 64))
    files["t/val/val_annotations.txt"] = b"val_0.JPEG\tn02\t0\t0\t9\t9\n"
    return pack(at / "tiny-imagenet-200.zip", files)


def folder(at: Path) -> Path:
    return pack(at / "mine.tar.gz", {f"{v}.png": picture(10 * v) for v in range(1, 4)})


def cifar(classes: int) -> Callable[[Path], Path]:
    def write(at: Path) -> Path:
        files = {name: python2(*b, classes) for name, b in batches(classes).items()}
        return pack(at / FILES[classes][0], files)

    return write


def svhn(at: Path) -> Path:
    for name in ("train", "test"):
        x = np.full((32, 32, 3, 2), 10, np.uint8)
        savemat(at / f"{name}_32x32.mat", {"X": x, "y": np.array([[10], [4]])})
    return at


def shards(at: Path) -> Path:
    for split, values in (("train", [10, 20]), ("test", [30])):
        images = [{"bytes": picture(v), "path": None} for v in values]
        pq.write_table(pa.table({"img": images, "label": values}), at / f"{split}-0.parquet")
    return at


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


SETS = {
    "celeba": (celeba, [], 64, {"train": 2, "val": 1, "test": 1}, {"crop": "rows"}),
    "lsun": (
        lsun,
        ["--size=32"],
        32,
        {"train": 2, "val": 1},
        {"category": "bedroom", "crop": "square"},
    ),
    "tinyimagenet": (tinyimagenet, [], 64, {"train": 2, "val": 1}, {}),
    "folder": (folder, ["--hold_out=3"], 64, {"train": 2, "val": 1}, {}),
    "cifar10": (cifar(10), ["--size=64"], 64, {"train": 25, "val": 8}, {}),
    "cifar100": (cifar(100), [], 32, {"train": 3, "val": 4}, {}),
    "svhn": (svhn, [], 32, {"train": 2, "val": 2}, {}),
}


@pytest.mark.parametrize("name", SETS)
def test_each_set_is_prepared_and_the_config_that_reads_it_is_printed(
    source: Path, capsys: pytest.CaptureFixture, name: str
) -> None:
    write, options, size, counts, arguments = SETS[name]
    out = source.parent / "set"
    main(["data", "prepare", name, "--source", str(write(source)), "--out", str(out), *options])
    printed = capsys.readouterr().out
    manifest = read_manifest(out)
    assert manifest["name"] == name
    assert {split: about["count"] for split, about in manifest["splits"].items()} == counts
    assert all(about["shape"][1:] == [3, size, size] for about in manifest["splits"].values())
    data = yaml.safe_load(printed[printed.index("data:") :])["data"]
    module, class_name = data["class_path"].rsplit(".", 1)
    assert data["init_args"] == {"root": str(out), "size": size, **arguments}
    reader = getattr(importlib.import_module(module), class_name)(**data["init_args"])
    assert reader.shape == (3, size, size)
    main(["data", "verify", "--root", str(out)])
    assert "every byte matches the manifest" in capsys.readouterr().out


@pytest.mark.parametrize("name", SETS)
def test_each_set_has_the_options_of_the_pipeline(
    capsys: pytest.CaptureFixture, name: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["data", "prepare", name, "--help"])
    assert end.value.code == 0
    flags = {word.strip("[]") for word in capsys.readouterr().out.split()}
    shared = {"--source", "--out", "--size", "--workers", "--on_error", "--overwrite"}
    assert shared <= flags
    assert not {"--name", "--preprocessing", "--kwargs"} & flags


def test_options_decide_the_pixels(source: Path, tmp_path: Path) -> None:
    stripes = np.zeros((218, 178, 3), np.uint8)
    stripes[:20], stripes[198:], stripes[55:163, 35:143] = 255, 255, 100
    images = {}
    pack(source, {"000001.png": b"", "162771.png": b""})
    for n in ("000001", "162771"):
        Image.fromarray(stripes).save(source / f"{n}.png")
    for crop in ("rows", "center140", "face", "none"):
        out = tmp_path / crop
        command = ["data", "prepare", "celeba", "--source", str(source), "--out", str(out)]
        main([*command, "--crop", crop, "--size", "16"])
        images[crop] = open_prepared(out, "train").images[torch.tensor([0])][0]
        assert read_manifest(out)["preprocessing"]["crop"] == crop
    assert (images["face"] == 100).all()
    assert images["rows"].max() < 110
    assert images["none"][:, 0].float().mean() > 200
    assert images["center140"][:, 0, 0].tolist() == [0, 0, 0]


def test_shards_are_a_source_of_cifar(source: Path, tmp_path: Path) -> None:
    main(
        [
            "data",
            "prepare",
            "cifar10",
            "--source",
            str(shards(source)),
            "--out",
            str(tmp_path / "s"),
        ]
    )
    assert open_prepared(tmp_path / "s", "train").labels.tolist() == [10, 20]


def test_skipped_images_are_printed(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    files = {f"{v}.png": picture(v) if v != 2 else b"<html>" for v in range(6)}
    command = ["data", "prepare", "folder", "--source", str(pack(source, files))]
    command += ["--out", str(tmp_path / "set"), "--hold_out", "3"]
    with pytest.raises(SystemExit, match=r"error: 2.png can not be used: it is no picture"):
        main(command)
    assert not (tmp_path / "set").exists()
    main([*command, "--on_error", "skip"])
    assert "1 images were skipped" in (printed := capsys.readouterr().out)
    assert "  2.png: it is no picture" in printed


@pytest.mark.skipif(os.name == "nt", reason="There all names are Unicode.")
def test_a_skipped_file_may_have_any_name(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    pack(source, {f"{v}.png": picture(v) for v in range(6)})
    try:
        Path(os.fsdecode(os.fsencode(source) + b"/\xff.png")).write_bytes(b"<html>")
    except OSError:
        pytest.skip("This file system refuses such names.")
    out = tmp_path / "set"
    command = ["data", "prepare", "folder", "--source", str(source), "--out", str(out)]
    main([*command, "--hold_out", "3", "--on_error", "skip"])
    assert "  \\udcff.png: it is no picture\n" in capsys.readouterr().out
    (skipped,) = read_manifest(out)["splits"]["train"]["skipped"]
    assert os.fsencode(skipped["name"]) == b"\xff.png"
    main(["data", "verify", "--root", str(out)])


def test_what_was_left_out_is_printed(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    pack(source, {f"{c}/{v}.png": picture(v) for v in range(6) for c in "ab"})
    for name, to in (("c", "a"), ("d", tmp_path / "nowhere")):
        (source / name).symlink_to(to)
    out = tmp_path / "set"
    command = ["data", "prepare", "folder", "--source", str(source), "--out", str(out)]
    main([*command, "--hold_out", "3"])
    printed = capsys.readouterr().out
    assert "8 train, 4 val images of 64 pixels, 2 classes (a, b)\n" in printed
    assert "2 names of the source were left out, which the manifest names:\n  c: the f" in printed
    assert "6 images are copies of others in their split.\n" in printed
    left_out = read_manifest(out)["source"]["left_out"]
    assert [one["name"] for one in left_out] == ["c", "d"]


def test_held_out_copies_of_training_images_are_printed(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    pack(source, {f"train/a/{i}.png": picture(i) for i in range(9)})
    pack(source, {f"val/a/{i}.png": picture(i + 8) for i in range(3)})
    main(["data", "prepare", "folder", "--source", str(source), "--out", str(tmp_path / "set")])
    printed = capsys.readouterr().out
    assert "1 held-out images are copies of training images, which the manifest names:" in printed
    assert "  val/a/0.png\n" in printed


@pytest.mark.parametrize(
    ("labels", "classes"),
    [("first", ["a", "b"]), ("last", None), ("none", [])],
)
def test_labels_of_nested_folders_are_chosen(
    source: Path, tmp_path: Path, labels: str, classes: list[str] | None
) -> None:
    pack(source, {f"{c}/games/{v}.png": picture(v) for v in range(6) for c in "ab"})
    out = tmp_path / "set"
    command = ["data", "prepare", "folder", "--source", str(source), "--out", str(out)]
    command += ["--hold_out", "3", "--labels", labels]
    if classes is None:
        with pytest.raises(SystemExit, match=r"error: 'labels' = 'last' would make one class 'g"):
            main(command)
        assert not out.exists()
        return
    main(command)
    manifest = read_manifest(out)
    assert manifest["classes"] == classes
    assert manifest["preprocessing"]["labels"] == labels


def test_verify_says_if_a_manifest_carries_no_sum(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "set"
    main(["data", "prepare", "svhn", "--source", str(svhn(source)), "--out", str(out)])
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["classes"] = []
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit, match=r"manifest.json was edited or is damaged"):
        main(["data", "verify", "--root", str(out)])
    del manifest["manifest_sha256"]
    (out / "manifest.json").write_text(json.dumps(manifest))
    capsys.readouterr()
    main(["data", "verify", "--root", str(out)])
    told = capsys.readouterr().out
    assert "every byte matches the manifest.\nThe manifest has no checksum of its own" in told


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("celeba", "'source' = .*nowhere' does not exist"),
        ("lsun", "'source' = .*nowhere' does not exist"),
        ("cifar10", "'source' = .*nowhere' should hold cifar-10-batches-py.* does not exist"),
        ("svhn", "'source' = .*nowhere' should hold train_32x32.mat"),
    ],
)
def test_a_source_that_is_missing_is_one_sentence(tmp_path: Path, name: str, message: str) -> None:
    given = ["--source", str(tmp_path / "nowhere"), "--out", str(tmp_path / "set")]
    with pytest.raises(SystemExit, match=rf"^energy-gans: error: {message}"):
        main(["data", "prepare", name, *given])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_nothing_and_ends_with_the_status_of_the_signal(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    number: signal.Signals,
) -> None:
    append = PreparedWriter.append

    def interrupted(self: PreparedWriter, *args: object) -> None:
        append(self, *args)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(PreparedWriter, "append", interrupted)
    # The worker processes of pytest-xdist ignore interruptions.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    given = ["--source", str(svhn(source)), "--out", str(tmp_path / "set")]
    with pytest.raises(SystemExit) as stop:
        main(["data", "prepare", "svhn", *given])
    signal.signal(signal.SIGINT, usual)
    assert stop.value.code == 128 + number
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("energy-gans: interrupted. ")
    assert sentence.endswith("Nothing was left behind.")
    assert not [name for name in os.listdir(tmp_path) if name.startswith("set")]


def test_a_damaged_set_is_one_sentence(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    main(["data", "prepare", "svhn", "--source", str(svhn(source)), "--out", str(out)])
    contents = (out / "val.images.npy").read_bytes()
    (out / "val.images.npy").write_bytes(contents[:-1] + b"\0")
    with pytest.raises(SystemExit, match=r"val.images.npy is damaged: its sha256"):
        main(["data", "verify", "--root", str(out)])


def hostile(at: Path, kind: str) -> Path:
    r"""Writes a source with one file that would take unbounded time or memory."""
    files = {f"{v}.png": picture(v) for v in range(6)}
    if kind == "picture":
        return pack(at / "x.zip", {**files, "2.png": announced(60_000, 60_000)})
    if kind == "member":
        return pack(at / "x.zip", {**files, "2.png": bytes(100 * 2**20)})
    pack(at, files)
    (at / "2.png").unlink()
    if kind == "pipe":
        os.mkfifo(at / "2.png")
    elif kind == "device":
        (at / "2.png").symlink_to("/dev/zero")
    else:
        (at / "2.png").symlink_to("2.png")
    return at


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "it is a named pipe, and should be a regular file"),
        ("device", "it is a device, and should be a regular file"),
        ("loop", "it can not be read: .*symbolic links"),
        ("picture", "Image size .* exceeds limit of 178956970 pixels"),
        ("member", "it has 104857600 bytes, more than the 1048576"),
    ],
)
def test_a_hostile_file_is_one_sentence_or_is_skipped(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    reason: str,
) -> None:
    monkeypatch.setattr(limits, "LARGEST", 2**20)
    out = tmp_path / "set"
    command = ["data", "prepare", "folder", "--source", str(hostile(source, kind))]
    command += ["--out", str(out), "--hold_out", "3"]
    with (
        frugal(),
        pytest.raises(SystemExit, match=rf"error: 2.png can not be used: {reason}") as end,
    ):
        main(command)
    assert isinstance(end.value.code, str) and "\n" not in end.value.code
    assert not out.exists()
    with frugal():
        main([*command, "--on_error", "skip"])
    assert "1 images were skipped" in capsys.readouterr().out
    splits = read_manifest(out)["splits"]
    assert [one["name"] for about in splits.values() for one in about["skipped"]] == ["2.png"]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_source_that_is_no_regular_file_is_one_sentence(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / "source.zip"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    command = ["data", "prepare", name, "--source", str(path), "--out", str(tmp_path / "set")]
    with frugal(), pytest.raises(SystemExit, match=r"'source' = .*should be a regular file"):
        main(command)
    assert os.listdir(tmp_path) == ["source.zip"]
