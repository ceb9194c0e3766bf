r"""Tests for the energy_gans.commands.evaluate package and energy_gans.commands.inputs."""

import hashlib
import io
import json
import os
import socket
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image

from energy_gans.cli import main
from energy_gans.commands.inputs import ModelSamples, _ArraySamples, _FolderSamples, open_samples
from energy_gans.data import EmbeddedDigits
from energy_gans.functional import keyed_generator
from energy_gans.metrics.features import FeatureExtractor
from energy_gans.metrics.reference import reference_order
from energy_gans.storage.stamps import first_difference

from ...data.prepared.sources.writing import frugal
from ...processes import start

DATA = ["--data", "EmbeddedDigits", "--data.digits", "8x8", "--data.size", "8"]
PIXELS = ["--extractor", "Pixels", "--extractor.shape", "[1, 8, 8]"]


class Scored(FeatureExtractor):
    r"""An extractor of pixels with classes."""

    name, channels, resize = "scored", 1, "none"
    num_features, num_classes = 64, 3

    def extract(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = images.flatten(1).float() / 255
        return x, x[:, 10:13]


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def checkpoint(tiny: Callable, tmp_path: Path) -> Path:
    main(tiny("--trainer.max_steps=6"))
    return tmp_path / "tiny/version_0/checkpoints/last.ckpt"


def digits(split: str) -> np.ndarray:
    return EmbeddedDigits("8x8", 8).contents(split)[0].numpy()


def evaluated(path: Path, *more: str) -> dict:
    r"""Returns the numbers that `evaluate` writes for an array or a folder of digits."""
    out = path.with_name("out.json")
    main(["evaluate", "--samples", str(path), *DATA, *PIXELS, "--out", str(out), *more])
    return json.loads(out.read_text())["measures"]


def array(tmp_path: Path, x: np.ndarray) -> Path:
    np.savez(tmp_path / "x.npz", samples=x)
    return tmp_path / "x.npz"


def refused(*args: str) -> str:
    r"""Returns the sentence with which a command is refused."""
    with pytest.raises(SystemExit) as error:
        main(["evaluate", *args])
    assert str(error.value).startswith("energy-gans: error: ")
    return str(error.value)


# Numbers


def test_a_checkpoint_is_measured_with_all_measures(
    checkpoint: Path, capsys: pytest.CaptureFixture
) -> None:
    measures = "fd,kid,pr,dc,support,neighbours"
    args = ["evaluate", "--ckpt_path", str(checkpoint), *PIXELS, "--measures", measures]
    main([*args, "--n", "250"])
    run = checkpoint.parent.parent
    written = json.loads((run / "metrics.json").read_text())
    assert list(written["measures"]) == [
        *("fd", "kid", "precision", "recall", "density", "coverage", "support", "copies")
    ]
    assert written["origin"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert {"torch", "pillow", "energy-gans"} <= written["origin"]["versions"].keys()
    protocol = written["measures"]["fd"]["protocol"]
    assert protocol["n"] == 250
    assert protocol["reference"]["n"] == len(digits("train"))
    assert protocol["extractor"]["name"] == "pixels"
    shown = capsys.readouterr().out
    for name in ("metrics.support.png", "metrics.neighbours.png"):
        assert Image.open(run / name).width > 300
        assert str(run / name) in shown
    assert "| fd |" in shown


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    mean = a.mean(0) - b.mean(0)
    return mean @ mean + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)


def in_order(split: str) -> np.ndarray:
    r"""Returns the pixels of a split in the order of references."""
    x = digits(split).reshape(-1, 64) / 255
    return x[reference_order(len(x), len(x)).numpy()]


@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_the_distance_is_that_of_the_definition(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (150, 1, 8, 8), dtype=np.uint8)
    found = evaluated(array(tmp_path, x), "--measures", "fd")["fd"]
    y, held_out = in_order("train"), in_order("val")[:150]
    assert found["value"] == pytest.approx(frechet(x.reshape(150, -1) / 255, y), rel=1e-4)
    assert found["real"]["value"] == pytest.approx(frechet(held_out, y), rel=1e-3)
    assert found["real"]["protocol"]["n"] == found["protocol"]["n"] == 150
    assert found["real"]["protocol"]["samples"]["n"] == 150
    assert "matched" not in found["real"]


@pytest.mark.filterwarnings("ignore:Matrix is singular")
@pytest.mark.parametrize("n, real_n, left", [(400, 400, 1397), (1000, 898, 899)])
def test_the_floor_of_few_held_out_images_holds_a_part_of_the_reference_back(
    tmp_path: Path, n: int, real_n: int, left: int
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)
    found = evaluated(array(tmp_path, x), "--measures", "fd")["fd"]
    y, held_out = in_order("train"), in_order("val")
    assert len(held_out) == 180
    real = np.concatenate([held_out, y[left : left + real_n - 180]])
    x = x.reshape(n, -1) / 255
    assert found["value"] == pytest.approx(frechet(x, y), rel=1e-4)
    assert found["real"]["value"] == pytest.approx(frechet(real, y[:left]), rel=1e-3)
    # The first samples are drawn at random.
    places = torch.randperm(n, generator=keyed_generator(0, "samples")).numpy()
    matched = frechet(x[places < real_n], y[:left])
    assert found["real"]["matched"]["value"] == pytest.approx(matched, rel=1e-4)
    protocol = found["real"]["protocol"]
    assert (protocol["n"], protocol["reference"]["n"]) == (real_n, left)
    assert protocol["samples"]["n"] == 180
    assert protocol["samples"]["more"]["n"] == real_n - 180
    assert protocol["samples"]["more"]["split"] == protocol["reference"]["split"] == "train"


def test_real_images_are_better_than_noisy_ones_however_few_are_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with mock.patch("energy_gans.data.sets.digits.HELD_OUT", 90):
        x = digits("train")[::3].astype(int)
        noise = np.random.default_rng(0).integers(-40, 41, x.shape)
        noisy = np.clip(x + noise, 0, 255).astype(np.uint8)
        measures = ["--measures", "fd,pr,dc,kid,neighbours"]
        found = evaluated(array(tmp_path, noisy), *measures)
    better = {"fd": -1, "kid": -1, "precision": 1, "density": 1}
    for name, number in found.items():
        real = number["real"]
        assert real["protocol"]["n"] == number["protocol"]["n"] == 593
        ours, theirs = real.get("matched", number)["value"], real["value"]
        assert (theirs - ours) * better.get(name, 0) >= 0
        assert name not in better or theirs != ours
    # Each row of the table has numbers of one protocol.
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "|" in line[:2]]
    assert [row[1:] for row in rows[2:4]] == [
        [f"{found['fd']['value']:.4g}", "", "593", "1777 |"],
        [
            f"{found['fd']['real']['matched']['value']:.4g}",
            f"{found['fd']['real']['value']:.4g}",
            "593",
            "1204 |",
        ],
    ]


