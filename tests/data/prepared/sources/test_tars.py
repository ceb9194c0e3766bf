r"""Tests for the energy_gans.data.prepared.sources.tars module, and of links in zip archives."""

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from energy_gans.data.prepared.sources import folder_source, tars
from energy_gans.data.prepared.sources.containers import Container, open_container

from .writing import pack, picture

FILES = {"a/0.png": b"zero", "a/1.png": b"one", "b/2.png": b"two"}
KINDS = ["x.tar", "x.tar.gz", "x.zip"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    r"""Writes files and links of all kinds to them."""
    root = pack(tmp_path / "pictures", FILES)
    (root / "a/soft.png").symlink_to("0.png")
    (root / "b/up.png").symlink_to("../a/1.png")
    (root / "a/chain.png").symlink_to("../b/up.png")
    os.link(root / "b/2.png", root / "b/hard.png")
    (root / "0 before its file.png").symlink_to("b/2.png")
    (root / "b/folder").symlink_to("../a")
    (root / "b/through.png").symlink_to("folder/1.png")
    (root / "b/out.png").symlink_to(tmp_path / "secret")
    (root / "b/away.png").symlink_to("../../secret")
    (root / "b/gone").symlink_to(tmp_path / "elsewhere")
    (root / "b/ring.png").symlink_to("ring.png")
    return root


def archive(folder: Path, path: Path, top: str = "") -> Path:
    r"""Packs a folder and keeps its links, like `tar` and `zip -y`."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in names:
                member = zipfile.ZipInfo(top + name)
                member.create_system = 3
                if (folder / name).is_symlink():
                    member.external_attr = (stat.S_IFLNK | 0o777) << 16
                    packed.writestr(member, os.readlink(folder / name))
                elif (folder / name).is_file():
                    packed.writestr(member, (folder / name).read_bytes())
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as packed:
            for name in names:
                packed.add(folder / name, top + name, recursive=False)
    return path


def contents(container: Container) -> dict[str, bytes | str]:
    return {
        name: str(read) if isinstance(read, ValueError) else read
        for name, read in container.read(container.names)
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top", ["", "./", "pictures/"])
def test_links_give_what_a_folder_gives(folder: Path, tmp_path: Path, kind: str, top: str) -> None:
    container = open_container(archive(folder, tmp_path / kind, top))
    (tmp_path / "secret").write_bytes(b"secret")
    start = len(top.replace("./", ""))
    found = {name[start:]: read for name, read in contents(container).items()}
    expected = contents(open_container(folder))
    for outside in ("b/out.png", "b/away.png"):
        assert expected.pop(outside) == b"secret"
        assert "no file of the archive has that name" in found.pop(outside)
    assert "symbolic links" in expected.pop("b/ring.png")
    assert "link to 'ring.png'" in found.pop("b/ring.png")
    # A link without a target may have been a link to a folder.
    assert "can not be read" in expected.pop("b/gone")
    assert "elsewhere" in found.pop("b/gone")
    assert found == expected
    assert len(found) == len(FILES) + 6
    assert [name[start:] for name, _ in container.left_out] == ["b/folder"]
    assert {name[start:] for name in container.broken} == {
        *("b/out.png", "b/away.png", "b/ring.png", "b/gone")
    }


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_file_and_its_links_come_together(folder: Path, tmp_path: Path, kind: str) -> None:
    container = open_container(archive(folder, tmp_path / kind))
    assert [name for name, _ in container.read(container.names)] == container.names
    at = container.names.index("0 before its file.png")
    assert set(container.names[at : at + 3]) == {"0 before its file.png", "b/2.png", "b/hard.png"}
    assert dict(container.read(["0 before its file.png"])) == {"0 before its file.png": b"two"}


def test_an_archive_is_read_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = open_container(archive(folder, tmp_path / "x.tar.gz"))
    read: list[str] = []
    whole = tarfile.TarFile.extractfile

    def extract(self: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedReader | None:
        read.append(member.name)
        return whole(self, member)

    monkeypatch.setattr(tarfile.TarFile, "extractfile", extract)
    assert len(contents(container)) == 13
    assert sorted(read) == ["a/0.png", "a/1.png", "b/2.png"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_later_of_two_files_of_one_name_counts(tmp_path: Path, kind: str) -> None:
    path, files = tmp_path / kind, [("a.png", b"old"), ("b.png", b"b"), ("./a.png", b"new")]
    if kind == "x.zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name, value in files:
                packed.writestr(name, value)
    else:
        with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as packed:
            for name, value in files:
                member = tarfile.TarInfo(name)
                member.size = len(value)
                packed.addfile(member, io.BytesIO(value))
    container = open_container(path)
    assert contents(container) == {"a.png": b"new", "b.png": b"b"}
    assert container.left_out == [("a.png", "a later file of the archive has the same name")]


def test_links_do_not_multiply_what_an_archive_unpacks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as packed:
        member = tarfile.TarInfo("0.png")
        member.size = 1000
        packed.addfile(member, io.BytesIO(bytes(1000)))
        for i in range(50):
            link = tarfile.TarInfo(f"link{i}.png")
            link.type, link.linkname = tarfile.LNKTYPE, "0.png"
            packed.addfile(link)
    assert len(open_container(path).names) == 51
    seen = []
    monkeypatch.setattr(tars, "check_expansion", lambda _, size, packed: seen.append(size))
    open_container(path)
    # 51 headers, and two blocks of contents that the 50 links repeat.
    assert seen[-1] == 51 * 512 + 1024 + 50 * 1000


def test_the_pictures_of_linked_folders_and_files_are_all_prepared_or_named(
    tmp_path: Path,
) -> None:
    root = pack(
        tmp_path / "pictures", {f"{c}/{i}.png": picture(i) for c in "ab" for i in range(3)}
    )
    (root / "a/copy.png").symlink_to("../b/0.png")
    (root / "c").symlink_to("b")
    (root / "d").symlink_to(tmp_path / "nowhere")
    (root / ".hidden").symlink_to("b")
    sources = [folder_source(root, 2)]
    sources += [folder_source(archive(root, tmp_path / kind), 2) for kind in KINDS]
    for source in sources:
        names = {record.name for record in source.records}
        assert len(names) == 7 and "a/copy.png" in names
        left_out = dict(source.left_out)
        assert set(left_out) == {"c", "d"}
        assert left_out["c"] == "the folder is read under another name"
        assert "it is a link to " in left_out["d"] and "nowhere" in left_out["d"]
