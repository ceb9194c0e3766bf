r"""A guard that stops or rolls back a run whose logged terms exceed their limits."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from ..checks import check_count, check_positive
from ..storage import load_checkpoint
from ..storage.saved_run import LAST
from ..storage.training_directory import run_directory
from .non_finite_guard import NonFiniteGuard, describe_last_checkpoint, found_on_any_process

LARGEST = torch.finfo(torch.float32).max
# The rates of a group of parameters; all but the first are those from which schedulers compute.
_RATES = ("lr", "initial_lr", "max_lr", "min_lr")


class DivergenceGuard(NonFiniteGuard):
    r"""Acts if the absolute value of a logged term exceeds its limit or is not finite.

    Energy-based models log the energy gap between real and synthesised samples (`gap`), its share
    of the largest gap (`gap_share`, see :func:`energy_gans.functional.gap_share`), the norm of the
    score (`score_norm`), the share of saturated pixels (`saturated`) and the distance that chains
    moved (`drift`).

    A single step can exceed a limit by chance. With `average_steps` n, limits apply to an
    exponential average of absolute values, which starts at 0 and moves by 1/n towards the value of
    each step. A term that stays at twice its limit exceeds it after about 0.7 n steps. A term that
    is not finite always counts at once.

    A rollback restores the weights, the optimizers and the chains of the last checkpoint and
    halves the current learning rates. The count of steps continues, and averages start at 0 again.
    No other callback changes what a model learns.

    Arguments:
        limits: The largest absolute value, above 0, of each term, by the term's name, such as
            `{gap: 100}`.
        action: `"stop"` or `"rollback"`.
        most_rollbacks: The largest number of rollbacks, after which the run is stopped.
        average_steps: The number n of steps in the averages; 1 for no average.

    Raises:
        ValueError: If a limit or a number is not positive, or the action is unknown.
        FloatingPointError: During training, with the step and the term.
    """

    def __init__(
        self,
        limits: dict[str, float] | None = None,
        action: Literal["stop", "rollback"] = "stop",
        most_rollbacks: int = 5,
        average_steps: int = 1,
    ) -> None:
        super().__init__(every_n_steps=1)
        for name, limit in (limits or {}).items():
            check_positive(f"limits[{name}]", limit)
        if action not in ("stop", "rollback"):
            raise ValueError(f"'action' should be 'stop' or 'rollback', got {action!r}.")
        check_count("most_rollbacks", most_rollbacks)
        check_count("average_steps", average_steps)
        self.limits = {f"train/{name}": limit for name, limit in (limits or {}).items()}
        self.action, self.most_rollbacks = action, most_rollbacks
        self.average_steps = average_steps
        self.rollbacks = 0
        self.averages: dict[str, float] = {}

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, Tensor],
        *args: object,
    ) -> None:
        excess = self.excess(trainer, outputs)
        if not found_on_any_process(trainer, excess is not None):
            return
        term = excess or "A term of another process is out of bounds"
        what = f"{term} at step {trainer.global_step}"
        if self.action == "stop" or self.rollbacks == self.most_rollbacks:
            tried = f" after {self.rollbacks} rollbacks" if self.rollbacks else ""
            left = describe_last_checkpoint(trainer, sudden=self.average_steps == 1)
            raise FloatingPointError(f"{what}: stopped{tried}, and {left}.")
        self.rollbacks += 1
        self.averages.clear()
        step = _roll_back(trainer, pl_module)
        rank_zero_warn(
            f"{what}: back to the checkpoint of step {step}, with half the learning rate "
            f"({self.rollbacks} of at most {self.most_rollbacks} times)."
        )

    def excess(self, trainer: Trainer, outputs: dict[str, Tensor]) -> str | None:
        r"""Returns a description of the first term that exceeds its limit after a step, or `None`.

        Arguments:
            trainer: The trainer, which holds the logged terms.
            outputs: What the step returned: the loss, a scalar, or values by name.

        Raises:
            ValueError: If a term with a limit is not logged.
        """
        if unknown := self.limits.keys() - outputs.keys():
            raise ValueError(
                f"'limits' should be of {sorted(n.removeprefix('train/') for n in outputs)}, got "
                f"{unknown.pop().removeprefix('train/')!r}."
            )
        values = torch.stack([value.float() for value in outputs.values()])
        if self.average_steps > 1:
            # A checkpoint holds the averages of one process, so they have to be equal on all.
            values = trainer.strategy.reduce(values, reduce_op="mean")
        for name, value in zip(outputs, values.tolist(), strict=True):
            # A comparison with NaN is false, so this also finds NaN.
            if not self._average(name, abs(value)) <= self.limits.get(name, LARGEST):
                limit = f", above {self.limits[name]:g}" if name in self.limits else ""
                return f"{name} {self._describe(name, value)}{limit}"
        return None

    def _average(self, name: str, size: float) -> float:
        r"""Returns the updated average of a term with a limit, or the value of another term."""
        if name not in self.limits:
            return size
        share = 1 / self.average_steps
        self.averages[name] = (1 - share) * self.averages.get(name, 0.0) + share * size
        return self.averages[name]

    def _describe(self, name: str, value: float) -> str:
        r"""Returns the value or the average of a term that exceeds its limit, in words."""
        if self.average_steps == 1 or not math.isfinite(value):
            return f"is {value:g}"
        return f"averages {self.averages[name]:g} over about {self.average_steps} steps"

    def state_dict(self) -> dict[str, Any]:
        return {"rollbacks": self.rollbacks, "averages": dict(self.averages)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rollbacks = state_dict["rollbacks"]
        # Checkpoints of earlier versions have no averages.
        averages = state_dict.get("averages", {})
        self.averages = {name: averages[name] for name in self.limits if name in averages}


def _roll_back(trainer: Trainer, model: LightningModule) -> int:
    r"""Restores the last checkpoint of a run, except for its step, and halves the learning rates.

    Returns:
        The step of the checkpoint.

    Raises:
        FloatingPointError: If there is no checkpoint.
        ValueError: If the checkpoint is damaged, or one of its weights is not finite.
    """
    path = run_directory(trainer) / LAST
    if not path.exists():
        raise FloatingPointError(
            f"The run diverged at step {trainer.global_step}, before its first checkpoint: there "
            "is none to go back to."
        )
    checkpoint = load_checkpoint(path)
    model.on_load_checkpoint(checkpoint)
    model.load_state_dict(checkpoint["state_dict"])
    for optimizer, state in zip(trainer.optimizers, checkpoint["optimizer_states"], strict=True):
        present = [{k: v for k, v in g.items() if k in _RATES} for g in optimizer.param_groups]
        optimizer.load_state_dict(state)
        for group, rates in zip(optimizer.param_groups, present, strict=True):
            group |= {name: rate / 2 for name, rate in rates.items()}
    for config in trainer.lr_scheduler_configs:
        _halve_rates(config.scheduler)
    return checkpoint["global_step"]


def _halve_rates(scheduler: LRScheduler) -> None:
    r"""Halves the learning rates from which a scheduler, or those that it holds, compute."""
    for part in getattr(scheduler, "_schedulers", ()):
        _halve_rates(part)
    for name in ("base_lrs", "max_lrs"):
        if hasattr(scheduler, name):
            setattr(scheduler, name, [rate / 2 for rate in getattr(scheduler, name)])
