r"""Run directories: what training leaves behind, read back."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

from ..callbacks.curves import Curves, read_curves


class Run:
    r"""Creates a view of a run's directory: `config.yaml`, `metrics.csv`, `checkpoints/`.

    Arguments:
        directory: The directory, or one that holds several: then the newest in it is taken.

    Raises:
        FileNotFoundError: If there is no run.
    """

    def __init__(self, directory: str) -> None:
        found = [
            path.parent.parent
            for path in Path(directory).glob("**/checkpoints/last.ckpt")
            if (path.parent.parent / "config.yaml").is_file()
        ]
        if not found:
            raise FileNotFoundError(
                f"'run' = {directory!r} should be a run's directory: it holds no config.yaml and "
                "checkpoints/last.ckpt."
            )
        self.directory = max(found, key=lambda path: (path / "config.yaml").stat().st_mtime)

    def checkpoint(self, name: str = "last") -> Path:
        r"""Returns the path of a checkpoint: `"last"` or `"best"`."""
        path = self.directory / "checkpoints" / f"{name}.ckpt"
        if not path.is_file():
            raise FileNotFoundError(f"The run {self.directory} has no checkpoint {path.name} yet.")
        return path

    def data(self) -> LightningDataModule:
        r"""Returns the run's data module."""
        return run_data(self.directory)

    def curves(self) -> Curves:
        r"""Returns the steps and the values of every logged number, by name."""
        return read_curves(self.directory / "metrics.csv")


def run_data(directory: Path) -> LightningDataModule:
    r"""Returns the data module of the run in a directory.

    Raises:
        FileNotFoundError: If it holds no config.yaml.
    """
    path = directory / "config.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(directory)!r} is no run's directory: it holds no config.yaml that says which data "
            "it was trained on."
        )
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    for key in ("seed_everything", "model", "trainer", "ckpt_path", "weights_only"):
        parser.add_argument(f"--{key}", type=object)
    return parser.instantiate_classes(parser.parse_path(path)).data
