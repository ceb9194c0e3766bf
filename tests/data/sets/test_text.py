r"""Tests for the energy_gans.data.sets.text, embedded_text and prepared.text modules."""

import gzip
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch

from energy_gans.characters import OWN, PAD, UNKNOWN, read_lines
from energy_gans.commands.prepare import text as prepare, verify
from energy_gans.data import EmbeddedText, TextLines

LINES = [f"{word} {i}" for i in range(40) for word in ("Ab", "a long line of words", "ba")]
SHAPE = {"length": 8, "symbols": 40, "hold_out": 4}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(["", *LINES, "  ", f" {LINES[0]} \r", ""]))
    return path


def lines_of(data: TextLines, split: str) -> list[str]:
    n = data.length(split)
    y, label = next(iter(data.loader(split, [torch.arange(n)])))
    assert y.shape == (n, 8)
    assert y.dtype == torch.uint8
    assert not label.any()
    return read_lines(data.to_samples(y), data.vocabulary)


def test_a_line_is_a_sample_and_blank_lines_are_none(path: Path) -> None:
    data = TextLines(str(path), **SHAPE)
    assert data.shape == (40, 8)
    train, val = (lines_of(data, split) for split in ("train", "val"))
    assert sorted(train + val) == sorted(line[:8] for line in [*LINES, LINES[0]])
    assert len(val) > 10
    # Equal lines, as far as they are read, are in one split.
    assert not {*train} & {*val}


def test_the_case_of_characters_is_kept_and_frequent_ones_come_first(path: Path) -> None:
    vocabulary = TextLines(str(path), **SHAPE).vocabulary
    text = "".join(line[:8] for line in [*LINES, LINES[0]])
    counts = [text.count(character) for character in vocabulary[2:]]
    assert vocabulary[:2] == OWN
    assert set(vocabulary[2:]) == set(text)
    assert counts == sorted(counts, reverse=True)
    assert {"A", "a"} <= set(vocabulary)


def test_rare_characters_are_unknown_and_said(path: Path) -> None:
    data = TextLines(str(path), **SHAPE | {"symbols": 6})
    with pytest.warns(UserWarning, match="characters of the text are not among its 4 most"):
        lines = lines_of(data, "train")
    assert {*"".join(lines)} == {*data.vocabulary[1:]}
    assert data.shape == (6, 8)


def test_own_symbols_in_the_text_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(f"{PAD}line {i}" for i in range(99)))
    with pytest.warns(UserWarning, match="99 characters"):
        lines = lines_of(TextLines(str(path), **SHAPE), "train")
    assert all(line.startswith(f"{UNKNOWN}line") for line in lines)


def test_a_given_vocabulary_is_kept(path: Path) -> None:
    characters = "".join(sorted({*"".join(LINES)}))
    data = TextLines(str(path), **SHAPE, characters=characters)
    assert data.vocabulary == OWN + characters
    assert sorted(lines_of(data, "val")) == sorted(lines_of(TextLines(str(path), **SHAPE), "val"))


def test_files_archives_folders_and_prepared_sets_hold_the_same(
    path: Path, tmp_path: Path
) -> None:
    packed, folder, out = tmp_path / "a.gz", tmp_path / "shards", tmp_path / "prepared"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    folder.mkdir()
    text = path.read_text()
    for i, part in enumerate((text[:200], text[200:])):
        whole = part.rpartition("\n")[0] if i == 0 else text[:200].rpartition("\n")[2] + part
        (folder / f"{i}.txt").write_text(whole)
    made = prepare(folder, out, **SHAPE)
    assert made.manifest == verify(out).manifest
    sets = [TextLines(str(p), **SHAPE) for p in (path, packed, folder, out)]
    assert made.vocabulary == sets[0].vocabulary
    assert "TextLines" in str(made)
    for split in ("train", "val"):
        first, *others = (lines_of(data, split) for data in sets)
        assert first
        assert all(other == first for other in others)
    assert len({data.fingerprint("train") for data in sets[:3]}) == 1


def test_the_fingerprint_is_that_of_text_and_vocabulary(path: Path) -> None:
    characters = "".join(sorted({*"".join(LINES)}))
    prints = {
        TextLines(str(path), **SHAPE, characters=found).fingerprint("val")
        for found in (characters, characters[::-1], None)
    }
    assert len(prints) == 3


REFUSED = {
    "empty": (
        b"",
        {},
        "should hold lines of at least 'length' = 8 characters, and there are none",
    ),
    "blank": (b"\n \n\n", {}, "and there are none"),
    "short": (b"a\nabc\n", {}, "and the longest has 3"),
    "one line": (b"one long line", {}, "should hold more lines: with 'hold_out' = 4, none is"),
    "bytes": (b"a line of text\nanother\x00one", {}, "text in UTF-8.* line 2 holds the byte 0"),
    "latin": (
        "first line\nété".encode("latin1"),
        {},
        "text in UTF-8.* line 2 holds the byte 0xe9",
    ),
    "torn": (gzip.compress(b"a line of text\n" * 99)[:-9], {}, "or a .gz file of it: "),
    "outside": (
        "all lines\n\nof a text\n😀 laughs here".encode(),
        {"characters": "abcdefghijklmnopqrstuvwxyz "},
        "and line 4 of .*text.txt has '😀' .U.1F600.: add it",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    content, options, message = REFUSED[name]
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    data = TextLines(str(path), **SHAPE, **options)
    with pytest.raises(ValueError, match=message) as raised:
        data.setup("fit")
    assert ("'data.init_args.root' = " in str(raised.value)) == (name != "outside")
    with pytest.raises(ValueError, match=message):
        prepare(path, tmp_path / "out", **SHAPE, **options)
    assert not [p for p in tmp_path.iterdir() if p != path]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"length": 0}, "'length' should be .* got 0"),
        ({"symbols": 2}, "'symbols' should be from 3 to 256, got 2"),
        ({"symbols": 257}, "'symbols' should be from 3 to 256, got 257"),
        ({"hold_out": 1}, "'hold_out' should be at least 2, got 1"),
        ({"characters": "aa"}, "'characters' should hold each character once"),
    ],
)
def test_other_arguments_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextLines("text.txt", **options)


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="'data.init_args.root' = .* is not there.*prepare text"
    ):
        TextLines(str(tmp_path / "no")).setup("fit")
    with pytest.raises(ValueError, match="should hold files of text, and holds none"):
        TextLines(str(tmp_path)).setup("fit")


def test_a_prepared_set_of_other_lines_is_refused(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    prepare(path, out, **SHAPE)
    with pytest.raises(ValueError, match="'data.init_args.length' is 9, .* prepared with 8"):
        TextLines(str(out), **SHAPE | {"length": 9}).setup("fit")
    with pytest.raises(ValueError, match="'data.init_args.characters' is 'ab', .*with None"):
        TextLines(str(out), **SHAPE, characters="ab").setup("fit")


def test_embedded_text_is_prose_without_a_download() -> None:
    data = EmbeddedText(length=24)
    assert data.length("train") > 4000
    assert data.length("val") > 400
    text = " ".join(read_lines(data.contents("train")[0], data.vocabulary))
    assert sum(text.count(word) for word in (" the ", " of ", " is ")) > 2000


def test_a_python_without_its_help_is_refused() -> None:
    lacking = mock.patch.dict(sys.modules, {"pydoc_data.topics": None})
    with lacking, pytest.raises(ValueError, match="reads the topics of Python's help"):
        EmbeddedText().setup("fit")
