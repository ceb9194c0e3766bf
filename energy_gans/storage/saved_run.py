r"""A run read back from its directory: its checkpoints, its data and its curves.

:mod:`.training_directory` is about the directory of a run that is still being trained.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import yaml
from lightning.pytorch import LightningDataModule

from ..checks import Names
from .curves import Curves, read_curves
from .export import CONFIG, WEIGHTS, is_export, read_config
from .rebuild import PACKAGES, Rebuilder, check_size, is_within
from .zoo import find_by_name, may_be_name, zoo_models

LAST = Path("checkpoints/last.ckpt")


def find_checkpoint(path: str | os.PathLike, name: str = "ckpt_path") -> Path:
    r"""Returns the path of a checkpoint.

    Arguments:
        path: The path of a checkpoint; or the folder of a run, for its last checkpoint; or the
            folder of an exported model, for its weights; or a folder of runs, for the last
            checkpoint of the run that was trained last; or the name of a shared model
            (:mod:`.zoo`).
        name: The name of the argument in errors.

    Raises:
        FileNotFoundError: If there is no such file or folder, or no checkpoint in the folder.
    """
    place = Path(path)
    if place.is_file():
        return place
    if not place.is_dir():
        if (shared := find_by_name(str(path))) is not None:
            return shared
        raise FileNotFoundError(
            f"{name!r} should be a checkpoint file or the folder of a run, and {str(path)!r} is "
            f"neither.{_similar_model(str(path))}"
        )
    for last in (place / LAST, place / LAST.name, place / WEIGHTS):
        if last.is_file():
            return last
    found = newest(place.glob(f"**/{LAST}"))
    if found is None:
        raise FileNotFoundError(
            f"{name!r} = {str(path)!r} is a folder without a checkpoint: {LAST} is neither in it "
            "nor in a folder below it."
        )
    return found


def _similar_model(name: str) -> str:
    r"""Returns a hint at the shared model of a similar name, or at the list of all, or `""`."""
    if not may_be_name(name) or not (known := zoo_models()):
        return ""
    if near := get_close_matches(name, known, n=1):
        return f" Did you mean the model {near[0]!r}?"
    return " 'energy-gans models' lists the models that have names."


def newest(paths: Iterable[Path]) -> Path | None:
    r"""Returns the file that was written last, or `None` if there is none."""
    return max(paths, key=lambda path: (path.stat().st_mtime_ns, path), default=None)


def run_of(checkpoint: str | os.PathLike) -> Path:
    r"""Returns the folder of the run that a checkpoint belongs to."""
    folder = Path(checkpoint).parent
    return folder.parent if folder.name == LAST.parent.name else folder


class SavedRun:
    r"""A run's directory with `config.yaml`, `metrics.csv` and `checkpoints/`.

    Arguments:
        directory: The directory of a run; or a directory of runs, for the run that was trained
            last; or a checkpoint of a run; or the folder of an exported model.

    Raises:
        FileNotFoundError: If there is no run.
    """

    def __init__(self, directory: str) -> None:
        self.found = find_checkpoint(directory, "run")
        self.given = Path(directory).is_file() or is_export(self.found)
        self.directory = run_of(self.found)

    def checkpoint(self, name: str = "last") -> Path:
        r"""Returns the path of the `"last"` or `"best"` checkpoint, or of the given one.

        Raises:
            FileNotFoundError: If the run has no such checkpoint.
        """
        if self.given:
            return self.found
        path = self.directory / "checkpoints" / f"{name}.ckpt"
        if not path.is_file():
            there = sorted(repr(p.stem) for p in path.parent.glob("*.ckpt"))
            raise FileNotFoundError(
                f"The run {self.directory} has no checkpoint {name!r}: 'checkpoint' should be "
                f"{' or '.join(there)}."
            )
        return path

    def data(self, trust: Names = "") -> LightningDataModule:
        r"""Returns the run's data module, as :func:`run_data` does."""
        return run_data(self.directory, trust)

    def curves(self) -> Curves:
        r"""Returns the steps and the values of all logged numbers, by name."""
        return read_curves(self.directory / "metrics.csv")


def run_data(directory: Path, trust: Names = "") -> LightningDataModule:
    r"""Returns the data module of the run, or of the exported model, in a directory.

    A data module of this package downloads nothing, even if config.yaml says so: a file of unknown
    origin could choose the folder to which it downloads.

    Arguments:
        directory: The directory.
        trust: Other packages whose classes config.yaml may name.

    Raises:
        FileNotFoundError: If the directory holds no config.yaml.
        ValueError: If config.yaml names no data module, or one that may not be made.
    """
    exported = (directory / WEIGHTS).is_file() and (directory / CONFIG).is_file()
    path = directory / (CONFIG if exported else "config.yaml")
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(directory)!r} holds no config.yaml that says which data a run was trained on, "
            "as one of the command line does: 'data' should be given where it is an argument."
        )
    try:
        spec = (read_config(path) if exported else yaml.safe_load(path.read_text()))["data"]
        check_size(spec, "data")
        data = Rebuilder(trust).instance(spec, LightningDataModule, "data")
    except Exception as error:
        # Damaged files can raise any error.
        raise ValueError(
            f"{str(path)!r} holds no data that can be opened here: "
            f"{' '.join(str(error).split()).rstrip('.')}."
        ) from error
    if hasattr(data, "download") and is_within(type(data).__module__, PACKAGES):
        data.download = False
    return data
