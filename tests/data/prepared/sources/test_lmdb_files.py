r"""Tests for the energy_gans.data.prepared.sources.lmdb_files module."""

import random
from pathlib import Path

import lmdb
import pytest

from energy_gans.data.prepared.sources import limits
from energy_gans.data.prepared.sources.lmdb_files import LmdbFile


def write(folder: Path, n: int, size: int, key: int = 20) -> Path:
    r"""Writes a database of random entries in two transactions, the second of which deletes."""
    random_ = random.Random(n)
    with lmdb.open(str(folder), map_size=2**28) as env:
        with env.begin(write=True) as transaction:
            for _ in range(n):
                transaction.put(random_.randbytes(key), random_.randbytes(random_.randrange(size)))
        with env.begin(write=True) as transaction:
            keys = [bytes(key) for key, _ in transaction.cursor()]
            for key in keys[::5]:
                transaction.delete(key)
    return folder / "data.mdb"


# With no entry, one page, large values, and trees of one and of more levels.
@pytest.mark.parametrize(
    ("n", "size", "key"), [(0, 9, 9), (1, 9, 9), (7, 9, 9), (9, 9000, 20), (3000, 300, 200)]
)
def test_the_library_reads_the_same(tmp_path: Path, n: int, size: int, key: int) -> None:
    path = write(tmp_path, n, size, key)
    with lmdb.open(str(tmp_path), readonly=True, lock=False) as env, env.begin() as transaction:
        expected = list(transaction.cursor())
        assert n < 3000 or env.stat()["depth"] >= 3
    database = LmdbFile(path)
    assert len(database) == len(expected)
    assert list(database.items()) == expected


def test_tables_within_tables_are_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), max_dbs=2, map_size=2**20) as env:
        inner = env.open_db(b"inner")
        with env.begin(write=True, db=inner) as transaction:
            transaction.put(b"key", b"value")
    with pytest.raises(ValueError, match="tables within tables"):
        list(LmdbFile(tmp_path / "data.mdb").items())


def test_a_large_value_is_an_error_and_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, 9, 9000)
    monkeypatch.setattr(limits, "LARGEST", 5000)
    values = [value for _, value in LmdbFile(path).items()]
    assert {type(value) for value in values} == {bytes, ValueError}
    assert all(len(value) <= 5000 for value in values if isinstance(value, bytes))


def test_a_tree_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 3000, 300, 200)
    data = bytearray(path.read_bytes())
    root = LmdbFile(path).meta.root
    # The first node of the root's page leads to the root.
    node = root * 4096 + int.from_bytes(data[root * 4096 + 16 :][:2], "little")
    data[node : node + 6] = root.to_bytes(6, "little")
    path.write_bytes(data)
    with pytest.raises(ValueError, match="its pages form no tree"):
        list(LmdbFile(path).items())


@pytest.mark.parametrize(("place", "said"), [(16, "of format 1"), (40, "pages should not have")])
def test_other_files_are_refused(tmp_path: Path, place: int, said: str) -> None:
    path = write(tmp_path, 7, 9)
    data = bytearray(path.read_bytes())
    data[place] ^= 7
    path.write_bytes(data)
    with pytest.raises(ValueError, match=said):
        LmdbFile(path)
