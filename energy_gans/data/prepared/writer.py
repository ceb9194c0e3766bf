r"""The writer of a prepared set: whole, or not at all.

A set is written into `DIR.part` beside its place DIR, which is locked while it is, where the file system
has locks. The manifest comes last, then the folder gets its name. So a set that has its name is whole,
and what a run leaves that was killed is never opened: the next run removes it and starts anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ...files import is_at, lock
from .manifest import FORMAT, SUM_KEY, VERSION, is_prepared, manifest_digest
from .split_files import SplitWriter, UnassignedWriter, close_durably


class PreparedWriter:
    r"""Creates the writer of a prepared set: a context in which images are appended.

    Images whose splits are known only once all were read are appended without one, and :meth:`divide`
    divides them. Leaving the context with an error removes what was written. :meth:`finish` completes the
    set.

    Arguments:
        root: The folder of the set.
        overwrite: Whether a prepared set that is there may be replaced.

    Raises:
        FileExistsError: If `root` holds a set that may not be replaced, or anything else.
        ValueError: If `root` is no folder below another one.
        OSError: If it can not be read or written.
        BlockingIOError: If another run is writing the set.
    """

    def __init__(self, root: Path, overwrite: bool = False) -> None:
        self.splits: dict[str, SplitWriter] = {}
        self.unassigned: UnassignedWriter | None = None
        self.skipped: dict[str, list[dict[str, str]]] = {}
        self.overwrite = overwrite
        try:
            self.root = Path(root).resolve()
        except (OSError, RuntimeError) as error:
            # A circle of links is a RuntimeError before Python 3.13.
            raise OSError(f"'out' = {str(root)!r} can not be written: {error}.") from error
        if self.root.name == "":
            raise ValueError(f"'out' should be a folder below others, got {str(root)!r}.")
        self.part = self.root.with_name(self.root.name + ".part")
        self.check_root()

    def check_root(self) -> None:
        r"""Raises a `FileExistsError` if the folder holds what may not be replaced.

        Raises:
            OSError: If that can not be found out.
        """
        out = f"'out' = {str(self.root)!r}"
        try:
            there = self.root.exists()
            fresh = not there or (self.root.is_dir() and not any(self.root.iterdir()))
            prepared = there and is_prepared(self.root)
        except OSError as error:
            raise type(error)(f"{out} can not be written: {error}.") from error
        if prepared and not self.overwrite:
            raise FileExistsError(
                f"{out} holds a prepared set: choose another folder, or add --overwrite true."
            )
        if not prepared and not fresh:
            raise FileExistsError(
                f"{out} holds something that is no prepared set: choose another folder."
            )

    def __enter__(self) -> PreparedWriter:
        try:
            self.lock = _lock_folder(self.part)
            for left in self.part.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        except OSError as error:
            raise type(error)(
                f"'out' = {str(self.root)!r} can not be written: {error}."
            ) from error
        try:
            # Another run may have finished the set since.
            self.check_root()
        except OSError:
            self.__exit__(None, None, None)
            raise
        return self

    def append(self, split: str | None, images: np.ndarray, labels: np.ndarray) -> None:
        r"""Appends images, with shape :math:`(B, C, H, W)`, and labels, with shape :math:`(B)`.

        Arguments:
            split: The split, of all images or of none; `None` if :meth:`divide` settles it.
            images: The images.
            labels: The labels.
        """
        if len(images) == 0:
            return
        if split is None:
            self.unassigned = self.unassigned or UnassignedWriter(self.part, images.shape[1:])
            self.unassigned.append(images, labels)
            return
        if split not in self.splits:
            self.splits[split] = SplitWriter(self.part, split, images.shape[1:])
        self.splits[split].append(images, labels)

    def assign(self, held_out: np.ndarray) -> Iterator[int]:
        r"""Divides the images without a split into training and validation images.

        Arguments:
            held_out: Which of them are for validation, booleans in their order.

        Yields:
            How many images were moved since the last time.
        """
        for split in ("train", "val"):
            self.splits[split] = SplitWriter(self.part, split, self.unassigned.shape)
        yield from self.unassigned.assign(self.splits["train"], self.splits["val"], held_out)

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
        whole[SUM_KEY] = manifest_digest(whole)
        with (self.part / "manifest.json").open("wb") as file:
            file.write(json.dumps(whole, indent=2).encode())
            close_durably(file)
        old = self.root.with_name(self.root.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if is_prepared(self.root):
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
        for writer in filter(None, [*self.splits.values(), self.unassigned]):
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


def _lock_folder(folder: Path) -> int:
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
