r"""A progress bar that counts steps, which is what a run of alternating updates is made of."""

from __future__ import annotations

import sys

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm.auto import tqdm


class StepProgress(ProgressBar):
    r"""Shows the steps of the whole run, their rate, and the losses as last logged.

    Arguments:
        refresh_rate: The number of steps from one refresh to the next.
    """

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__()
        self.refresh_rate = refresh_rate
        self.bar: tqdm | None = None
        self.enabled = True

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self.bar = tqdm(
            total=trainer.max_steps if trainer.max_steps > 0 else None,
            initial=trainer.global_step,
            desc="step",
            unit="step",
            disable=not self.enabled,
            # A log file needs no redrawing.
            mininterval=0.1 if sys.stderr.isatty() else 20.0,
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        if trainer.global_step % self.refresh_rate == 0:
            self.show(trainer)

    def show(self, trainer: Trainer) -> None:
        r"""Draws the present step and the losses."""
        terms = {
            name.removeprefix("train/"): f"{float(value):.4g}"
            for name, value in trainer.progress_bar_metrics.items()
        }
        self.bar.set_postfix(terms, refresh=False)
        self.bar.update(trainer.global_step - self.bar.n)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.show(trainer)
        self.bar.close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def print(self, *args: object, sep: str = " ", **kwargs: object) -> None:
        tqdm.write(sep.join(map(str, args)))
