r"""Tests for the energy_gans.data.prepared.sources.containers module."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from energy_gans.data.prepared.sources import limits
from energy_gans.data.prepared.sources.containers import open_container

from .writing import frugal, pack

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


def add(archive: tarfile.TarFile, name: str, kind: bytes, size: int = 0) -> tarfile.TarInfo:
    r"""Adds a member's header, of any type and size, without contents."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, "/etc/passwd"
    archive.fileobj.write(member.tobuf(archive.format))
    archive.offset += tarfile.BLOCKSIZE
    return member


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (
            tarfile.SYMTYPE,
            "it is a link to '/etc/passwd', and no file of the archive has that name",
        ),
        (
            tarfile.LNKTYPE,
            "it is a link to '/etc/passwd', and no file of the archive has that name",
        ),
        (tarfile.FIFOTYPE, "it is a device or a pipe, and no regular file"),
        (tarfile.CHRTYPE, "it is a device or a pipe, and no regular file"),
        (tarfile.BLKTYPE, "it is a device or a pipe, and no regular file"),
    ],
)
def test_members_of_a_tar_that_are_no_files_are_named_and_not_followed(
    tmp_path: Path, kind: bytes, reason: str
) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        add(archive, "folder", tarfile.DIRTYPE)
        add(archive, "x.png", kind)
    container = open_container(tmp_path / "x.tar")
    with frugal():
        ((name, error),) = container.read(container.names)
    assert name == "x.png"
    assert str(error) == reason


def test_links_to_files_are_read_in_a_folder(tmp_path: Path) -> None:
    pack(tmp_path / "there", FILES)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/file").symlink_to(tmp_path / "there/top")
    (tmp_path / "here/folder").symlink_to(tmp_path / "there/a")
    (tmp_path / "there/a/loop").symlink_to(tmp_path / "here")
    (tmp_path / "here/self").symlink_to("self")
    with frugal():
        contents = dict(open_container(tmp_path / "here").read(["file", "folder/z", "self"]))
    assert contents["file"] == b"" and contents["folder/z"] == b"z"
    assert "can not be read" in str(contents["self"])


def test_pipes_and_devices_of_a_folder_are_errors_of_their_own(tmp_path: Path) -> None:
    pack(tmp_path, FILES)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    container = open_container(tmp_path)
    with frugal():
        contents = dict(container.read(container.names))
    assert "it is a named pipe, and should be a regular file" in str(contents["pipe"])
    assert "it is a device, and should be a regular file" in str(contents["zero"])
    assert contents.items() >= FILES.items()


@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
def test_a_source_that_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.zip"
    os.mkfifo(path) if kind == "a named pipe" else path.symlink_to("/dev/zero")
    with frugal(), pytest.raises(ValueError, match=rf"'source' = .*x.zip' .*it is {kind}, and sh"):
        open_container(path)


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


def test_a_name_that_is_damaged_in_its_own_header_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a": b"a", "\xe9": b"e"})
    contents = path.read_bytes()
    assert contents.count("\xe9".encode()) == 2
    path.write_bytes(contents.replace("\xe9".encode(), b"\xe9\xe9", 1))
    container = open_container(path)
    (_, a), (_, e) = container.read(container.names)
    assert a == b"a" and isinstance(e, ValueError) and "damaged" in str(e)


def test_a_folder_has_the_name_of_its_place_and_is_read_once(tmp_path: Path) -> None:
    pack(tmp_path / "here", {"z/1": b"1", "m/2": b"2"})
    pack(tmp_path / "there", {"3": b"3", "deep/4": b"4"})
    (tmp_path / "here/a").symlink_to("z")
    for name in ("y", "b"):
        (tmp_path / "here" / name).symlink_to(tmp_path / "there")
    (tmp_path / "here/m/up").symlink_to("..")
    container = open_container(tmp_path / "here")
    assert container.names == ["b/3", "b/deep/4", "m/2", "z/1"]
    reason = "the folder is read under another name"
    assert container.left_out == [("a", reason), ("m/up", reason), ("y", reason)]