def test_a_reference_is_computed_once(tmp_path: Path) -> None:
    path = array(tmp_path, digits("val"))
    first = evaluated(path, "--measures", "fd,pr")
    with mock.patch.object(EmbeddedDigits, "loader", side_effect=AssertionError("a pass")):
        assert evaluated(path, "--measures", "fd,pr") == first
    (cached,) = {p.parent for p in tmp_path.glob("cache/energy-gans/*.npz")}
    for file in cached.iterdir():
        file.write_bytes(file.read_bytes()[:-1000])
    assert evaluated(path, "--measures", "fd,pr") == first


def test_what_repeats_its_training_set_is_caught(tmp_path: Path) -> None:
    x = digits("train")[torch.randint(0, 20, (400,), generator=torch.Generator().manual_seed(0))]
    found = evaluated(array(tmp_path, x), "--measures", "support,neighbours")
    assert found["copies"]["value"] == 1
    assert found["copies"]["real"]["value"] <= 0.02
    assert found["support"]["low"] < 20 < found["support"]["high"]
    assert found["support"]["real"]["low"] > 1000


def process(rank: int, port: int, args: list[str]) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    main(args)


def test_two_processes_measure_what_one_measures(checkpoint: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    args = ["evaluate", "--ckpt_path", str(checkpoint), *PIXELS, "--n", "230"]
    args += ["--measures", "fd,kid,pr,dc,support,neighbours"]
    main([*args, "--out", str(tmp_path / "one.json")])
    many = [*args, "--out", str(tmp_path / "two.json"), "--cache", str(tmp_path / "other")]
    started = [start(process, rank, port, many) for rank in (0, 1)]
    for p in started:
        p.join(120)
    assert [p.exitcode for p in started] == [0, 0]
    one, two = (json.loads((tmp_path / f"{k}.json").read_text()) for k in ("one", "two"))
    for name, number in one["measures"].items():
        other = two["measures"][name]
        assert other["protocol"] == number["protocol"]
        pairs = [(number, other), (number["real"], other["real"])]
        if "matched" in number["real"]:
            pairs.append((number["real"]["matched"], other["real"]["matched"]))
        for a, b in pairs:
            shown = [name for name in a if name not in ("protocol", "real", "matched")]
            # Infinities are null.
            assert [b[k] or -1 for k in shown] == pytest.approx(
                [a[k] or -1 for k in shown], rel=1e-5
            ), name
    assert any("matched" in number["real"] for number in one["measures"].values())


# Samples of other programs


def written_in(form: str, x: np.ndarray, tmp_path: Path) -> Path:
    if form == "folder":
        folder = tmp_path / "pictures"
        (folder / "more").mkdir(parents=True)
        for i, image in enumerate(x):
            Image.fromarray(image[0]).save(folder / f"{'more/' if i > 90 else ''}{i:04d}.png")
        return folder
    if form == "floats":
        return array(tmp_path, x.astype(np.float32) / 127.5 - 1)
    if form == "channels last":
        return array(tmp_path, x.transpose(0, 2, 3, 1))
    np.savez_compressed(tmp_path / "x.npz", arr_0=x)
    return tmp_path / "x.npz"


@pytest.mark.parametrize("form", ["folder", "floats", "channels last", "compressed"])
def test_every_form_of_samples_holds_the_same(form: str, tmp_path: Path) -> None:
    x = digits("val")[:130]
    samples = open_samples(str(written_in(form, x, tmp_path)), None, 1)
    shares = [*samples.share(0, 2), *samples.share(1, 2)]
    places = torch.cat([index for _, index in shares])
    assert torch.equal(places.sort().values, torch.arange(130))
    found = torch.cat([y for y, _ in shares])[places.argsort()]
    # In random order, the same one in every form.
    order = torch.randperm(130, generator=keyed_generator(0, "samples")).argsort()
    assert torch.equal(found, torch.from_numpy(x)[order])
    index = torch.tensor([129, 3, 100, 99, 3])
    assert torch.equal(samples.at(index), found[index])


@pytest.mark.parametrize("form", ["folder", "compressed"])
def test_some_of_many_samples_are_drawn_from_all(form: str, tmp_path: Path) -> None:
    x = np.arange(250, dtype=np.uint8).repeat(64).reshape(250, 1, 8, 8)
    samples = open_samples(str(written_in(form, x, tmp_path)), 120, 1)
    found = torch.cat([y for y, _ in samples.share(0, 1)])[:, 0, 0, 0]
    assert len(found.unique()) == 120
    assert 90 < found.float().mean() < 160
    assert torch.equal(samples.batch(0)[:, 0, 0, 0], found[:100])


def test_hidden_files_are_no_samples(tmp_path: Path) -> None:
    folder = written_in("folder", digits("val")[:20], tmp_path)
    (folder / ".ipynb_checkpoints").mkdir()
    for name in (".ipynb_checkpoints/a.png", "._0000.png"):
        (folder / name).write_bytes(b"no picture")
    assert open_samples(str(folder), None, 1).n == 20


def test_samples_of_a_model_are_functions_of_their_place(checkpoint: Path) -> None:
    from energy_gans.commands import load_model

    model = load_model(checkpoint)
    few, many = (ModelSamples(model, n, 0, checkpoint) for n in (130, 300))
    assert len(few.batch(1)) == 30
    assert torch.equal(few.batch(1), many.batch(1)[:30])
    other = ModelSamples(model, 130, 1, checkpoint)
    assert not torch.equal(few.batch(0), other.batch(0))


def test_no_more_than_a_batch_of_an_array_is_held(tmp_path: Path) -> None:
    import tracemalloc

    path = array(tmp_path, np.zeros((20_000, 3, 32, 32), dtype=np.uint8))
    samples = _ArraySamples(path, None)
    tracemalloc.start()
    for _ in samples.share(0, 1):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6  # of 61e6


def colours(n: int) -> np.ndarray:
    r"""Returns digits in random colours, channels last."""
    tint = np.random.default_rng(0).random((n, 1, 1, 3))
    return (digits("val")[:n].transpose(0, 2, 3, 1) * tint).astype(np.uint8)


def test_coloured_samples_are_made_grey_on_demand(tmp_path: Path) -> None:
    x, folder = colours(40), tmp_path / "pictures"
    folder.mkdir()
    pictures = [Image.fromarray(image) for image in x]
    for i, image in enumerate(pictures):
        image.save(folder / f"{i:02d}.png")
    grey = np.stack([np.asarray(image.convert("L"))[None] for image in pictures])
    expected = evaluated(array(tmp_path, grey), "--measures", "fd")
    for path in (array(tmp_path, x), folder):
        told = refused("--samples", str(path), *DATA, *PIXELS, "--measures", "fd")
        assert "--convert grey" in told
        assert evaluated(path, "--measures", "fd", "--convert", "grey") == expected
        origin = json.loads(path.with_name("out.json").read_text())["origin"]
        assert origin["convert"] == "grey"
    # Grey stays as it is.
    path = array(tmp_path, grey)
    assert evaluated(path, "--measures", "fd", "--convert", "grey") == expected
    told = refused("--samples", str(path), *DATA, *PIXELS, "--convert", "rgb")
    assert "The samples are RGB, and 'data' is grey: --convert grey makes them grey." in told


def test_grey_samples_are_made_rgb_on_demand(tmp_path: Path, checkpoint: Path) -> None:
    folder = tmp_path / "set"
    for i, image in enumerate(colours(60)):
        path = folder / ("train" if i % 3 else "val") / "digits" / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    data = ["--data", "ImageFolder", "--data.root", str(folder), "--data.size", "8"]
    rest = ["--extractor", "Pixels", "--extractor.shape", "[3, 8, 8]", "--measures", "fd"]
    out = ["--out", str(tmp_path / "out.json")]
    for source in (
        ["--samples", str(array(tmp_path, digits("val")[:20]))],
        ["--ckpt_path", str(checkpoint), "--n", "20"],
    ):
        told = refused(*source, *data, *rest)
        assert "The samples are grey, and 'data' is RGB: --convert rgb makes them RGB." in told
        main(["evaluate", *source, *data, *rest, *out, "--convert", "rgb"])
        assert json.loads((tmp_path / "out.json").read_text())["measures"]["fd"]["value"] > 0


def test_few_samples_are_measured_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = array(tmp_path, digits("val")[:50])
    evaluated(path, "--measures", "fd")
    (warning,) = capsys.readouterr().err.strip().splitlines()
    assert warning.startswith(
        "energy-gans: warning: 'fd' is of 50 samples, fewer than the 64 feat"
    )
    evaluated(path, "--measures", "fd", "--reference_n", "60")
    (warning,) = capsys.readouterr().err.strip().splitlines()
    assert "'fd' is of 50 samples and 60 reference images, fewer than the 64" in warning
    evaluated(path, "--measures", "pr")
    assert capsys.readouterr().err == ""


def test_few_real_images_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = array(tmp_path, digits("val"))
    few = ["--data.limit", "100", "--measures", "fd"]
    with mock.patch("energy_gans.data.sets.digits.HELD_OUT", 500):
        found = evaluated(path, *few)
    (warning,) = capsys.readouterr().err.strip().splitlines()
    assert (
        "of 52 real images in their place and 52 that are left of them, fewer than the 64"
        in warning
    )
    assert found["fd"]["real"]["protocol"]["n"] == 52


def test_measures_without_enough_samples_are_left_out_before_features_are_made(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    own = ["--extractor", f"{__name__}.Scored"]
    args = ["--samples", str(array(tmp_path, digits("val")[:9])), *DATA, *own]
    main(["evaluate", *args, "--measures", "fd,is,kid"])
    assert "'is' needs at least 10 samples, got 9, and is left out." in capsys.readouterr().err
    found = json.loads((tmp_path / "x.metrics.json").read_text())["measures"]
    assert [*found] == ["fd", "kid"]
    with mock.patch.object(Scored, "extract", side_effect=AssertionError("a pass")):
        assert "'is' needs at least 10 samples, got 9." in refused(*args, "--measures", "is")
        args[1] = str(array(tmp_path, digits("val")[:1]))
        assert "'fd' needs at least 2 samples and 2 reference images, got 1 samples" in refused(
            *args
        )
    main(["evaluate", *args[:1], str(array(tmp_path, digits("val")[:10])), *DATA, *own])
    assert "is" in json.loads((tmp_path / "x.metrics.json").read_text())["measures"]


def test_the_best_checkpoint_has_numbers_of_its_own(checkpoint: Path) -> None:
    best = checkpoint.with_name("best.ckpt")
    best.write_bytes(checkpoint.read_bytes())
    main(["evaluate", "--ckpt_path", str(best), *PIXELS, "--measures", "fd", "--n", "100"])
    run = checkpoint.parent.parent
    assert (run / "metrics.best.json").exists()
    assert not (run / "metrics.json").exists()


def test_without_held_out_images_there_is_no_scale_for_copies(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = array(tmp_path, digits("train")[:100])
    with mock.patch("energy_gans.data.sets.digits.HELD_OUT", 5000):
        found = evaluated(path, "--measures", "fd,neighbours")
        assert [*found] == ["fd"]
        said = capsys.readouterr().err
        assert "'neighbours' needs at least 2 held-out images, got 1, and is left out" in said
        # Those that the reference leaves are held out, too.
        found = evaluated(path, "--measures", "fd,neighbours", "--reference_n", "1000")
    assert found["copies"]["protocol"]["held_out"]["n"] == 1
    assert found["copies"]["protocol"]["held_out"]["more"]["n"] == 99
    assert found["fd"]["real"]["protocol"]["reference"]["n"] == 1000


@pytest.mark.parametrize("n", [2, 3, 4])
def test_neighbours_of_few_reference_images_are_all_of_them(tmp_path: Path, n: int) -> None:
    path = array(tmp_path, digits("train")[:10])
    evaluated(path, "--measures", "neighbours", "--reference_n", str(n))
    with Image.open(tmp_path / "out.neighbours.png") as picture:
        assert picture.size[0] > 50


def test_few_images_in_all_leave_measures_of_real_ones_out(tmp_path: Path) -> None:
    path = array(tmp_path, digits("train")[:100])
    found = evaluated(path, "--data.limit", "9", "--reference", "val", "--measures", "fd,pr")
    assert found["fd"]["real"]["protocol"]["n"] == 94
    found = evaluated(path, "--data.limit", "7", "--reference_n", "6", "--measures", "fd,pr")
    assert found["precision"]["value"] >= 0
    with mock.patch("energy_gans.data.sets.digits.HELD_OUT", 5000):
        found = evaluated(path, "--data.limit", "7", "--measures", "fd,pr")
    assert found["fd"]["real"]["protocol"]["n"] == 4
    assert found["precision"]["real"] is None


# What is refused


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.full((20, 1, 8, 8), -1.5, np.float32), "floats in [-1.5, -1.5]"),
        (np.full((20, 1, 8, 8), 0.5, np.float32), "none of which is below 0, in [0.5, 0.5]"),
        (np.full((20, 1, 8, 8), np.nan, np.float32), "floats in [nan, nan]"),
        (np.zeros((20, 1, 8, 8), np.int64), "got int64"),
        (np.zeros((20, 8, 8), np.uint8), "shape (20, 8, 8)"),
        (np.zeros((20, 2, 8, 8), np.uint8), "(20, 2, 8, 8)"),
        (np.array([{"a": 1}] * 3, dtype=object).reshape(3, 1, 1, 1), "object"),
        (np.zeros((0, 1, 8, 8), np.uint8), "should hold some samples, got 0"),
    ],
)
def test_arrays_of_something_else_are_refused(tmp_path: Path, x: np.ndarray, words: str) -> None:
    assert words in refused("--samples", str(array(tmp_path, x)), *DATA, *PIXELS)


