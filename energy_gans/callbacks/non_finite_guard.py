r"""A guard that stops a run when its losses, weights or other saved numbers are not finite."""

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
    r"""Stops a run at the first loss that is not finite, before any further checkpoint.

    The losses of several steps are checked together, so that the accelerator does not have to
    synchronise at every step. They are also checked before each checkpoint, with everything that
    the checkpoint holds: weights, moving averages, and the states of optimizers, schedules and
    chains. If one process finds a number that is not finite, all of them stop.

    Arguments:
        every_n_steps: The number of steps between two checks.

    Raises:
        FloatingPointError: During training, with the step and the term or the tensor.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        check_count("every_n_steps", every_n_steps)
        self.every_n_steps = every_n_steps
        self.recent: list[tuple[int, Terms]] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if isinstance(pl_module, GenerativeModule):
            pl_module.warns_of_losses = False

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Terms,
        *args: object,
    ) -> None:
        self.recent.append((trainer.global_step, outputs))
        if len(self.recent) >= self.every_n_steps:
            self.check_losses(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.check_losses(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        self.check_losses(trainer)
        own = pl_module.carried_state() if isinstance(pl_module, GenerativeModule) else {}
        name = non_finite(checkpoint | own)
        if found_on_any_process(trainer, name is not None):
            raise FloatingPointError(
                f"{name or 'A number of another process'} is not finite after step "
                f"{trainer.global_step}: stopped without saving, "
                f"{describe_last_checkpoint(trainer)}."
            )

    def check_losses(self, trainer: Trainer) -> None:
        r"""Raises a `FloatingPointError` if a loss since the last check is not finite."""
        recent, self.recent = self.recent, []
        if not recent:
            return
        losses = torch.stack([loss.float() for _, terms in recent for loss in terms.values()])
        if found_on_any_process(trainer, not torch.isfinite(losses).all()):
            left = describe_last_checkpoint(trainer)
            raise FloatingPointError(
                f"{_first_non_finite(recent)}: stopped, and {left}. A smaller learning rate, "
                "gradient_clip_norm or a larger epsilon often helps."
            )


def _first_non_finite(recent: list[tuple[int, Terms]]) -> str:
    r"""Returns a description of the first term that is not finite in some steps."""
    for step, terms in recent:
        for name, loss in terms.items():
            if not torch.isfinite(loss):
                return f"{name} is {loss.item()} at step {step}"
    return f"A term of another process is not finite at step {recent[-1][0]} or shortly before"


def found_on_any_process(trainer: Trainer, found: bool) -> bool:
    r"""Returns whether `found` is true on any process; all processes have to call this."""
    return trainer.strategy.reduce_boolean_decision(bool(found), all=False)


def describe_last_checkpoint(trainer: Trainer, sudden: bool = True) -> str:
    r"""Returns which checkpoint a stopped run leaves, in words; all processes have to call this.

    Arguments:
        trainer: The trainer.
        sudden: Whether the step before the one that stopped the run was certainly good.
    """
    last = run_directory(trainer) / LAST
    path = last if last.is_file() else trainer.ckpt_path
    if path is None:
        return "no checkpoint was written before it"
    if sudden:
        return f"the last checkpoint before it is good: {path}"
    return f"the last checkpoint, perhaps written after this began, is {path}"
