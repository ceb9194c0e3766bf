r"""Every reader of files, on damaged files: what it raises, writes, starts and allocates."""

import warnings
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from ..examples import examples
from .damage import changed, changes, damaged, damaged_member, harms
from .formats import READERS
from .reader import Reader
from .watch import check_own, watched

FILES = [(name, file) for name, reader in READERS.items() for file in reader.files]
ARCHIVES = [(name, file) for name, reader in READERS.items() for file in reader.archives]
TREES = [(name, file) for name, reader in READERS.items() for file in reader.trees]


class Sample:
    r"""Valid files of a reader, one of which is damaged again and again."""

    def __init__(self, folder: Path, name: str, file: str) -> None:
        self.reader: Reader = READERS[name]
        self.root = folder / "root"
        self.root.mkdir()
        self.reader.write(self.root)
        self.path = self.root / file
        self.files = {p: p.read_bytes() for p in self.root.rglob("*") if p.is_file()}
        self.valid = self.files[self.path]
        with watched(folder):
            self.reader.read(self.root)

    def read(self) -> None:
        r"""Reads the damaged file: it is read, or refused in a sentence that names it."""
        try:
            with warnings.catch_warnings(), watched(self.root.parent):
                warnings.simplefilter("ignore")
                self.reader.read(self.root)
        except Exception as error:
            check_own(error, self.path.name, str(self.path.parent), str(self.root))
        finally:
            for path, data in self.files.items():
                path.write_bytes(data)


@pytest.fixture
def sample(tmp_path: Path, request: pytest.FixtureRequest) -> Sample:
    return Sample(tmp_path, *request.param)


def every(places: list[tuple[str, str]]) -> pytest.MarkDecorator:
    ids = [f"{name}: {file}" for name, file in places]
    return pytest.mark.parametrize("sample", places, ids=ids, indirect=True)


@every(FILES)
@examples(4)
@given(harms)
def test_damaged_bytes(sample: Sample, harm: list) -> None:
    sample.path.write_bytes(damaged(sample.valid, harm))
    sample.read()


@every(ARCHIVES)
@examples(4)
@given(st.integers(0, 99), harms)
def test_damaged_members_of_archives(sample: Sample, place: int, harm: list) -> None:
    sample.path.write_bytes(damaged_member(sample.valid, place, harm))
    sample.read()


@every(TREES)
@examples(10)
@given(changes)
def test_changed_values(sample: Sample, change: tuple[int, int]) -> None:
    load, save = sample.reader.trees[str(sample.path.relative_to(sample.root))]
    save(changed(load(sample.path), *change), sample.path)
    sample.read()