def test_samples_of_another_size_are_refused(tmp_path: Path) -> None:
    path = array(tmp_path, np.zeros((30, 1, 10, 10), np.uint8))
    assert "shape (1, 10, 10), and 'data' has (1, 8, 8)" in refused(
        "--samples", str(path), *DATA, "--measures", "fd"
    )


def test_fewer_samples_than_wanted_are_refused(tmp_path: Path) -> None:
    path = array(tmp_path, digits("val")[:20])
    assert "should hold 21 samples, got 20" in refused("--samples", str(path), *DATA, "--n", "21")
    assert "'n' should be at least 1" in refused("--samples", str(path), *DATA, "--n", "0")


def test_a_file_that_is_no_archive_or_ends_too_early_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_text("no archive")
    assert "can not be read" in refused("--samples", str(path), *DATA)
    assert "neither" in refused("--samples", str(tmp_path / "none"), *DATA)
    np.savez(path, a=np.zeros((5, 1, 8, 8)), b=np.zeros((5, 1, 8, 8)))
    assert "'samples'" in refused("--samples", str(path), *DATA)


def announced(tmp_path: Path, shape: tuple[int, ...], held: int = 100) -> Path:
    r"""Writes an array file with a shape in its header and some bytes."""
    header = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples.npy", header.getvalue() + bytes(held))
    return tmp_path / "x.npz"


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (
            (10**12, 1, 8, 8),
            "at most 10000000 images of at most 16777216 bytes, got 1000000000000",
        ),
        ((1, 1, 10**6, 10**6), "at most 16777216 bytes, got 1 of 1000000000000"),
        ((2**62, 3, 2**62, 8), "should hold at most"),
        ((10**6, 1, 8, 8), "its header gives 1000000 images of 64 bytes, and 100 bytes follow"),
        ((10**6, 1, 8, 0), "should hold an array of images"),
        ((-1, 1, 8, 8), "should hold an array of images"),
    ],
)
def test_images_that_an_array_only_announces_are_refused(
    tmp_path: Path, shape: tuple[int, ...], words: str
) -> None:
    path = announced(tmp_path, shape)
    with frugal(), pytest.raises(ValueError) as error:
        open_samples(str(path), None, 1)
    assert words in str(error.value)
    assert words in refused("--samples", str(path), *DATA)


