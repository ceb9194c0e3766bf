r"""Tests for energy_gans.files."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from energy_gans.files import PART, atomic_write, lock, remove_stale


def test_a_file_is_whole_and_has_the_mode_of_any_other(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "folder" / "a") as file:
        file.write(b"whole")
        assert not (tmp_path / "folder" / "a").exists()
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "folder" / "a").read_bytes() == b"whole"
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "folder" / "a", tmp_path / "b")]
    assert modes[0] == modes[1]
    assert os.listdir(tmp_path / "folder") == ["a"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), ValueError("bad")])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"previous")
    with pytest.raises(type(error)) as caught, atomic_write(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"previous"
    assert os.listdir(tmp_path) == ["a"]
    if isinstance(error, OSError):
        wanted = f"{path} could not be written: disk full. The previous one is as it was."
        assert str(caught.value) == wanted


def test_two_writers_never_tear_a_file(tmp_path: Path) -> None:
    path, torn = tmp_path / "a", []
    path.write_bytes(b"0" * 100_000)

    def write(letter: bytes) -> None:
        for _ in range(100):
            with atomic_write(path) as file:
                for _ in range(10):
                    file.write(letter * 10_000)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"1", b"2")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        content = path.read_bytes()
        torn += [len(content)] if len(set(content)) != 1 or len(content) != 100_000 else []
    assert not torn
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    script = (
        "import os, sys\n"
        "from energy_gans.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half')\n"
        "    file.flush()\n"
        "    os._exit(9)\n"
    )
    place = tmp_path / "checkpoints" / "last.ckpt"
    subprocess.run([sys.executable, "-c", script, str(place)], check=False)
    (left,) = place.parent.iterdir()
    assert left.suffix == PART
    with atomic_write(tmp_path / "checkpoints" / "best.ckpt") as file:
        assert remove_stale(tmp_path) == [left]
        file.write(b"whole")
    assert os.listdir(place.parent) == ["best.ckpt"]


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as one, (tmp_path / "lock").open("wb") as other:
        lock(one.fileno())
        with pytest.raises(BlockingIOError):
            lock(other.fileno())
        one.close()
        lock(other.fileno())
