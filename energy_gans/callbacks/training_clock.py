r"""The training time, for comparisons of methods at equal time instead of equal steps."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class TrainingClock(Callback):
    r"""Logs `time/seconds` at every validation: the time spent in training since step 0.

    The clock starts with a batch. It includes reading data, moving averages, logging and other
    callbacks between batches, and excludes validation and the writing of checkpoints. A resumed
    run continues from the time in its checkpoint. The clock synchronises with the GPU only when it
    stops.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.started: float | None = None
        self.device = torch.device("cpu")

    def pause(self) -> None:
        r"""Stops the clock, after the device has finished its work."""
        if self.started is None:
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - self.started
        self.started = None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        if self.started is None:
            self.device, self.started = pl_module.device, time.perf_counter()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.pause()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            pl_module.log("time/seconds", self.seconds, sync_dist=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.pause()

    def state_dict(self) -> dict[str, Any]:
        # Lightning calls this when it begins to write a checkpoint. The next batch restarts the
        # clock.
        self.pause()
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]
