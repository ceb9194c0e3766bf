r"""Tests for the energy_gans.data.prepared.sources.cifar module."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from energy_gans.data.prepared.sources import cifar, cifar_source, load_cifar

from .writing import facts, frugal, pack, picture

FILES = {
    10: ("cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)], "test_batch"),
    100: ("cifar-100-python", ["train"], "test"),
}
ARCHIVES = {10: "cifar-10-python.tar.gz", 100: "cifar-100-python.tar.gz"}

Write = Callable[[np.ndarray, list[int], int], bytes]


def python2(data: np.ndarray, labels: list[int], classes: int, columns: bool = False) -> bytes:
    r"""Returns the pickle of a batch that Python 2 writes with protocol 2."""

    def short(text: str) -> bytes:
        return b"U" + bytes([len(text)]) + text.encode()

    def integer(n: int) -> bytes:
        return b"K" + bytes([n]) if n < 256 else b"M" + struct.pack("<H", n)

    def memo(n: int) -> bytes:
        return b"q" + bytes([n])

    def integers(numbers: list[int]) -> bytes:
        parts = [numbers[i : i + 1000] for i in range(0, len(numbers), 1000)]
        marked = (b"(" + b"".join(map(integer, p)) + b"e" for p in parts if len(p) > 1)
        single = (integer(p[0]) + b"a" for p in parts if len(p) == 1)
        return b"]" + memo(9) + b"".join(marked) + b"".join(single)

    raw = data.tobytes("F" if columns else "C")
    array = b"cnumpy.core.multiarray\n_reconstruct\n" + memo(3) + b"cnumpy\nndarray\n" + memo(4)
    array += b"K\x00\x85" + short("b") + b"\x87R" + memo(5) + b"(K\x01"
    array += integer(len(data)) + b"M\x00\x0c\x86" + b"cnumpy\ndtype\n" + memo(6)
    array += short("u1") + b"K\x00K\x01\x87R" + memo(7) + b"(K\x03" + short("|") + b"NNN"
    array += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" + (b"\x88" if columns else b"\x89")
    array += b"T" + struct.pack("<i", len(raw)) + raw + memo(8) + b"tb"
    files = b"]" + memo(10) + b"(" + b"".join(short(f"{i}.png") for i in labels) + b"e"
    key = "labels" if classes == 10 else "fine_labels"
    coarse = b"" if classes == 10 else short("coarse_labels") + integers([3] * len(labels))
    parts = [b"\x80\x02}", memo(1), b"(", short("batch_label"), memo(2), short("batch 1 of 5")]
    parts += [memo(11), short(key), integers(labels), coarse, short("data"), array]
    return b"".join([*parts, short("filenames"), files, b"u."])


def python2_columns(data: np.ndarray, labels: list[int], classes: int) -> bytes:
    return python2(data, labels, classes, columns=True)


def python3(protocol: int, columns: bool = False) -> Write:
    def write(data: np.ndarray, labels: list[int], classes: int) -> bytes:
        key = b"labels" if classes == 10 else b"fine_labels"
        array = np.asfortranarray(data) if columns else data
        others = {b"coarse_labels": [3] * len(labels)} if classes == 100 else {}
        batch = {
            b"filenames": ["a.png"],
            b"data": array,
            key: labels,
            **others,
            b"batch_label": b"",
        }
        return pickle.dumps(batch, protocol)

    return write


WRITERS = {
    "python 2": python2,
    "python 2, columns": python2_columns,
    **{f"python 3, protocol {n}": python3(n) for n in (2, 3, 4, 5)},
    "python 3, protocol 2, columns": python3(2, columns=True),
    "python 3, protocol 4, columns": python3(4, columns=True),
    "python 3, protocol 5, columns": python3(5, columns=True),
}


def batch(n: int, classes: int, seed: int) -> tuple[np.ndarray, list[int]]:
    random = np.random.default_rng(seed)
    data = random.integers(0, 256, (n, 3072), dtype=np.uint8)
    return data, random.integers(0, classes, n).tolist()


def batches(classes: int, n: int = 3) -> dict[str, tuple[np.ndarray, list[int]]]:
    _, train, test = FILES[classes]
    return {name: batch(n + i, classes, i) for i, name in enumerate([*train, test])}


def check(root: Path, classes: int, n: int = 3) -> None:
    *train, test = batches(classes, n).values()
    for split, parts in (("train", train), ("val", [test])):
        y, label = load_cifar(root, split, classes)
        data = np.concatenate([part for part, _ in parts])
        assert np.array_equal(y.numpy(), data.reshape(-1, 3, 32, 32))
        assert label.tolist() == [one for _, labels in parts for one in labels]
        assert y.dtype == torch.uint8
        assert label.dtype == torch.int64


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_pickled_batches(tmp_path: Path, write: Write, classes: int) -> None:
    files = {name: write(*b, classes) for name, b in batches(classes).items()}
    pack(tmp_path / FILES[classes][0], files)
    check(tmp_path, classes)
    check(tmp_path / FILES[classes][0], classes)


@pytest.mark.parametrize("classes", [10, 100])
def test_the_original_archive(tmp_path: Path, classes: int) -> None:
    folder = FILES[classes][0]
    files = {f"{folder}/{name}": python2(*b, classes) for name, b in batches(classes).items()}
    path = pack(tmp_path / ARCHIVES[classes], files)
    check(tmp_path, classes)
    check(path, classes)


@pytest.mark.parametrize("n", [1001, 2000])
@pytest.mark.parametrize("write", [python2, python3(4)], ids=["python 2", "python 3"])
def test_labels_that_are_pickled_in_parts(tmp_path: Path, write: Write, n: int) -> None:
    files = {name: write(*b, 100) for name, b in batches(100, n).items()}
    pack(tmp_path / FILES[100][0], files)
    check(tmp_path, 100, n)


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("classes", [10, 100])
def test_the_binary_version(tmp_path: Path, classes: int, archive: bool) -> None:
    def write(data: np.ndarray, labels: list[int]) -> bytes:
        coarse = b"" if classes == 10 else b"\x07"
        pairs = zip(data, labels, strict=True)
        return b"".join(coarse + bytes([label]) + row.tobytes() for row, label in pairs)

    name = "cifar-10-batches-bin" if classes == 10 else "cifar-100-binary"
    files = {f"{name}/{file}.bin": write(*b) for file, b in batches(classes).items()}
    path = name.replace("batches-bin", "binary") + ".tar.gz" if archive else "."
    pack(tmp_path / path, files)
    check(tmp_path, classes)


def python2_names(key: str, names: list[str]) -> bytes:
    texts = b"".join(b"U" + bytes([len(n)]) + n.encode() for n in names)
    head = b"\x80\x02}q\x01(U\x07num_visK\x07U" + bytes([len(key)]) + key.encode()
    return head + b"]q\x03(" + texts + b"eU\x0fnum_cases_per_bK\x01u."


@pytest.mark.parametrize(("classes", "meta"), [(10, "batches.meta"), (100, "meta")])
def test_the_source_has_names_and_splits(tmp_path: Path, classes: int, meta: str) -> None:
    files = {name: python2(*b, classes) for name, b in batches(classes).items()}
    names = [f"class {i}" for i in range(classes)]
    key = "label_names" if classes == 10 else "fine_label_names"
    pack(tmp_path / FILES[classes][0], {**files, meta: python2_names(key, names)})
    source = cifar_source(tmp_path, classes)
    assert source.classes == names
    *train, test = batches(classes).values()
    expected = [
        (split, label, int(row[0]))
        for split, parts in (("train", train), ("val", [test]))
        for data, labels in parts
        for row, label in zip(data, labels, strict=True)
    ]
    assert facts(source) == expected


@pytest.mark.parametrize("kind", ["folder", "x.zip"])
def test_pictures_in_folders(tmp_path: Path, kind: str) -> None:
    files = {f"{s}/{c}/0001.jpg": picture(9, "JPEG") for s in ("train", "test") for c in "ab"}
    source = cifar_source(pack(tmp_path / kind, files), 10)
    assert source.classes == ["a", "b"]
    assert sorted(facts(source)) == [(s, c, 9) for s in ("train", "val") for c in (0, 1)]


class Evil:
    r"""An object that runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("classes", [10, 100])
