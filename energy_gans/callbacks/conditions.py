r"""The conditions of a run besides its config's model, data and seed, saved in its checkpoints.

They are the trainer's precision, the decay of :class:`.EMA`, and the contents of the data. A
resumed run compares them with its own.
"""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer

from .ema import EMA

CONDITIONS = "conditions"
SPLITS = ("train", "val")
DIGITS = 16
NO_AVERAGE = "none (there is no such callback)"


class Conditions(Callback):
    r"""Saves the run's conditions at its start in each checkpoint."""

    def __init__(self) -> None:
        self.found: dict[str, Any] | None = None

    def collect(self, trainer: Trainer, data: LightningDataModule | None) -> dict[str, Any]:
        r"""Returns the conditions of a run by name: numbers, strings and `None`.

        Data modules without a `fingerprint` are left out.
        """
        if self.found is None:
            decays = [c.decay for c in trainer.callbacks if isinstance(c, EMA)]
            self.found = {"trainer.precision": trainer.precision}
            self.found["the decay of EMA"] = decays[0] if decays else NO_AVERAGE
            for split in SPLITS if hasattr(data, "fingerprint") else ():
                digest = data.fingerprint(split)[:DIGITS]
                self.found[f"the data's split {split!r}"] = (
                    f"{data.length(split)} samples with SHA-256 {digest}..."
                )
        return self.found

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.collect(trainer, trainer.datamodule)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        checkpoint[CONDITIONS] = self.collect(trainer, trainer.datamodule)