def test_an_array_of_another_format_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        head = b"\x93NUMPY\x02\x00" + (100 * 2**20).to_bytes(4, "little")
        archive.writestr("samples.npy", head + bytes(100 * 2**20))
    with frugal(memory=2**26), pytest.raises(ValueError, match=r"is of format \(2, 0\)"):
        _ArraySamples(tmp_path / "x.npz", None)


def test_few_of_many_samples_take_little_memory(tmp_path: Path) -> None:
    path = announced(tmp_path, (40_000, 3, 32, 32), 40_000 * 3072)
    samples = _ArraySamples(path, 10)
    with frugal(memory=2**26):
        assert len(samples.batch(0)) == 10


def test_a_pipe_among_the_samples_is_named(tmp_path: Path) -> None:
    folder = written_in("folder", digits("val")[:20], tmp_path)
    os.mkfifo(folder / "x.png")
    with frugal(), pytest.raises(ValueError, match=r"The sample .*x.png .* it is a named pipe"):
        list(_FolderSamples(folder, None, 1).share(0, 1))


def test_pictures_that_do_not_fit_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("L", (8, 8)).save(folder / "a.png")
    Image.new("L", (9, 8)).save(folder / "b.png")
    args = ["--samples", str(folder), *DATA, *PIXELS, "--measures", "fd"]
    assert "b.png has shape (1, 8, 9)" in refused(*args)
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:40])
    assert "b.png can not be read" in refused(*args)
    Image.new("RGB", (8, 8), "red").save(folder / "b.png")
    assert "b.png has colours" in refused(*args)
    with pytest.raises(ValueError, match="some samples, got 0"):
        _FolderSamples(tmp_path / "nothing", None, 1)


