r"""A guard that stops a run whose losses are no longer finite."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ..functional.checks import check_count


class NonFiniteGuard(Callback):
    r"""Stops at the first loss that is not finite, and saves nothing from then on.

    Losses are kept for a few steps and looked at together, so an accelerator is not made to wait at
    every step; before a checkpoint is written, they and the weights are looked at always.

    Arguments:
        every_n_steps: The number of steps from one look to the next.

    Raises:
        FloatingPointError: That names the step and the term, in training.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        check_count("every_n_steps", every_n_steps)
        self.every_n_steps = every_n_steps
        self.recent: list[tuple[int, dict[str, Tensor]]] = []

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, Tensor],
        *args: object,
    ) -> None:
        self.recent.append((trainer.global_step, outputs))
        if len(self.recent) >= self.every_n_steps:
            self.look()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.look()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        self.look()
        for name, value in checkpoint["state_dict"].items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise FloatingPointError(
                    f"{name} is not finite after step {trainer.global_step}: stopped without "
                    "saving, the last checkpoint before it is good."
                )

    def look(self) -> None:
        r"""Raises a `FloatingPointError` if one of the recent losses is not finite."""
        recent, self.recent = self.recent, []
        if not recent:
            return
        losses = torch.stack([loss.float() for _, terms in recent for loss in terms.values()])
        if torch.isfinite(losses).all():
            return
        for step, terms in recent:
            for name, loss in terms.items():
                if not torch.isfinite(loss):
                    raise FloatingPointError(
                        f"{name} is {loss.item()} at step {step}: stopped, and the last checkpoint "
                        "before it is good. A smaller learning rate, gradient_clip_norm or a larger "
                        "epsilon are the usual mends."
                    )
