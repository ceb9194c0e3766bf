r"""Tests for the energy_gans.data.sources.containers module."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from energy_gans.data.sources import containers
from energy_gans.data.sources.containers import open_container

from .writing import pack

FILES = {"b/2": b"two", "a/z": b"z", "a/b/c": b"c", "top": b""}
ORDER = ["a/b/c", "a/z", "b/2", "top"]
KINDS = ["folder", "x.zip", "x.tar", "x.tar.gz", "x.tgz"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_listed_and_read(tmp_path: Path, kind: str) -> None:
    container = open_container(pack(tmp_path / kind, FILES))
    assert sorted(container.names) == sorted(ORDER)
    assert dict(container.read(container.names)) == FILES
    assert dict(container.read(["b/2"])) == {"b/2": b"two"}
    assert container.kind in kind or kind == "x.tgz"


@pytest.mark.parametrize("kind", KINDS[:2])
def test_folders_and_zips_are_read_in_the_order_of_names(tmp_path: Path, kind: str) -> None:
    container = open_container(pack(tmp_path / kind, FILES))
    assert container.names == ORDER
    assert [name for name, _ in container.read(container.names)] == ORDER


def test_tars_are_read_in_their_own_order(tmp_path: Path) -> None:
    files = {str(i): bytes([i]) for i in range(200, 0, -1)}
    container = open_container(pack(tmp_path / "x.tar", files))
    assert container.names == list(files)
    assert list(container.read(sorted(files))) == list(files.items())


def test_an_archive_is_known_by_its_contents(tmp_path: Path) -> None:
    pack(tmp_path / "x.zip", FILES).rename(tmp_path / "download")
    assert open_container(tmp_path / "download").kind == "zip"


@pytest.mark.parametrize("kind", ["x.zip", "x.tar"])
def test_names_that_lead_elsewhere_are_only_names(tmp_path: Path, kind: str) -> None:
    files = {"../../evil": b"1", "/tmp/evil": b"2", "./plain": b"3"}
    container = open_container(pack(tmp_path / kind, files))
    assert sorted(c for _, c in container.read(container.names)) == [b"1", b"2", b"3"]
    assert "plain" in container.names
    assert os.listdir(tmp_path) == [kind]


def test_links_of_a_tar_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        member = tarfile.TarInfo("link.jpg")
        member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(member)
    assert open_container(tmp_path / "x.tar").names == []


def test_a_damaged_member_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a": b"a" * 999, "b": os.urandom(999), "c": b"c"})
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("b").header_offset
    contents = bytearray(path.read_bytes())
    contents[start + 200] ^= 0xFF
    path.write_bytes(contents)
    container = open_container(path)
    (_, a), (_, b), (_, c) = container.read(container.names)
    assert (a, c) == (b"a" * 999, b"c")
    assert isinstance(b, ValueError)
    assert "damaged" in str(b)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_that_may_not_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    pack(tmp_path, FILES)
    (tmp_path / "top").chmod(0)
    ((_, error),) = open_container(tmp_path).read(["top"])
    assert "can not be read" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_large_is_not_read(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "LARGEST", 2)
    container = open_container(pack(tmp_path / kind, FILES))
    contents = dict(container.read(container.names))
    assert contents["a/z"] == b"z"
    assert "3 bytes, more than" in str(contents["b/2"])


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_torn_archive_is_refused(tmp_path: Path, kind: str) -> None:
    path = pack(tmp_path / kind, {"a": os.urandom(30_000), "b": os.urandom(30_000)})
    path.write_bytes(path.read_bytes()[:45_000])
    with pytest.raises(ValueError, match=r"'source' = .*(is torn|cut short)"):
        open_container(path)


def test_what_is_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("<html>404</html>")
    with pytest.raises(ValueError, match="no folder, zip or tar archive"):
        open_container(tmp_path / "x.zip")
    with pytest.raises(FileNotFoundError, match=r"'source' = .*nowhere' does not exist"):
        open_container(tmp_path / "nowhere")
