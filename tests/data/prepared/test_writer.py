r"""Tests for the energy_gans.data.prepared.writer module."""

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from energy_gans.data.prepared.manifest import is_prepared
from energy_gans.data.prepared.reader import open_prepared, verify
from energy_gans.data.prepared.writer import PreparedWriter
from energy_gans.files import lock

ABOUT = {"name": "x", "source": {}, "preprocessing": {}, "classes": []}


def pixels(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 4), dtype=np.uint8)


def write(root: Path, n: int = 10, overwrite: bool = False) -> dict:
    with PreparedWriter(root, overwrite) as writer:
        writer.append("train", pixels(n), np.zeros(n))
        return writer.finish(ABOUT)


def test_statistics_are_those_of_the_pixels(tmp_path: Path) -> None:
    images = pixels(301)
    images[:, 1] //= 3
    with PreparedWriter(tmp_path / "set") as writer:
        for part in np.split(images, [1, 64, 300]):
            writer.append("train", part, np.zeros(len(part)))
        about = writer.finish(ABOUT)["splits"]["train"]
    assert about["count"] == 301
    assert about["shape"] == [301, 3, 4, 4]
    np.testing.assert_allclose(about["mean"], images.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(about["std"], images.std((0, 2, 3)), rtol=1e-12)


def test_arrays_of_any_layout_are_written_in_order(tmp_path: Path) -> None:
    images = pixels(9)
    turned = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    with PreparedWriter(tmp_path / "set") as writer:
        writer.append("train", turned, np.zeros(9))
        writer.finish(ABOUT)
    assert np.array_equal(np.load(tmp_path / "set" / "train.images.npy"), images)


def test_skipped_images_are_named(tmp_path: Path) -> None:
    with PreparedWriter(tmp_path / "set") as writer:
        writer.append("train", pixels(2), np.zeros(2))
        writer.skip("train", "a.jpg", "it is no picture")
        about = writer.finish(ABOUT)["splits"]["train"]
    assert about["skipped"] == [{"name": "a.jpg", "reason": "it is no picture"}]


def test_nothing_has_its_name_before_the_end(tmp_path: Path) -> None:
    with PreparedWriter(tmp_path / "set") as writer:
        writer.append("train", pixels(2), np.zeros(2))
        assert not (tmp_path / "set").exists()
        assert not is_prepared(tmp_path / "set.part")
        writer.finish(ABOUT)
        assert is_prepared(tmp_path / "set")
    assert os.listdir(tmp_path) == ["set"]


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (OSError(28, "No space left on device"), OSError, "No space left .* Nothing was left"),
        (KeyboardInterrupt(), InterruptedError, "interrupted. Nothing was left behind"),
        (ValueError("this one"), ValueError, "^this one$"),
    ],
)
def test_an_error_leaves_nothing(
    tmp_path: Path, error: BaseException, raised: type[Exception], message: str
) -> None:
    with pytest.raises(raised, match=message), PreparedWriter(tmp_path / "set") as writer:
        writer.append("train", pixels(2), np.zeros(2))
        raise error
    assert os.listdir(tmp_path) == []


def test_an_error_leaves_the_set_that_was_there(tmp_path: Path) -> None:
    before = write(tmp_path / "set")
    with pytest.raises(OSError, match="disk"), PreparedWriter(tmp_path / "set", True) as writer:
        writer.append("train", pixels(4, seed=1), np.zeros(4))
        raise OSError(5, "disk")
    assert verify(tmp_path / "set") == before
    assert os.listdir(tmp_path) == ["set"]


def test_a_set_is_replaced_when_asked(tmp_path: Path) -> None:
    write(tmp_path / "set")
    opened = open_prepared(tmp_path / "set", "train")
    write(tmp_path / "set", n=3, overwrite=True)
    assert len(open_prepared(tmp_path / "set", "train").images) == 3
    # A reader of the old set gets an error and does not read the new one.
    with pytest.raises(ValueError, match="was changed or replaced while it was in use"):
        opened.images[torch.arange(2)]
    assert os.listdir(tmp_path) == ["set"]


