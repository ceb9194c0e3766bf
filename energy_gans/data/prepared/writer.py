r"""Writer of the folder of a prepared set, whole or not at all.

The set is written to the folder `DIR.part`, which is locked if the file system supports locks. The
manifest is written last, and then the folder is renamed to `DIR`. A folder `DIR` is therefore
always complete. The remains of a killed run keep the name `DIR.part`: they are never opened as a
set, and the next run removes them.
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

from ...files import is_at, lock, replace_folder
from .manifest import FORMAT, SUM_KEY, VERSION, is_prepared, manifest_digest
from .split_files import SplitWriter, UnassignedWriter, close_durably


class PreparedWriter:
    r"""Context manager to which the images of a prepared set are appended.

    If the splits are known only after all images were read, images are appended without a split
    and :meth:`assign` moves them to their splits. :meth:`finish` completes the set. Leaving the
    context with an error removes the files that were written.

    Arguments:
        root: The folder of the set.
        overwrite: Whether a prepared set in `root` may be replaced.

    Raises:
        FileExistsError: If `root` holds a prepared set and `overwrite` is false, or anything else.
        ValueError: If `root` is the root of the file system.
        OSError: If `root` can not be read or written.
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
            # Before Python 3.13, a cycle of links raises a RuntimeError.
            raise OSError(f"'out' = {str(root)!r} can not be written: {error}.") from error
        if self.root.name == "":
            raise ValueError(f"'out' should be a folder below others, got {str(root)!r}.")
        self.part = self.root.with_name(self.root.name + ".part")
        self.check_root()

    def check_root(self) -> None:
        r"""Raises a `FileExistsError` if the folder holds something that may not be replaced.

        Raises:
            OSError: If the folder can not be read.
        """
        out = f"'out' = {str(self.root)!r}"
        try:
            exists = self.root.exists()
            empty = not exists or (self.root.is_dir() and not any(self.root.iterdir()))
            prepared = exists and is_prepared(self.root)
        except OSError as error:
            raise type(error)(f"{out} can not be written: {error}.") from error
        if prepared and not self.overwrite:
            raise FileExistsError(
                f"{out} holds a prepared set: choose another folder, or add --overwrite true."
            )
        if not prepared and not empty:
            raise FileExistsError(
                f"{out} holds something that is no prepared set: choose another folder."
            )

    def __enter__(self) -> PreparedWriter:
        try:
            self.lock = _lock_folder(self.part)
            self._remove_remains()
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

    def _remove_remains(self) -> None:
        r"""Removes the files that a killed run left.

        Raises:
            FileExistsError: If the folder holds anything else.
        """
        left = sorted(self.part.iterdir())
        for path in left:
            if path.name != "manifest.json" and path.suffix != ".npy":
                os.close(self.lock)
                raise FileExistsError(
                    f"{str(self.part)!r} is needed for the files of a run, and holds {path.name!r}"
                )
        for path in left:
            path.unlink()

    def append(self, split: str | None, images: np.ndarray, labels: np.ndarray) -> None:
        r"""Appends images, with shape :math:`(B, C, H, W)`, and labels, with shape :math:`(B)`.

        Arguments:
            split: The split; `None`, in every call, if :meth:`assign` assigns the splits.
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
        r"""Assigns the images without a split to the training and the validation split.

        Arguments:
            held_out: Which images are for validation, booleans with shape :math:`(N)`.

        Yields:
            The number of images moved since the last yield.
        """
        for split in ("train", "val"):
            self.splits[split] = SplitWriter(self.part, split, self.unassigned.shape)
        yield from self.unassigned.assign(self.splits["train"], self.splits["val"], held_out)

    def skip(self, split: str, name: str, reason: str) -> None:
        r"""Records in the manifest that an image of a split was left out, and why."""
        self.skipped.setdefault(split, []).append({"name": name, "reason": reason})

    def finish(self, manifest: dict[str, Any]) -> dict[str, Any]:
        r"""Completes the set, renames its folder and returns the manifest.

        Arguments:
            manifest: The keys of the manifest that do not describe the format or the array files.

        Returns:
            The manifest.
        """
        splits = {
            name: {**self.splits[name].finish(), "skipped": self.skipped.get(name, [])}
            for name in ("train", "val", "test")
            if name in self.splits
        }
        complete = {"format": FORMAT, "version": VERSION, **manifest, "splits": splits}
        complete[SUM_KEY] = manifest_digest(complete)
        with (self.part / "manifest.json").open("wb") as file:
            file.write(json.dumps(complete, indent=2).encode())
            close_durably(file)
        # Something else may have got the name since.
        self.check_root()
        replace_folder(self.part, self.root)
        return complete

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in filter(None, [*self.splits.values(), self.unassigned]):
            # Closing flushes, which fails again if writing failed.
            with contextlib.suppress(OSError):
                writer.file.close()
        # After the folder was renamed, another run may have made a new one.
        if is_at(self.lock, self.part):
            shutil.rmtree(self.part, ignore_errors=True)
        os.close(self.lock)
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedError(
                f"{str(self.root)!r} was not prepared: the run was interrupted. "
                "Nothing was left behind."
            ) from error
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(
                f"{str(self.root)!r} could not be prepared: {error}. Nothing was left behind."
            ) from error


def _lock_folder(folder: Path) -> int:
    r"""Makes and locks a folder, and returns its descriptor; closing that releases the lock.

    Returns:
        The descriptor.

    Raises:
        BlockingIOError: If another process holds the lock.
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
            # The file system has no locks, so the user must not run two commands into one folder.
            return descriptor
        # Another run may have renamed or removed the folder before it released the lock.
        if is_at(descriptor, folder):
            return descriptor
        os.close(descriptor)