def test_links_to_nothing_are_listed_and_known(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "ring").symlink_to("ring")
    container = open_container(tmp_path)
    assert container.names == ["gone", "ring"]
    assert container.broken == {
        "gone": "it is a link to 'nowhere'",
        "ring": "it is a link to 'ring'",
    }


def test_a_folder_that_can_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(tmp_path, FILES)
    whole = os.scandir

    def scan(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(os, "scandir", scan)
    closed = tmp_path / "a"
    container = open_container(tmp_path)
    assert container.names == ["b/2", "top"]
    assert container.left_out == [("a", "the folder can not be read: Permission denied")]
    closed = tmp_path
    with pytest.raises(ValueError, match=r"'source' = .*: the folder can not be read: Permission"):
        open_container(tmp_path)


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
    monkeypatch.setattr(limits, "LARGEST", 2)
    container = open_container(pack(tmp_path / kind, FILES))
    contents = dict(container.read(container.names))
    assert contents["a/z"] == b"z"
    assert "3 bytes, more than" in str(contents["b/2"])


def test_a_zip_of_bombs_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST", 2**20)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.png", "w") as file:
            for _ in range(100):
                file.write(bytes(2**20))
        archive.writestr("b.png", b"b")
    with frugal(memory=2**26):
        contents = dict(open_container(path).read(["a.png", "b.png"]))
    assert "104857600 bytes, more than" in str(contents["a.png"])
    assert contents["b.png"] == b"b"


def test_a_size_that_a_zip_only_says_is_not_believed(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.png": bytes(100 * 2**20)})
    contents = path.read_bytes()
    path.write_bytes(
        contents.replace((100 * 2**20).to_bytes(4, "little"), (9).to_bytes(4, "little"))
    )
    with frugal(memory=2**26):
        ((_, error),) = open_container(path).read(["a.png"])
    assert "it is damaged" in str(error)


def test_zips_are_stored_or_deflated(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.png", bytes(9))
    ((_, error),) = open_container(path).read(["a.png"])
    assert "not stored or deflated" in str(error)


def test_a_tar_of_bombs_is_not_unpacked(tmp_path: Path) -> None:
    # The header announces a member that the archive lacks.
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        add(archive, "a.png", tarfile.REGTYPE, 18 * 10**9)
    with frugal(), pytest.raises(ValueError, match=r"'source' = .*unpacks to 1800000\d{4} bytes"):
        open_container(path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
@pytest.mark.parametrize("first", [True, False])
def test_long_names_of_a_tar_take_no_memory(tmp_path: Path, kind: bytes, first: bool) -> None:
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        if not first:
            add(archive, "a.png", tarfile.REGTYPE)
        add(archive, "././@LongLink", kind, 100 * 2**20)
        for _ in range(100):
            archive.fileobj.write(bytes(2**20))
    with (
        frugal(memory=2**26),
        pytest.raises(ValueError, match=r"'source' = .*(damaged|cut short)"),
    ):
        open_container(path)


def test_a_long_chain_of_headers_is_one_sentence(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        add(archive, "a.png", tarfile.REGTYPE)
        for _ in range(3000):
            add(archive, "././@LongLink", tarfile.GNUTYPE_LONGNAME, 0)
    with pytest.raises(ValueError, match=r"'source' = .* is damaged"):
        open_container(tmp_path / "x.tar")


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_torn_archive_is_refused(tmp_path: Path, kind: str) -> None:
    path = pack(tmp_path / kind, {"a": os.urandom(30_000), "b": os.urandom(30_000)})
    path.write_bytes(path.read_bytes()[:45_000])
    with pytest.raises(ValueError, match=r"'source' = .*(is damaged|cut short)"):
        open_container(path)


def test_what_is_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("<html>404</html>")
    with pytest.raises(ValueError, match="no folder, zip or tar archive"):
        open_container(tmp_path / "x.zip")
    with pytest.raises(FileNotFoundError, match=r"'source' = .*nowhere' does not exist"):
        open_container(tmp_path / "nowhere")