def test_what_can_not_be_measured_is_refused(
    checkpoint: Path, tiny: Callable, tmp_path: Path
) -> None:
    path = str(checkpoint)
    assert "not both" in refused("--ckpt_path", path, "--samples", path)
    assert "not both" in refused()
    assert "'data' should be given" in refused("--samples", path)
    assert "got 'fd,fid'" in refused("--ckpt_path", path, "--measures", "fd,fid")
    nothing = mock.patch.object(EmbeddedDigits, "loader", side_effect=AssertionError("a pass"))
    with nothing:
        wrong = ["--ckpt_path", path, *PIXELS, "--measures", "fd"]
        assert "no classifier" in refused(*wrong, "--measures", "is")
        assert "'reference' should be one of" in refused(*wrong, "--reference", "none")
        assert "'out' = " in refused(*wrong, "--out", str(tmp_path))
        assert "'device' should be" in refused(*wrong, "--device", "abacus")
        assert "'shape'" in refused(*wrong, "--extractor.shape", "[1, 9, 9]")
    assert "should be a checkpoint file" in refused("--ckpt_path", "none.ckpt")
    main(tiny("--trainer.max_steps=2", points=True, name="points"))
    points = tmp_path / "points/version_0/checkpoints/last.ckpt"
    assert "energy-gans report" in refused("--ckpt_path", str(points))


