r"""Run directories: what training leaves behind, read back."""

from __future__ import annotations

from pathlib import Path

import yaml
from lightning.pytorch import LightningDataModule

from ..callbacks.curves import Curves, read_curves
from ..storage.rebuild import PACKAGES, Rebuilder, check_size, within
from ..storage.runs import find_checkpoint, run_of


class Run:
    r"""Creates a view of a run's directory: `config.yaml`, `metrics.csv`, `checkpoints/`.

    Arguments:
        directory: The directory, or one that holds several: then the one that was trained last. It
            may be one of a run's checkpoints, too.

    Raises:
        FileNotFoundError: If there is no run.
    """

    def __init__(self, directory: str) -> None:
        self.found = find_checkpoint(directory, "run")
        self.given = Path(directory).is_file()
        self.directory = run_of(self.found)

    def checkpoint(self, name: str = "last") -> Path:
        r"""Returns the path of a checkpoint: `"last"` or `"best"`, or the one that was given."""
        if self.given:
            return self.found
        path = self.directory / "checkpoints" / f"{name}.ckpt"
        if not path.is_file():
            raise FileNotFoundError(f"The run {self.directory} has no checkpoint {path.name} yet.")
        return path

    def data(self, trust: str = "") -> LightningDataModule:
        r"""Returns the run's data module, of this package or of one that is trusted."""
        return run_data(self.directory, trust)

    def curves(self) -> Curves:
        r"""Returns the steps and the values of every logged number, by name."""
        return read_curves(self.directory / "metrics.csv")


def run_data(directory: Path, trust: str = "") -> LightningDataModule:
    r"""Returns the data module of the run in a directory.

    A data module of this package downloads nothing, whatever config.yaml says: the file may come from
    somebody else, and would choose the folder to write to.

    Arguments:
        directory: The directory.
        trust: The packages besides this one whose classes its config.yaml may name.

    Raises:
        FileNotFoundError: If it holds no config.yaml.
        ValueError: If that names no data module that may be made.
    """
    path = directory / "config.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(directory)!r} is no run's directory: it holds no config.yaml that says which data "
            "it was trained on."
        )
    try:
        spec = yaml.safe_load(path.read_text())["data"]
        check_size(spec, "data")
        data = Rebuilder(trust).instance(spec, LightningDataModule, "data")
    except Exception as error:
        # A file can be wrong in any way.
        raise ValueError(
            f"{str(path)!r} holds no data that can be opened here: {error}"
        ) from error
    if hasattr(data, "download") and within(type(data).__module__, PACKAGES):
        data.download = False
    return data
