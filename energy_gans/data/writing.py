r"""The writer of a prepared set: whole, or not at all.

A set is written into `DIR.part` beside its place DIR, which is locked while it is, where the file system
has locks. The manifest comes last, then the folder gets its name. So a set that has its name is whole,
and what a run leaves that was killed is never opened: the next run removes it and starts anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..files import is_at, lock
from .manifest import FORMAT, VERSION, has_prepared
from .prepared import HEADER, array_header, array_path
from .sums import row_sums


class SplitWriter:
    r"""Creates the writer of a split's three files: images are appended as they come.

    Arguments:
        root: The folder.
        split: The name of the split.
        shape: The shape :math:`(C, H, W)` of an image.
    """

    def __init__(self, root: Path, split: str, shape: tuple[int, ...]) -> None:
        self.root, self.split, self.shape, self.count = root, split, shape, 0
        self.labels: list[np.ndarray] = []
        self.sums: list[np.ndarray] = []
        self.digest = hashlib.sha256()
        # How often each channel has each value: what exact means and deviations are made of.
        self.histogram = np.zeros((shape[0], 256), np.int64)
        self.file = array_path(root, split, "images").open("wb")
        self.file.write(bytes(HEADER))

    def append(self, images: np.ndarray, labels: np.ndarray) -> None:
        r"""Appends images, uint8 with shape :math:`(B, C, H, W)`, and labels, with shape :math:`(B)`."""
        contents = np.ascontiguousarray(images)
        self.file.write(contents)
        self.digest.update(contents)
        for channel, counts in enumerate(self.histogram):
            counts += np.bincount(contents[:, channel].ravel(), minlength=256)
        self.labels.append(np.asarray(labels, "<i8"))
        self.sums.append(row_sums(contents, labels))
        self.count += len(images)

    def finish(self) -> dict[str, Any]:
        r"""Completes the files and returns what the manifest says of the split."""
        shape = (self.count, *self.shape)
        self.file.seek(0)
        self.file.write(array_header(np.dtype(np.uint8), shape))
        close_durably(self.file)
        columns = {"labels": np.concatenate(self.labels), "sums": np.concatenate(self.sums)}
        for what, column in columns.items():
            with array_path(self.root, self.split, what).open("wb") as file:
                file.write(array_header(column.dtype, column.shape))
                file.write(column)
                close_durably(file)
        value = np.arange(256)
        pixels = self.histogram.sum(1)
        mean = self.histogram @ value / pixels
        variance = (self.histogram * (value - mean[:, None]) ** 2).sum(1) / pixels
        return {
            "count": self.count,
            "shape": list(shape),
            "sha256": self.digest.hexdigest(),
            **{f"{what}_sha256": hashlib.sha256(c).hexdigest() for what, c in columns.items()},
            # In units of the stored values, 0 to 255.
            "mean": mean.tolist(),
            "std": np.sqrt(variance).tolist(),
        }


class PreparedWriter:
    r"""Creates the writer of a prepared set: a context in which images are appended.

    Leaving the context with an error removes what was written. :meth:`finish` completes the set.

    Arguments:
        root: The folder of the set.
        overwrite: Whether a prepared set that is there may be replaced.

    Raises:
        FileExistsError: If `root` holds a set that may not be replaced, or anything else.
        BlockingIOError: If another run is writing the set.
    """

    def __init__(self, root: Path, overwrite: bool = False) -> None:
        self.root = Path(root).resolve()
        self.part = self.root.with_name(self.root.name + ".part")
        self.splits: dict[str, SplitWriter] = {}
        self.skipped: dict[str, list[dict[str, str]]] = {}
        self.overwrite = overwrite
        self.check_root()

    def check_root(self) -> None:
        r"""Raises a `FileExistsError` if the folder holds what may not be replaced."""
        if has_prepared(self.root):
            if not self.overwrite:
                raise FileExistsError(
                    f"'out' = {str(self.root)!r} holds a prepared set: choose another folder, or add "
                    "--overwrite true."
                )
        elif self.root.exists() and not (self.root.is_dir() and not any(self.root.iterdir())):
            raise FileExistsError(
                f"'out' = {str(self.root)!r} holds something that is no prepared set: choose another "
                "folder."
            )

    def __enter__(self) -> PreparedWriter:
        try:
            self.lock = locked(self.part)
            for left in self.part.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        except OSError as error:
            raise type(error)(
                f"'out' = {str(self.root)!r} can not be written: {error}."
            ) from error
        try:
            # Another run may have finished the set since.
            self.check_root()
        except FileExistsError:
            self.__exit__(None, None, None)
            raise
        return self

    def append(self, split: str, images: np.ndarray, labels: np.ndarray) -> None:
        r"""Appends images, with shape :math:`(B, C, H, W)`, and labels, with shape :math:`(B)`."""
        if len(images) == 0:
            return
        if split not in self.splits:
            self.splits[split] = SplitWriter(self.part, split, images.shape[1:])
        self.splits[split].append(images, labels)

    def skip(self, split: str, name: str, reason: str) -> None:
        r"""Notes for the manifest that an image of a split was left out, and why."""
        self.skipped.setdefault(split, []).append({"name": name, "reason": reason})

    def finish(self, manifest: dict[str, Any]) -> dict[str, Any]:
        r"""Completes the set, gives it its name, and returns its manifest.

        Arguments:
            manifest: What the manifest says beside the format and the arrays.
        """
        splits = {
            name: {**self.splits[name].finish(), "skipped": self.skipped.get(name, [])}
            for name in ("train", "val", "test")
            if name in self.splits
        }
        whole = {"format": FORMAT, "version": VERSION, **manifest, "splits": splits}
        with (self.part / "manifest.json").open("wb") as file:
            file.write(json.dumps(whole, indent=2).encode())
            close_durably(file)
        old = self.root.with_name(self.root.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if has_prepared(self.root):
            self.root.rename(old)
        self.part.rename(self.root)
        shutil.rmtree(old, ignore_errors=True)
        return whole

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self.splits.values():
            # What could not be written can not be flushed either.
            with contextlib.suppress(OSError):
                writer.file.close()
        # Once the set has its name, another run may be writing the next one there.
        if is_at(self.lock, self.part):
            shutil.rmtree(self.part, ignore_errors=True)
        os.close(self.lock)
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedError(
                f"{str(self.root)!r} was not prepared: the run was interrupted. Nothing was left behind."
            ) from error
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(
                f"{str(self.root)!r} could not be prepared: {error}. Nothing was left behind."
            ) from error


def locked(folder: Path) -> int:
    r"""Makes a folder, and returns a descriptor of it; closing that lets go of the folder.

    Raises:
        BlockingIOError: If another process holds it.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            raise BlockingIOError("another run is writing it") from None
        except OSError:
            # Its file system has no locks: two runs into one folder are the user's to avoid.
            return descriptor
        # Another run may have given it its name, or removed it, before it let go of it.
        if is_at(descriptor, folder):
            return descriptor
        os.close(descriptor)


def close_durably(file: Any) -> None:
    r"""Closes a file once its contents are on the disk."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