def test_a_set_is_kept_unless_asked(tmp_path: Path) -> None:
    before = write(tmp_path / "set")
    with pytest.raises(FileExistsError, match=r"'out' = .*set' holds a prepared set.*--overwrite"):
        write(tmp_path / "set", n=3)
    assert verify(tmp_path / "set") == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_folders_of_similar_names_are_kept(tmp_path: Path, overwrite: bool) -> None:
    for name in ("set.old", "set.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("...")
    with pytest.raises(FileExistsError, match=r"set.part' is needed .* holds 'thesis.tex'"):
        write(tmp_path / "set")
    assert sorted(os.listdir(tmp_path)) == ["set.old", "set.part"]
    (tmp_path / "set.part").rename(tmp_path / "mine")
    write(tmp_path / "set")
    if overwrite:
        write(tmp_path / "set", n=3, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["mine", "set", "set.old"]
    assert all((tmp_path / name / "thesis.tex").exists() for name in ("mine", "set.old"))


def test_what_got_the_name_in_the_meantime_is_kept(tmp_path: Path) -> None:
    with (
        pytest.raises(FileExistsError, match="no prepared set"),
        PreparedWriter(tmp_path / "set", overwrite=True) as writer,
    ):
        writer.append("train", pixels(2), np.zeros(2))
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "thesis.tex").write_text("...")
        writer.finish(ABOUT)
    assert os.listdir(tmp_path / "set") == ["thesis.tex"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_set_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("...")
    with pytest.raises(FileExistsError, match="something that is no prepared set"):
        write(tmp_path / "mine", overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("loop", r"'out' = .*loop' can not be written: .*(links|loop)"),
        ("loop/set", r"'out' = .*set' can not be written: .*(links|loop)"),
        ("x" * 300, r"'out' = .*xx' can not be written: .*File name too long"),
        ("file/set", r"'out' = .*set' can not be written: .*Not a directory"),
        ("/proc/none/set", r"'out' = '/proc/none/set' can not be written: .*No such file"),
    ],
)
def test_what_can_not_be_written_is_named(tmp_path: Path, out: str, message: str) -> None:
    if out.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("This system has no /proc.")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=message):
        write(tmp_path / out)
    assert sorted(os.listdir(tmp_path)) == ["file", "loop"]


def test_a_folder_that_may_not_be_looked_into_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", closed)
    with pytest.raises(PermissionError, match=r"'out' = .*set' can not be written: .*denied"):
        PreparedWriter(tmp_path / "set")


def test_the_root_of_the_disk_is_refused() -> None:
    with pytest.raises(ValueError, match="'out' should be a folder below others, got '/'"):
        PreparedWriter(Path("/"))


def test_an_empty_folder_and_a_link_may_be_given(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    write(tmp_path / "link")
    verify(tmp_path / "disk")


def test_two_runs_do_not_write_one_set(tmp_path: Path) -> None:
    with PreparedWriter(tmp_path / "set") as writer:
        writer.append("train", pixels(2), np.zeros(2))
        with pytest.raises(BlockingIOError, match="'out' = .* another run is writing it"):
            write(tmp_path / "set")
        writer.finish(ABOUT)
    verify(tmp_path / "set")


def test_a_set_that_another_run_has_finished_is_kept(tmp_path: Path) -> None:
    late = PreparedWriter(tmp_path / "set")
    before = write(tmp_path / "set")
    with pytest.raises(FileExistsError, match="holds a prepared set"), late:
        pass
    assert verify(tmp_path / "set") == before
    assert os.listdir(tmp_path) == ["set"]


def test_a_folder_that_gets_its_name_while_it_is_asked_for_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(descriptor: int) -> None:
        # The run that holds the lock ends between opening and locking.
        monkeypatch.setattr("energy_gans.data.prepared.writer.lock", lock)
        first.finish(ABOUT)
        os.close(first.lock)
        lock(descriptor)

    first = PreparedWriter(tmp_path / "set").__enter__()
    first.append("train", pixels(2), np.zeros(2))
    other = PreparedWriter(tmp_path / "set", overwrite=True)
    monkeypatch.setattr("energy_gans.data.prepared.writer.lock", late)
    with other:
        assert len(open_prepared(tmp_path / "set", "train").images) == 2
        other.append("train", pixels(3), np.zeros(3))
        other.finish(ABOUT)
    assert len(open_prepared(tmp_path / "set", "train").images) == 3
    assert os.listdir(tmp_path) == ["set"]


def test_without_locks_a_set_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("energy_gans.data.prepared.writer.lock", none)
    write(tmp_path / "set")
    verify(tmp_path / "set")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system has no fork.")
def test_a_kill_leaves_nothing_that_opens_and_the_next_run_starts_clean(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with PreparedWriter(tmp_path / "set") as writer:
            for _ in range(9):
                writer.append("train", pixels(99), np.zeros(99))
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert os.listdir(tmp_path) == ["set.part"]
    assert not is_prepared(tmp_path / "set.part")
    write(tmp_path / "set")
    verify(tmp_path / "set")
    assert os.listdir(tmp_path) == ["set"]


@pytest.mark.parametrize("limit", [100, 1000, 3_000])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, limit: int) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match=r"could not be prepared: .*large. Nothing was left"):
            write(tmp_path / "set", n=100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []
