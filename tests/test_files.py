r"""Tests for energy_gans.files."""

import ast
import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import energy_gans
from energy_gans.files import (
    _PART,
    append_bytes,
    atomic_folder,
    atomic_write,
    hold_lock,
    import_hint,
    lock,
    remove_stale,
)


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
        wanted = f"{path} could not be written: disk full. The previous file is unchanged."
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


def left_by_a_killed_writer(place: Path) -> Path:
    r"""Returns the temporary file of a process that was killed while it wrote."""
    script = (
        "import os, signal, sys\n"
        "from energy_gans.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half')\n"
        "    file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    before = set(place.parent.glob("*"))
    subprocess.run([sys.executable, "-c", script, str(place)], check=False)
    (left,) = set(place.parent.glob("*")) - before
    return left


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    place = tmp_path / "checkpoints" / "last.ckpt"
    left = left_by_a_killed_writer(place)
    assert left.suffix == _PART
    with atomic_write(tmp_path / "checkpoints" / "best.ckpt") as file:
        assert remove_stale(tmp_path) == [left]
        file.write(b"whole")
    assert os.listdir(place.parent) == ["best.ckpt"]


def test_only_temporary_files_of_the_folder_and_of_those_in_it_are_removed(tmp_path: Path) -> None:
    name = f"a.{'0' * 32}{_PART}"
    kept = [tmp_path / "my.part", tmp_path / "a" / "b" / name, tmp_path / "a" / f"{name}s"]
    kept[1].parent.mkdir(parents=True)
    for path in (*kept, tmp_path / "a" / name):
        path.write_bytes(b"")
    (tmp_path / name).symlink_to(kept[0])
    assert remove_stale(tmp_path) == [tmp_path / "a" / name]
    assert all(path.exists() for path in (*kept, tmp_path / name))


def test_a_file_that_is_removed_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []

    def late(descriptor: int) -> None:
        if not removed:
            monkeypatch.setattr("energy_gans.files.lock", lock)
            removed.extend(remove_stale(tmp_path))
        lock(descriptor)

    monkeypatch.setattr("energy_gans.files.lock", late)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"whole")
    assert len(removed) == 1
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_without_locks_files_are_written_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = left_by_a_killed_writer(tmp_path / "a")

    def none(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("energy_gans.files.lock", none)
    with hold_lock(tmp_path / "lock", "a"), hold_lock(tmp_path / "lock", "a"):
        with atomic_write(tmp_path / "a") as file:
            file.write(b"whole")
        assert remove_stale(tmp_path) == []
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert left.exists()


def test_what_is_appended_is_there_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    append_bytes(path, b"1\n")
    append_bytes(path, b"2\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        wanted = f"^{path} could not be written: .*too large. Its previous content is unchanged.$"
        with pytest.raises(OSError, match=wanted):
            append_bytes(path, b"3\n" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"1\n2\n"


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as one, (tmp_path / "lock").open("wb") as other:
        lock(one.fileno())
        with pytest.raises(BlockingIOError):
            lock(other.fileno())
        one.close()
        lock(other.fileno())


def test_a_lock_file_names_its_process_and_is_let_go_of_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.lock"
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from energy_gans.files import hold_lock\n"
        "with hold_lock(Path(sys.argv[1]), 'a'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script, str(path)], **pipes) as holder:
        assert holder.stdout.readline() == b"held\n"
        wanted = f"^b is in use by process {holder.pid} on .*: wait for its end, or choose another"
        with pytest.raises(BlockingIOError, match=wanted), hold_lock(path, "b"):
            pass
        holder.kill()
        holder.wait()
    assert path.exists()
    with (
        hold_lock(path, "b"),
        pytest.raises(BlockingIOError, match=str(os.getpid())),
        hold_lock(path, "c"),
    ):
        pass
    assert not path.exists()


def test_a_lock_file_that_is_removed_while_it_is_asked_for_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.lock"

    def late(descriptor: int) -> None:
        # The holder releases the lock between opening and locking.
        monkeypatch.setattr("energy_gans.files.lock", lock)
        path.unlink()
        lock(descriptor)

    monkeypatch.setattr("energy_gans.files.lock", late)
    with hold_lock(path, "a"):
        assert path.exists()
        with pytest.raises(BlockingIOError), hold_lock(path, "b"):
            pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_is_whole_or_the_previous_one(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "above" / "folder"
    with atomic_folder(path) as part:
        (part / "a").write_text("first")
        assert not path.exists()
    with pytest.raises(error), atomic_folder(path) as part:
        (part / "a").write_text("torn")
        raise error
    assert (path / "a").read_text() == "first"
    with atomic_folder(path) as part:
        (part / "b").write_text("second")
    assert os.listdir(path) == ["b"] and os.listdir(path.parent) == ["folder"]


def test_a_folder_that_can_not_get_its_name_leaves_the_previous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "folder", Path.rename
    with atomic_folder(path) as part:
        (part / "a").write_text("first")

    def fail(self: Path, target: Path) -> Path:
        if self.suffix == _PART:
            raise PermissionError("not here")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(PermissionError, match="not here"), atomic_folder(path):
        pass
    assert (path / "a").read_text() == "first" and os.listdir(tmp_path) == ["folder"]


def test_a_module_of_the_current_folder_is_named_until_python_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_method_for_tests.py").write_text("")
    (tmp_path / "a_folder_for_tests").mkdir()
    path = [place for place in sys.path if place not in ("", str(tmp_path))]
    monkeypatch.setattr(sys, "path", path)
    assert "PYTHONPATH=." in import_hint("own_method_for_tests.Method")
    assert import_hint("a_folder_for_tests.Method") == import_hint("torch.Method") == ""
    monkeypatch.syspath_prepend(str(tmp_path))
    assert import_hint("own_method_for_tests.Method") == ""


def test_nothing_else_in_the_package_writes_files() -> None:
    # Data sets are written as folders under a temporary name, and the logs of a study are appended
    # to.
    elsewhere = ("files.py", "data/", "commands/study/cells.py")
    package = Path(energy_gans.__file__).parent
    found = []
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and writes(node) and not name.startswith(elsewhere):
                found.append(f"{name}:{node.lineno}")
    assert not found


def writes(call: ast.Call) -> bool:
    r"""Returns whether a call opens a file for writing, or writes one."""
    called = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = [
        a.value
        for a in [*call.args, *(k.value for k in call.keywords)]
        if isinstance(a, ast.Constant)
    ]
    modes = [value for value in given if isinstance(value, str) and set(value) <= set("rwxab+t")]
    return called in ("write_bytes", "to_csv") or (
        called == "open" and any(set(mode) & set("wxa+") for mode in modes)
    )
