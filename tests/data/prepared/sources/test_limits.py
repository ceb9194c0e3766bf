r"""Tests for the energy_gans.data.prepared.sources.limits module."""

import os
import socket
from pathlib import Path

import pytest

from energy_gans.data.prepared.sources import limits
from energy_gans.data.prepared.sources.limits import (
    check_expansion,
    check_regular,
    read_regular,
    size_error,
)

from .writing import frugal


@pytest.mark.parametrize("size", [0, 1, 10])
def test_a_file_is_read_whole_also_through_links(tmp_path: Path, size: int) -> None:
    contents = os.urandom(size)
    (tmp_path / "a").write_bytes(contents)
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("b")
    assert read_regular(tmp_path / "c", 10) == contents
    assert check_regular(tmp_path / "c").st_size == size


def irregular(at: Path, kind: str) -> Path:
    r"""Returns a file that is not regular, or a link to one."""
    path = at / "x.png"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind(os.path.relpath(path))
        server.close()
    else:
        path.symlink_to("/dev/zero" if kind == "a device" else at)
    return path


@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device", "a folder"])
def test_what_is_no_regular_file_is_not_opened(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = irregular(tmp_path, kind)
    with frugal(), pytest.raises(ValueError, match=f"it is {kind}, and should be a regular file"):
        read_regular(path, 10**6)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    os.mkfifo(tmp_path / "pipe")
    whole = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: whole(tmp_path / "pipe", flags))
    with frugal():
        assert read_regular(tmp_path / "a", 10) == b""


def test_a_size_is_that_of_the_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(100))
    small = os.stat_result((*os.stat(path)[:6], 10, 0, 0, 0))
    monkeypatch.setattr(limits, "check_regular", lambda _: small)
    with pytest.raises(ValueError, match="more than the 10 bytes that the file system says"):
        read_regular(path, 50)


def test_sizes_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(11))
    with pytest.raises(ValueError, match="it has 11 bytes, more than the 10 that are read"):
        read_regular(tmp_path / "a", 10)
    assert size_error(10, 10) is None


def test_archives_unpack_to_what_pictures_do(tmp_path: Path) -> None:
    check_expansion(tmp_path, 2**30, 1)
    check_expansion(tmp_path, 10**12, 10**10)
    with pytest.raises(
        ValueError, match=r"'source' = .* pictures, but unpacks to 1073741825 bytes"
    ):
        check_expansion(tmp_path, 2**30 + 1, 10**7)
