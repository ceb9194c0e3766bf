r"""Tests for the energy_gans.metrics.reference module."""

import io
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from energy_gans.metrics import reference
from energy_gans.metrics.features import FeatureExtractor
from energy_gans.metrics.features.base import Output
from energy_gans.metrics.reference import default_cache, reference_order, reference_statistics
from energy_gans.metrics.statistics import Statistics, feature_statistics

from ..processes import start

N = 250

PARTS = ("n", "mean", "covariance", "features", "scores")


class Halves(FeatureExtractor):
    r"""An extractor with 32 features and 3 logits that counts the images it gets."""

    name, channels, resize = "halves", 1, "none"
    num_features, num_classes = 32, 3

    def __init__(self, sha256: str | None = None) -> None:
        super().__init__()
        self.sha256, self.seen = sha256, 0

    def extract(self, images: Tensor) -> Output:
        self.seen += len(images)
        features = images.flatten(1).float() / 2
        return features, features[:, :3] / 10


class Images:
    r"""A set of random images that counts how often it is read."""

    def __init__(self, n: int = N, fingerprint: str = "a set") -> None:
        random = torch.Generator().manual_seed(0)
        self.images = torch.randint(256, (n, 1, 4, 8), generator=random, dtype=torch.uint8)
        self.name, self.read = fingerprint, 0

    def length(self, split: str) -> int:
        return len(self.images)

    def fingerprint(self, split: str) -> str:
        return f"{self.name} {split}" if self.name == "by split" else self.name

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        self.read += 1
        return ((self.images[i], torch.zeros(len(i))) for i in order)


def statistics(
    cache: Path, n: int = 120, split: str = "train"
) -> tuple[Statistics, Images, Halves]:
    r"""Returns the statistics, and the data and the extractor, which count their use."""
    data, extractor = Images(), Halves()
    return reference_statistics(data, split, n, n, extractor, cache), data, extractor


def assert_same(a: Statistics, b: Statistics) -> None:
    assert a.n == b.n
    for name in reference._ARRAYS:
        assert torch.equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype


def only(cache: Path) -> Path:
    r"""Returns the only file in a folder."""
    (path,) = cache.iterdir()
    assert path.suffix == ".npz"
    return path


# The choice of images


@pytest.mark.parametrize("n", [2, 99, 100, 101, N])
def test_a_reference_is_of_random_images(tmp_path: Path, n: int) -> None:
    found, data, extractor = statistics(tmp_path, n)
    order = reference_order(N, n)
    assert len(order.unique()) == n
    features = data.images[order].flatten(1).float() / 2
    assert found.n == extractor.seen == n
    assert torch.equal(found.features, features)
    np.testing.assert_allclose(found.mean, features.double().mean(0), rtol=1e-13)
    np.testing.assert_allclose(
        found.covariance, np.cov(features.double().numpy().T), rtol=1e-9, atol=1e-9
    )
    whole = feature_statistics(Halves(), [(data.images[order], torch.arange(n))], n)
    torch.testing.assert_close(found.scores, whole.scores, equal_nan=True)


def test_references_of_more_images_hold_those_of_fewer() -> None:
    order = reference_order(N, N)
    assert not torch.equal(order, torch.arange(N))
    assert torch.equal(order[:50], reference_order(N, 50))
    assert torch.equal(order.sort().values, torch.arange(N))


def test_more_images_than_there_are_are_all(tmp_path: Path) -> None:
    found, _, extractor = statistics(tmp_path, 10 * N)
    assert found.n == extractor.seen == N
    again, _, extractor = statistics(tmp_path, N)
    assert extractor.seen == 0
    assert_same(found, again)


def test_the_callers_randomness_plays_no_part(tmp_path: Path) -> None:
    torch.manual_seed(1)
    found = statistics(tmp_path / "one")[0]
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert_same(found, statistics(tmp_path / "two")[0])
    assert torch.equal(torch.get_rng_state(), state)


# The cache


def test_the_second_time_nothing_is_read(tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there"
    first, data, extractor = statistics(cache)
    assert (data.read, extractor.seen) == (1, 120)
    before = only(cache).stat()
    second, data, extractor = statistics(cache)
    assert (data.read, extractor.seen) == (0, 0)
    assert_same(first, second)
    assert only(cache).stat().st_mtime_ns == before.st_mtime_ns


def named(name: str, n: int = N) -> Images:
    return Images(n, fingerprint=name)


@pytest.mark.parametrize(
    "data, split, n, extractor",
    [
        (named("a set"), "train", 120, Halves("other weights")),
        (named("another"), "train", 120, Halves()),
        (named("a set"), "val", 120, Halves()),
        (named("a set"), "train", 121, Halves()),
        (named("a set", N - 1), "train", 120, Halves()),
    ],
    ids=["extractor", "fingerprint", "split", "n", "length"],
)
def test_another_reference_is_another_file(
    tmp_path: Path, data: Images, split: str, n: int, extractor: Halves
) -> None:
    statistics(tmp_path)
    data.read, extractor.seen = 0, 0
    found = reference_statistics(data, split, n, n, extractor, tmp_path)
    assert (data.read, extractor.seen, found.n) == (1, n, n)
    assert len(list(tmp_path.iterdir())) == 2
    # The first cache file still exists.
    assert statistics(tmp_path)[1].read == 0


@pytest.mark.parametrize("attribute", ["name", "resize"])
def test_every_part_of_the_extractors_stamp_counts(tmp_path: Path, attribute: str) -> None:
    statistics(tmp_path)
    extractor = Halves()
    setattr(extractor, attribute, "another")
    data = Images()
    reference_statistics(data, "train", 120, 120, extractor, tmp_path)
    assert data.read == 1


def test_another_format_is_another_file(tmp_path: Path) -> None:
    statistics(tmp_path)
    with mock.patch.object(reference, "FORMAT", 0):
        assert statistics(tmp_path)[1].read == 1


class Bomb:
    r"""Creates the folder `exploded` when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (os.mkdir, ("exploded",))


def content(raw: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        return dict(file)


def archive(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def array(raw: bytes) -> bytes:
    file = io.BytesIO()
    np.save(file, content(raw)["mean"])
    return file.getvalue()


def of_something_else(raw: bytes) -> bytes:
    return archive(**content(raw) | {"key": np.array("{}"), "mean": np.ones(32)})


def without(name: str) -> Callable[[bytes], bytes]:
    return lambda raw: archive(**{k: v for k, v in content(raw).items() if k != name})


def with_bomb(name: str) -> Callable[[bytes], bytes]:
    return lambda raw: archive(**content(raw) | {name: np.array([Bomb()], dtype=object)})


def with_words(raw: bytes) -> bytes:
    return archive(**content(raw) | {"mean": np.array(32 * ["one"])})


def flipped(place: int, bit: int) -> Callable[[bytes], bytes]:
    def flip(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[place] ^= 1 << bit
        return bytes(changed)

    return flip


def changed(old: bytes, new: bytes, last: bool = False) -> Callable[[bytes], bytes]:
    r"""Returns a function that replaces the first or last occurrence of some bytes."""

    def change(raw: bytes) -> bytes:
        i = raw.rindex(old) if last else raw.index(old)
        return raw[:i] + new + raw[i + len(old) :]

    return change


DAMAGES = {
    "empty": lambda raw: b"",
    "text": lambda raw: b"not an archive",
    "half": lambda raw: raw[: len(raw) // 2],
    "one byte short": lambda raw: raw[:-1],
    "zeros behind the middle": lambda raw: raw[: len(raw) // 2].ljust(len(raw), b"\0"),
    "flipped feature": flipped(-3000, 6),
    # One bit each.
    "fewer rows": changed(b"(120, 32)", b"(100, 32)"),
    "fewer columns": changed(b"(120, 32)", b"(120, 12)"),
    "torn header": changed(b"(120, 32)", b"(120(,32)"),
    "flagged as encrypted": changed(b"PK\1\2\x2d\3\x2d\0\0\0", b"PK\1\2\x2d\3\x2d\0\1\0", True),
    "unknown compression": changed(
        b"PK\1\2\x2d\3\x2d\0\0\0\0\0", b"PK\1\2\x2d\3\x2d\0\0\0\1\0", True
    ),
    "array": array,
    "pickle": lambda raw: pickle.dumps(Bomb()),
    "of something else": of_something_else,
    "no archive of ours": lambda raw: archive(arr_0=np.zeros(3)),
    "no key": without("key"),
    "no features": without("features"),
    "words": with_words,
    "object as key": with_bomb("key"),
    "object as mean": with_bomb("mean"),
    "object as features": with_bomb("features"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_file_that_is_not_whole_is_rebuilt(
    tmp_path: Path, damage: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    expected = statistics(cache)[0]
    path = only(cache)
    raw = path.read_bytes()
    damaged = damage(raw)
    assert damaged != raw
    path.write_bytes(damaged)
    found, data, extractor = statistics(cache)
    assert (data.read, extractor.seen) == (1, 120)
    assert_same(found, expected)
    assert only(cache) == path
    found, data, _ = statistics(cache)
    assert data.read == 0
    assert_same(found, expected)
    assert not Path("exploded").exists()


def test_no_flipped_bit_is_trusted(tmp_path: Path) -> None:
    expected = statistics(tmp_path, 20)[0]
    path = only(tmp_path)
    raw = path.read_bytes()
    key = str(content(raw)["key"])
    # All bytes except the inside of large arrays, which the check sums certainly cover.
    places = [i for i in range(len(raw)) if i < 300 or i > len(raw) - 400 or i % 64 == 0]
    for i in places:
        path.write_bytes(flipped(i, i % 8)(raw))
        found = reference._read_cache(path, key)
        if found is not None:
            assert_same(found, expected)


def test_no_torn_file_is_trusted(tmp_path: Path) -> None:
    statistics(tmp_path, 2)
    path = only(tmp_path)
    raw = path.read_bytes()
    key = str(content(raw)["key"])
    for size in range(0, len(raw), 37):
        path.write_bytes(raw[:size])
        assert reference._read_cache(path, key) is None


def test_nothing_is_left_of_a_file_that_can_not_be_written(tmp_path: Path) -> None:
    def full(file: io.IOBase, **arrays: np.ndarray) -> None:
        file.write(b"PK")
        assert not list(tmp_path.glob("*.npz"))
        raise OSError(28, "No space left on device")

    warned = pytest.warns(UserWarning, match="could not be kept.*No space left")
    with mock.patch.object(np, "savez", full), warned:
        found = statistics(tmp_path)[0]
    assert list(tmp_path.iterdir()) == []
    assert_same(found, statistics(tmp_path)[0])


def test_statistics_are_computed_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="could not be kept"):
        found = statistics(tmp_path / "file")[0]
    assert_same(found, statistics(tmp_path / "folder")[0])


def test_what_a_killed_process_left_is_removed_and_not_read(tmp_path: Path) -> None:
    expected = statistics(tmp_path)[0]
    path = only(tmp_path)
    path.rename(path.with_name(f"{path.name}.{'0' * 32}.part"))
    found, data, _ = statistics(tmp_path)
    assert data.read == 1
    assert_same(found, expected)
    assert only(tmp_path) == path


def test_the_cache_is_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "energy-gans"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "energy-gans"


# Processes


def compute_as(rank: int, folder: Path) -> None:
    r"""Computes a reference in one of two processes: from the data, from the cache, and again."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    with mock.patch.object(reference, "_write_cache", side_effect=reference._write_cache) as write:
        found = [statistics(folder / "cache", n) for n in (N, N, 50, 50)]
        torch.distributed.barrier()
        if rank == 0:
            for path in (folder / "cache").iterdir():
                path.write_bytes(path.read_bytes()[:-100])
        torch.distributed.barrier()
        found.append(statistics(folder / "cache", N))
    saved = [
        ({k: getattr(s, k) for k in PARTS}, data.read, extractor.seen)
        for s, data, extractor in found
    ]
    torch.save((saved, write.call_count), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_share_the_work_and_the_cache(tmp_path: Path) -> None:
    children = [start(compute_as, rank, tmp_path) for rank in range(2)]
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    loaded = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    ranks, written = zip(*loaded, strict=True)
    assert written == (3, 0)
    seen = [[images for _, _, images in found] for found in ranks]
    assert seen == [[150, 0, 50, 0, 150], [100, 0, 0, 0, 100]]
    assert [[times for _, times, _ in found] for found in ranks] == 2 * [[1, 0, 1, 0, 1]]
    for i, n in enumerate((N, N, 50, 50, N)):
        one, two = (Statistics(**found[i][0]) for found in ranks)
        assert_same(one, two)
        alone = statistics(tmp_path / "alone", n)[0]
        assert one.n == alone.n == n
        assert torch.equal(one.features, alone.features)
        for name in ("mean", "covariance", "scores"):
            torch.testing.assert_close(
                getattr(one, name), getattr(alone, name), rtol=1e-9, atol=1e-9
            )
    # One process reads what the two processes wrote.
    assert statistics(tmp_path / "cache", N)[1].read == 0
