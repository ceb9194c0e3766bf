r"""A guard that stops a run whose losses, weights or other saved numbers are no longer finite."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ..checks import check_count
from ..methods import GenerativeModule
from ..methods.parts.finite import non_finite
from ..storage.saved_run import LAST
from ..storage.training_directory import run_directory

Terms = dict[str, Tensor]


class NonFiniteGuard(Callback):
    r"""Stops at the first loss that is not finite, and saves nothing from then on.

    Losses are kept for a few steps and looked at together, so an accelerator is not made to wait at
    every step. Before a checkpoint is written, they are looked at always, and so is all that it would
    hold: weights, moving averages, the states of optimizers, schedules and chains. If one process finds
    something, all of them stop.

    Arguments:
        every_n_steps: The number of steps from one look to the next.

    Raises:
        FloatingPointError: That names the step and the term or the tensor, in training.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        check_count("every_n_steps", every_n_steps)
        self.every_n_steps = every_n_steps
        self.recent: list[tuple[int, Terms]] = []

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Terms,
        *args: object,
    ) -> None:
        self.recent.append((trainer.global_step, outputs))
        if len(self.recent) >= self.every_n_steps:
            self.look(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.look(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        self.look(trainer)
        own = pl_module.carried_state() if isinstance(pl_module, GenerativeModule) else {}
        name = non_finite(checkpoint | own)
        if on_any_process(trainer, name is not None):
            raise FloatingPointError(
                f"{name or 'A number of another process'} is not finite after step "
                f"{trainer.global_step}: stopped without saving, {what_is_left(trainer)}."
            )

    def look(self, trainer: Trainer) -> None:
        r"""Raises a `FloatingPointError` if one of the recent losses is not finite."""
        recent, self.recent = self.recent, []
        if not recent:
            return
        losses = torch.stack([loss.float() for _, terms in recent for loss in terms.values()])
        if on_any_process(trainer, not torch.isfinite(losses).all()):
            raise FloatingPointError(
                f"{first_non_finite(recent)}: stopped, and {what_is_left(trainer)}. A smaller learning "
                "rate, gradient_clip_norm or a larger epsilon are the usual mends."
            )


def first_non_finite(recent: list[tuple[int, Terms]]) -> str:
    r"""Returns, in words, the first term of some steps that is not finite."""
    for step, terms in recent:
        for name, loss in terms.items():
            if not torch.isfinite(loss):
                return f"{name} is {loss.item()} at step {step}"
    return f"A term of another process is not finite at step {recent[-1][0]} or shortly before"


def on_any_process(trainer: Trainer, found: bool) -> bool:
    r"""Returns whether something was found by a process of the run, the same on all: every one has to ask."""
    return trainer.strategy.reduce_boolean_decision(bool(found), all=False)


def what_is_left(trainer: Trainer, sudden: bool = True) -> str:
    r"""Returns the words that say which checkpoint a stopped run leaves; every process has to ask.

    Arguments:
        trainer: The trainer.
        sudden: Whether the step before the one that stopped it was good.
    """
    last = run_directory(trainer) / LAST
    path = last if last.is_file() else trainer.ckpt_path
    if path is None:
        return "no checkpoint was written before it"
    if sudden:
        return f"the last checkpoint before it is good: {path}"
    return f"the last checkpoint, perhaps written after this began, is {path}"