def test_nothing_in_a_pickle_is_carried_out(tmp_path: Path, classes: int) -> None:
    ran = tmp_path / "ran"
    data, labels = batch(4, classes, 0)
    key = "labels" if classes == 10 else "fine_labels"
    evil = pickle.dumps({"x": Evil(ran), "data": data, key: labels, "y": Evil(ran)}, 2)
    pickle.loads(evil)
    assert ran.exists()
    ran.unlink()
    folder, train, test = FILES[classes]
    pack(tmp_path / folder, dict.fromkeys([*train, test, "meta", "batches.meta"], evil))
    y, label = load_cifar(tmp_path, "val", classes)
    cifar_source(tmp_path, classes)
    assert np.array_equal(y.numpy().reshape(4, -1), data)
    assert label.tolist() == labels
    assert not ran.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[:-5000], "'test_batch' in .* is no complete pickle"),
        (lambda c: b"", "'test_batch' in .* is no complete pickle"),
        (lambda c: b"<html>404</html>", "'test_batch' in .* is no complete pickle"),
        (lambda c: pickle.dumps({"labels": [1]}), "'test_batch' in .* has no pixels"),
        (lambda c: python2(*batch(3, 10, 0)[:1], [1, 2], 10), "3 images, and 2 labels"),
        (lambda c: python2(*batch(2, 10, 0)[:1], [1, 10], 10), "labels that should be below 10"),
    ],
    ids=["torn", "empty", "text", "no pixels", "too few labels", "a label out of range"],
)
def test_damaged_batches_are_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    files = {name: python2(*b, 10) for name, b in batches(10).items()}
    pack(tmp_path, {**files, "test_batch": change(files["test_batch"])})
    load_cifar(tmp_path, "train", 10)
    with pytest.raises(ValueError, match=message):
        load_cifar(tmp_path, "val", 10)


@pytest.mark.parametrize(
    ("classes", "named"), [(10, "cifar-10-python"), (100, "cifar-100-python")]
)
def test_missing_files_are_named(tmp_path: Path, classes: int, named: str) -> None:
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path}.* should hold .*{named}.tar.gz"):
        load_cifar(tmp_path, "train", classes)
    with pytest.raises(FileNotFoundError, match=rf"{named}.tar.gz.*, or pictures"):
        cifar_source(tmp_path, classes)


@pytest.mark.parametrize("classes", [10, 100])
def test_a_batch_that_unpacks_to_too_much_is_named(
    tmp_path: Path, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cifar.LARGEST, classes, 10**6)
    files = {name: python2(*b, classes) for name, b in batches(classes).items()}
    bomb = next(iter(files))
    path = pack(tmp_path / FILES[classes][0], {**files, bomb: bytes(100 * 2**20)})
    with (
        frugal(memory=2**26),
        pytest.raises(ValueError, match=rf"The batch '.*{bomb}' in .* 104857600 bytes, more than"),
    ):
        load_cifar(path.parent, "train", classes)
