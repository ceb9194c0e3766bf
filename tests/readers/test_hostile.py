r"""Files that somebody made to do harm: names, links, code, nesting, sizes."""

import io
import json
import os
import pickle
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from energy_gans.commands.config_files import read_yaml
from energy_gans.commands.prepare import folder as prepare_folder

from ..data.prepared.sources.writing import picture
from ..examples import examples
from .formats import READERS
from .reader import Reader
from .watch import check_own, watched

PARTS = ["..", ".", "", "a", "b", "train", "val", "~", "C:", "\\", "\0", "é", " ", "x" * 300]
names = st.builds(
    lambda parts, top, end: top + "/".join(parts) + end,
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=5),
    st.sampled_from(["", "/", "//", "../", "../../", "/tmp/", "\\\\host\\"]),
    st.sampled_from([".png", "", "/", ".png/", "/1.png", "/../2.png"]),
)
links = st.sampled_from(["", "/etc/hostname", "../../../etc", "a", "..", "b/1.png", "."])
members = st.lists(st.tuples(names, st.sampled_from("fsdlpo"), links), min_size=1, max_size=8)
# Members that can be prepared, so that some archives are read to their end.
PICTURES = [(f"{split}/c/{i}.png", "f", "") for split in ("train", "val") for i in (1, 2)]
TYPES = {
    "f": tarfile.REGTYPE,
    "s": tarfile.SYMTYPE,
    "d": tarfile.DIRTYPE,
    "l": tarfile.LNKTYPE,
    "p": tarfile.FIFOTYPE,
    "o": tarfile.CHRTYPE,
}


def write_tar(path: Path, contents: list[tuple[str, str, str]]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, kind, target in contents:
            member = tarfile.TarInfo(name.replace("\0", ""))
            member.type, member.linkname = TYPES[kind], target
            data = picture(len(name) % 250) if kind == "f" else b""
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_zip(path: Path, contents: list[tuple[str, str, str]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, kind, target in contents:
            member = zipfile.ZipInfo(name or "a")
            modes = {"s": stat.S_IFLNK, "d": stat.S_IFDIR, "p": stat.S_IFIFO, "o": stat.S_IFCHR}
            member.external_attr = (modes.get(kind, stat.S_IFREG) | 0o644) << 16
            archive.writestr(member, target if kind == "s" else picture(len(name) % 250))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
@examples(15)
@given(contents=members)
def test_names_and_links_of_archives_lead_nowhere(
    tmp_path_factory: pytest.TempPathFactory, kind: str, contents: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "below").mkdir()
    source, out = folder / f"a.{kind}", folder / "below/out"
    {"zip": write_zip, "tar": write_tar}[kind](source, [*contents, *PICTURES])
    try:
        with watched(folder / "below"):
            made = prepare_folder(str(source), str(out), 8, hold_out=2, on_error="skip")
    except Exception as error:
        check_own(error, source.name, *(name for name, _, _ in contents if name))
    else:
        assert sum(made.counts.values()) >= 2
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    written = {
        f"{s}.{what}.npy" for s in ("train", "val") for what in ("images", "labels", "sums")
    }
    assert found <= {source.name} | {f"below/out/{one}" for one in {*written, "manifest.json"}}


class Code:
    r"""An object whose unpickling runs a function."""

    def __init__(self, function: object, *args: object) -> None:
        self.called = function, args

    def __reduce__(self) -> tuple:
        return self.called


CODE = [
    Code(os.system, "true"),
    Code(os.mkdir, "ran"),
    Code(eval, "__import__('os').mkdir('ran')"),
]
PICKLED = [
    (name, file)
    for name, reader in READERS.items()
    for file in reader.files
    if file.endswith((".pt", ".ckpt", ".npy", ".npz", "data_batch_3", "batches.meta"))
]


def write_code(path: Path, code: Code) -> None:
    r"""Writes a file of a path's kind that holds code."""
    if path.suffix in (".npy", ".npz"):
        array = np.array([code], dtype=object)
        {".npy": np.save, ".npz": np.savez}[path.suffix](path, samples=array) if (
            path.suffix == ".npz"
        ) else np.save(path, array)
    elif path.suffix in (".pt", ".ckpt"):
        torch.save({"state_dict": {"w": code}, "seed": code, "global_step": code}, path)
    else:
        path.write_bytes(pickle.dumps({"data": code, "labels": [code], "label_names": code}, 2))


@pytest.mark.parametrize(("name", "file"), PICKLED, ids=[": ".join(one) for one in PICKLED])
@pytest.mark.parametrize("code", CODE, ids=["program", "function", "expression"])
def test_code_in_files_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str, code: Code
) -> None:
    reader: Reader = READERS[name]
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(tmp_path)
    reader.write(root)
    write_code(root / file, code)
    try:
        with watched(root):
            reader.read(root)
    except Exception as error:
        check_own(error, (root / file).name, str(root))
    assert not (tmp_path / "ran").exists()


DEEP = [(name, file) for name, reader in READERS.items() for file in reader.trees]


@pytest.mark.parametrize(
    ("name", "file"),
    [one for one in DEEP if one[1].endswith((".json", ".yaml"))],
    ids=lambda value: value,
)
@pytest.mark.parametrize("text", ["[" * 1000, '{"a":' * 1000, "9" * 5000, "- " * 1000, "[1,"])
def test_values_of_any_depth_and_length_are_refused(
    tmp_path: Path, name: str, file: str, text: str
) -> None:
    reader = READERS[name]
    reader.write(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises((ValueError, OSError)) as caught, watched(tmp_path):
        reader.read(tmp_path)
    check_own(caught.value, Path(file).name, str(tmp_path))


def test_aliases_of_yaml_are_not_written_out(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    reader = READERS["run"]
    reader.write(tmp_path)
    (tmp_path / "config.yaml").write_text("\n".join([*lines, "data: *a8"]))
    with (
        pytest.raises(ValueError, match="config.yaml' .* holds more") as caught,
        watched(tmp_path),
    ):
        reader.read(tmp_path)
    check_own(caught.value, "config.yaml")
    assert len(json.dumps(str(caught.value))) < 1000
    assert isinstance(read_yaml(tmp_path / "config.yaml"), dict)