# Extractors of users


OWN = """
import torch
from energy_gans.metrics.features import FeatureExtractor

class Own(FeatureExtractor):
    name, channels, resize, num_features = "own", 1, "none", 8

    def __init__(self, seed: int = 0):
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.register_buffer("weight", torch.randn(64, 8, generator=random) * (1 + seed))

    def extract(self, images):
        return images.flatten(1).float() / 255 @ self.weight, None

class NoResize(Own):
    resize = None

class Wide(Own):
    num_features = 9

class Alone(Own):
    def extract(self, images):
        return super().extract(images)[0]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own_extractors.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path / "code")
    yield "own_extractors"
    sys.modules.pop("own_extractors", None)


def test_extractors_of_other_weights_share_no_reference(own: str, tmp_path: Path) -> None:
    path = array(tmp_path, digits("val")[:100])
    values, files = {}, []
    for cache in ("shared", "one", "two"):
        for seed in (0, 1) if cache == "shared" else (1,):
            files.append(str(tmp_path / f"{cache}{seed}.json"))
            args = ["--samples", str(path), *DATA, "--cache", str(tmp_path / cache)]
            args += ["--extractor", f"{own}.Own", "--extractor.seed", str(seed)]
            main(["evaluate", *args, "--measures", "fd", "--out", files[-1]])
            values[cache, seed] = json.loads(Path(files[-1]).read_text())["measures"]["fd"]
    assert values["shared", 1] == values["one", 1] == values["two", 1]
    assert values["shared", 1]["value"] > 2 * values["shared", 0]["value"]
    main(["compare", *files[1:]])
    with pytest.raises(SystemExit, match="can not stand in one column: extractor.sha256 is"):
        main(["compare", *files[:2]])


def test_wrong_extractors_are_refused_in_a_sentence(own: str, tmp_path: Path) -> None:
    path = array(tmp_path, digits("val")[:100])
    for name, told in {
        "NoResize": "should have an attribute 'resize', such as 'none', got None",
        "Wide": "has 'num_features' = 9: the features that it makes of 1 images should be floats",
        "Alone": "should return a tuple of features and logits",
    }.items():
        args = ["--samples", str(path), *DATA, "--extractor", f"{own}.{name}"]
        assert told in refused(*args, "--measures", "fd")
    assert not list(tmp_path.glob("cache/energy-gans/*"))


# Stamps


def test_the_first_difference_of_protocols_is_named() -> None:
    a = {"extractor": {"name": "inception", "sha256": "a"}, "n": 1}
    assert first_difference(a, json.loads(json.dumps(a))) is None
    assert first_difference(a, a | {"n": 2}) == "n is 1 and 2"
    assert first_difference(a, a | {"extractor": {"name": "inception", "sha256": "b"}}) == (
        "extractor.sha256 is 'a' and 'b'"
    )
    assert first_difference(a, {"n": 1}) is not None


def test_every_pass_over_images_shows_how_far_it_is(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("energy_gans.terminal.LOG_INTERVAL", 0.0)
    args = ["evaluate", "--ckpt_path", str(checkpoint), *PIXELS, "--n", "120", "--measures", "fd"]
    for names in (("train", "val", "samples"), ("samples",)):
        # The second time the real images' statistics are there.
        main(args)
        said = capsys.readouterr().err
        found = [name for name in ("train", "val", "samples") if f"features of {name}" in said]
        assert found == list(names)
        assert "120/120" in said
