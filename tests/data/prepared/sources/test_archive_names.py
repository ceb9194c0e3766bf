r"""Tests for the energy_gans.data.prepared.sources.archive_names module."""

import os
import random
from pathlib import Path

import pytest

from energy_gans.data.prepared.sources.archive_names import (
    HOPS,
    Link,
    _resolve_link,
    normalize_name,
    resolve_links,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("./a/b", "a/b"), ("a//b/", "a/b"), ("/a/b", "a/b"), ("//a", "a"), ("../a", "../a")],
)
def test_names_are_plain_and_relative(name: str, expected: str) -> None:
    assert normalize_name(name) == expected


LINKS = {
    "soft": Link("a/1", True),
    "a/up": Link("../b/2", True),
    "a/beside": Link("1", True),
    "hard": Link("a/1", False),
    "a/deep/hard": Link("a/1", False),
    "chain": Link("a/up", True),
    "folder": Link("a", True),
    "through": Link("folder/beside", True),
    "folder2": Link("./folder/../b//", True),
    "out": Link("../etc/passwd", True),
    "a/out": Link("../../etc/passwd", True),
    "absolute": Link("/a/1", True),
    "hard absolute": Link("/a/1", False),
    "self": Link("self", True),
    "ring": Link("a/ring", True),
    "a/ring": Link("../ring", True),
    "nothing": Link("c/3", True),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/1", "a/1"),
        ("soft", "a/1"),
        ("a/up", "b/2"),
        ("a/beside", "a/1"),
        ("hard", "a/1"),
        ("a/deep/hard", "a/1"),
        ("chain", "b/2"),
        ("through", "a/1"),
        ("folder/1", "a/1"),
        ("folder2/2", "b/2"),
        ("out", None),
        ("a/out", None),
        ("absolute", None),
        ("hard absolute", "a/1"),
        ("self", None),
        ("ring", None),
        ("nothing", "c/3"),
    ],
)
def test_links_lead_to_names_within_the_archive(name: str, expected: str | None) -> None:
    assert _resolve_link(name, LINKS) == expected


def test_what_becomes_of_links() -> None:
    followed = resolve_links(LINKS, ["a/1", "b/2"])
    assert followed.files == {
        **dict.fromkeys(["soft", "a/beside", "hard", "a/deep/hard", "through"], "a/1"),
        **dict.fromkeys(["a/up", "chain"], "b/2"),
        "hard absolute": "a/1",
    }
    assert followed.folders == ["folder", "folder2"]
    assert set(followed.broken) == {
        *("out", "a/out", "absolute", "self", "ring", "a/ring", "nothing")
    }
    assert "link to '../etc/passwd', and no file of the archive" in followed.broken["out"]


def test_long_chains_of_links_end() -> None:
    links = {str(i): Link(str(i + 1), True) for i in range(10 * HOPS)}
    assert _resolve_link(str(9 * HOPS), links) == str(10 * HOPS)
    assert _resolve_link("0", links) is None
    doubling = {f"d{i}": Link(f"d{i + 1}/d{i + 1}", True) for i in range(60)}
    assert _resolve_link("d0", doubling) is None


@pytest.mark.parametrize("seed", range(20))
def test_the_system_follows_symbolic_links_to_the_same_files(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    folders = ["", "a", "b", "a/c"]
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "file").write_text(folder)
    links = {}
    for i in range(12):
        folder = draw.choice(folders)
        parts = ["..", ".", "a", "b", "c", "file", *[f"link{j}" for j in range(12)]]
        target = "/".join(draw.choices(parts, k=draw.randint(1, 3)))
        name = f"{folder}/link{i}".lstrip("/")
        links[name] = Link(target, True)
        (tmp_path / name).symlink_to(target)
    files = {f"{folder}/file".lstrip("/") for folder in folders}
    found = resolve_links(links, files).files
    for name in links:
        real = Path(os.path.realpath(tmp_path / name))
        # In an archive, folders are only parts of names, so `file/..` has a target.
        if real.is_file() and tmp_path in real.parents:
            assert found[name] == real.relative_to(tmp_path).as_posix()
        elif name in found:
            assert "file/" in links[name].target or not real.exists()
