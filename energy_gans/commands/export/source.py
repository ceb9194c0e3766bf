r"""What is exported: a model, and what is known of its training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule

from ...checks import Names
from ...data.prepared.reader import file_digest
from ...methods import GenerativeModule
from ...storage.checkpoint import load_checkpoint
from ...storage.export import checkpoint_of
from ...storage.saved_run import run_data, run_of
from ...storage.stamps import find_metrics, package_versions
from ..models import Checkpoint, find_model, open_model


@dataclass(frozen=True)
class ExportSource:
    r"""A model that is exported, and what is known of it.

    Arguments:
        model: The model.
        checkpoint: What its checkpoint says of it.
        origin: Versions, and name and SHA-256 of the checkpoint.
        run: The folder of its run, or `None` if it was not loaded from files.
        trust: The packages besides this one whose classes its data may name.
    """

    model: GenerativeModule
    checkpoint: dict[str, Any]
    origin: dict[str, Any]
    run: Path | None = None
    trust: Names = ""

    def file(self, name: str) -> Path | None:
        r"""Returns the path of a file of the run, or `None` if there is no such file."""
        path = None if self.run is None else self.run / name
        return path if path is not None and path.is_file() else None

    def numbers(self) -> Path | None:
        r"""Returns the path of the numbers measured of this checkpoint, or `None`."""
        digest = self.origin.get("checkpoint", {}).get("sha256")
        return None if self.run is None else find_metrics(self.run, digest)

    def data(self) -> LightningDataModule:
        r"""Returns the data module that the model was trained on.

        Raises:
            FileNotFoundError: If its files are missing, or the model names none.
        """
        if self.run is not None:
            return run_data(self.run, self.trust)
        trainer = self.model._trainer
        if trainer is None or trainer.datamodule is None:
            raise FileNotFoundError("The model is in memory, without its data.")
        return trainer.datamodule


def open_source(ckpt_path: Checkpoint, trust: Names) -> ExportSource:
    r"""Returns a model and what is known of it.

    Arguments:
        ckpt_path: The path of its checkpoint, or the model itself.
        trust: The packages besides this one whose classes its files may name.
    """
    origin: dict[str, Any] = {"versions": package_versions()}
    path = find_model(ckpt_path)
    model = open_model(path, trust)
    if path is model:
        return ExportSource(model, checkpoint_of(model), origin)
    checkpoint = load_checkpoint(path)
    origin["checkpoint"] = {"name": path.name, "sha256": file_digest(path)}
    # The numbers in an exported folder are those of the checkpoint that it was made of.
    origin |= checkpoint.get("origin", {})
    return ExportSource(model, checkpoint, origin, run_of(path), trust)
