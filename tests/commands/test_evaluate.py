r"""Tests for the energy_gans.commands modules evaluate, samples, arrays, stamps, lookalikes and joining."""

import hashlib
import io
import json
import multiprocessing
import os
import socket
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
from energy_gans.commands.samples import ArraySamples, FolderSamples, ModelSamples, open_samples
from energy_gans.commands.stamps import unlike
from energy_gans.data import EmbeddedDigits
from energy_gans.functional import keyed_generator

from ..data.sources.writing import frugal

DATA = ["--data", "EmbeddedDigits", "--data.digits", "8x8", "--data.size", "8"]
PIXELS = ["--extractor", "Pixels", "--extractor.shape", "[1, 8, 8]"]
context = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module", autouse=True)
def preloaded() -> None:
    context.set_forkserver_preload(["energy_gans.commands.training"])


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
    r"""Returns what `evaluate` writes of an array or a folder of digits."""
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


def test_the_distance_is_that_of_the_definition(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)
    found = evaluated(array(tmp_path, x), "--measures", "fd")["fd"]
    a, b = x.reshape(300, -1) / 255, digits("train").reshape(-1, 64) / 255
    held_out = digits("val").reshape(-1, 64) / 255

    def distance(a: np.ndarray) -> float:
        root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
        mean = a.mean(0) - b.mean(0)
        return mean @ mean + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)

    assert found["value"] == pytest.approx(distance(a), rel=1e-4)
    assert found["real"]["value"] == pytest.approx(distance(held_out), rel=1e-3)
    assert found["real"]["protocol"]["n"] == len(held_out)


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
    started = [context.Process(target=process, args=(rank, port, many)) for rank in (0, 1)]
    for p in started:
        p.start()
    for p in started:
        p.join(120)
    assert [p.exitcode for p in started] == [0, 0]
    one, two = (json.loads((tmp_path / f"{k}.json").read_text()) for k in ("one", "two"))
    for name, number in one["measures"].items():
        other = two["measures"][name]
        assert other["protocol"] == number["protocol"]
        for a, b in ((number, other), (number["real"], other["real"])):
            shown = [name for name in a if name not in ("protocol", "real")]
            # Infinities are null.
            assert [b[k] or -1 for k in shown] == pytest.approx(
                [a[k] or -1 for k in shown], rel=1e-5
            ), name


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
    samples = ArraySamples(path, None)
    tracemalloc.start()
    for _ in samples.share(0, 1):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6  # of 61e6


def test_few_samples_are_measured_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    evaluated(array(tmp_path, digits("val")[:50]), "--measures", "fd")
    assert "'n' = 50 is smaller than the 64 features" in capsys.readouterr().err


def test_the_best_checkpoint_has_numbers_of_its_own(checkpoint: Path) -> None:
    best = checkpoint.with_name("best.ckpt")
    best.write_bytes(checkpoint.read_bytes())
    main(["evaluate", "--ckpt_path", str(best), *PIXELS, "--measures", "fd", "--n", "100"])
    run = checkpoint.parent.parent
    assert (run / "metrics.best.json").exists()
    assert not (run / "metrics.json").exists()


def test_held_out_images_too_few_for_a_measure_leave_it_out(tmp_path: Path) -> None:
    few = [*DATA, "--data.limit", "300"]
    path = array(tmp_path, digits("train")[:100])
    with mock.patch("energy_gans.data.digits.HELD_OUT", 500):
        main(["evaluate", "--samples", str(path), *few, *PIXELS, "--measures", "fd,pr"])
    found = json.loads((tmp_path / "x.metrics.json").read_text())["measures"]
    assert found["fd"]["real"]["protocol"]["n"] == 4
    assert found["precision"]["real"] is None


# What is refused


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.full((20, 1, 8, 8), -1.5, np.float32), "floats in [-1.5, -1.5]"),
        (np.full((20, 1, 8, 8), 0.5, np.float32), "none of which is below 0, in [0.5, 0.5]"),
        (np.full((20, 1, 8, 8), np.nan, np.float32), "floats in [nan, nan]"),
        (np.zeros((20, 1, 8, 8), np.int64), "torch.int64"),
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
    r"""Writes an array whose header says a shape, and that holds some bytes."""
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
        ((2**62, 2**62, 8, 8), "should hold at most"),
        ((10**6, 1, 8, 8), "says that it holds 1000000 images of 64 bytes, and has 100 bytes"),
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
        ArraySamples(tmp_path / "x.npz", None)


def test_few_of_many_samples_take_little_memory(tmp_path: Path) -> None:
    path = announced(tmp_path, (40_000, 3, 32, 32), 40_000 * 3072)
    samples = ArraySamples(path, 10)
    with frugal(memory=2**26):
        assert len(samples.batch(0)) == 10


def test_a_pipe_among_the_samples_is_named(tmp_path: Path) -> None:
    folder = written_in("folder", digits("val")[:20], tmp_path)
    os.mkfifo(folder / "x.png")
    with frugal(), pytest.raises(ValueError, match=r"The sample .*x.png .* it is a named pipe"):
        list(FolderSamples(folder, None, 1).share(0, 1))


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
        FolderSamples(tmp_path / "nothing", None, 1)


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


# Stamps


def test_the_first_difference_of_protocols_is_named() -> None:
    a = {"extractor": {"name": "inception", "sha256": "a"}, "n": 1}
    assert unlike(a, json.loads(json.dumps(a))) is None
    assert unlike(a, a | {"n": 2}) == "n is 1 and 2"
    assert unlike(a, a | {"extractor": {"name": "inception", "sha256": "b"}}) == (
        "extractor.sha256 is 'a' and 'b'"
    )
    assert unlike(a, {"n": 1}) is not None


def test_every_pass_over_images_shows_how_far_it_is(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("energy_gans.callbacks.progress.LOGGED", 0.0)
    args = ["evaluate", "--ckpt_path", str(checkpoint), *PIXELS, "--n", "120", "--measures", "fd"]
    for names in (("train", "val", "samples"), ("samples",)):
        # The second time the real images' statistics are there.
        main(args)
        said = capsys.readouterr().err
        found = [name for name in ("train", "val", "samples") if f"features of {name}" in said]
        assert found == list(names)
        assert "120/120" in said
