r"""The folders of runs, and the checkpoints in them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

LAST = Path("checkpoints/last.ckpt")


def find_checkpoint(path: str | os.PathLike, name: str = "ckpt_path") -> Path:
    r"""Returns the path of a checkpoint, given that, or a run's folder, or a folder of runs.

    Of a run it is the last checkpoint; of several runs that of the run that was trained last.

    Arguments:
        path: The path of the checkpoint or of the folder.
        name: The name of the argument in errors.

    Raises:
        FileNotFoundError: If there is no such file or folder, or no checkpoint in the folder.
    """
    place = Path(path)
    if place.is_file():
        return place
    if not place.is_dir():
        raise FileNotFoundError(
            f"{name!r} should be a checkpoint file or the folder of a run, and {str(path)!r} is neither."
        )
    for last in (place / LAST, place / LAST.name):
        if last.is_file():
            return last
    found = newest(place.glob(f"**/{LAST}"))
    if found is None:
        raise FileNotFoundError(
            f"{name!r} = {str(path)!r} is a folder without a checkpoint: {LAST} is neither in it nor in "
            "a folder below it."
        )
    return found


def newest(paths: Iterable[Path]) -> Path | None:
    r"""Returns the file that was written last, or `None` if there are none."""
    return max(paths, key=lambda path: (path.stat().st_mtime_ns, path), default=None)


def run_of(checkpoint: str | os.PathLike) -> Path:
    r"""Returns the folder of the run that a checkpoint belongs to."""
    folder = Path(checkpoint).parent
    return folder.parent if folder.name == LAST.parent.name else folder
