r"""A progress bar over steps, redrawn at time intervals because steps differ in length."""

from __future__ import annotations

import time

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm.auto import tqdm

from ..checks import check_count
from ..terminal import INTERACTIVE_INTERVAL, LOG_INTERVAL, is_interactive


class StepProgress(ProgressBar):
    r"""Shows the steps of the whole run, their rate, and the last logged losses.

    The bar is redrawn at most ten times a second, and every 20 seconds in a log file.

    Arguments:
        refresh_rate: The smallest number of steps between two updates of the bar.

    Raises:
        ValueError: If `refresh_rate` is not positive.
    """

    def __init__(self, refresh_rate: int = 1) -> None:
        super().__init__()
        check_count("refresh_rate", refresh_rate)
        self.refresh_rate = refresh_rate
        self.bar: tqdm | None = None
        self.enabled = True
        self.interval = INTERACTIVE_INTERVAL
        self.shown_at = -float("inf")

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self.interval = INTERACTIVE_INTERVAL if is_interactive() else LOG_INTERVAL
        self.bar = tqdm(
            total=trainer.max_steps if trainer.max_steps > 0 else None,
            initial=trainer.global_step,
            desc="step",
            unit="step",
            disable=not self.enabled,
            # This class decides when to redraw, before it reads losses from the device.
            mininterval=0.0,
            miniters=1,
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        due = time.monotonic() - self.shown_at >= self.interval
        if due and trainer.global_step % self.refresh_rate == 0:
            self.show(trainer)

    def show(self, trainer: Trainer) -> None:
        r"""Draws the current step and the losses."""
        self.shown_at = time.monotonic()
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
