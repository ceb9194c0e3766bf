r"""A guard that stops, or takes back, a run that leaves the bounds it was given."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from ..checks import check_count, check_positive
from ..storage import load_checkpoint
from ..storage.saved_run import LAST
from ..storage.training_directory import run_directory
from .non_finite_guard import NonFiniteGuard, on_any_process, what_is_left

LARGEST = torch.finfo(torch.float32).max


class DivergenceGuard(NonFiniteGuard):
    r"""Looks at what every step logs, and acts where its size exceeds a limit or is not finite.

    Energy-based models log the energy gap between real and synthesised samples (`gap`), its share of the
    largest gap (`gap_share`, of :func:`energy_gans.functional.gap_share`), the norm of the score
    (`score_norm`), the share of saturated pixels (`saturated`) and how far chains went (`drift`).

    One step can be far off by chance. With `average_steps` n a limit is that of an exponential average of
    sizes, which starts at 0 and goes 1/n of the way to the size of each step: a term that stays at twice
    its limit exceeds it after about 0.7 n steps. A term that is not finite does so at once.

    A run that is rolled back takes the weights, the optimizers and the chains of its last checkpoint, and
    half of its present learning rates; its steps go on counting, and averages start at 0 again. This is
    the one observer that changes what is learned.

    Arguments:
        limits: The largest size of each term, by its name, such as `{gap: 100}`.
        action: What is done: `"stop"`, or `"rollback"`.
        most_rollbacks: How often a run is rolled back before it is stopped.
        average_steps: The number n of steps of the averages; 1 for the sizes themselves.

    Raises:
        ValueError: If a limit is not positive, a number not a count, or the action unknown.
        FloatingPointError: That names the step and the term, in training.
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
        if not on_any_process(trainer, excess is not None):
            return
        what = f"{excess or 'A term of another process is out of bounds'} at step {trainer.global_step}"
        if self.action == "stop" or self.rollbacks == self.most_rollbacks:
            tried = f" after {self.rollbacks} rollbacks" if self.rollbacks else ""
            left = what_is_left(trainer, sudden=self.average_steps == 1)
            raise FloatingPointError(f"{what}: stopped{tried}, and {left}.")
        self.rollbacks += 1
        self.averages.clear()
        step = roll_back(trainer, pl_module)
        rank_zero_warn(
            f"{what}: back to the checkpoint of step {step}, with half the learning rate "
            f"({self.rollbacks} of at most {self.most_rollbacks} times)."
        )

    def excess(self, trainer: Trainer, outputs: dict[str, Tensor]) -> str | None:
        r"""Returns what is out of its bounds after a step, in words, or `None`.

        Raises:
            ValueError: If a limit is one of a term that is not logged.
        """
        if unknown := self.limits.keys() - outputs.keys():
            raise ValueError(
                f"'limits' should be of {sorted(n.removeprefix('train/') for n in outputs)}, got "
                f"{unknown.pop().removeprefix('train/')!r}."
            )
        values = torch.stack([value.float() for value in outputs.values()])
        if self.average_steps > 1:
            # A checkpoint holds the averages of one process, so all have to have the same.
            values = trainer.strategy.reduce(values, reduce_op="mean")
        for name, value in zip(outputs, values.tolist(), strict=True):
            # Not larger is not enough: nan is neither.
            if not self._averaged(name, abs(value)) <= self.limits.get(name, LARGEST):
                limit = f", above {self.limits[name]:g}" if name in self.limits else ""
                return f"{name} {self._in_words(name, value)}{limit}"
        return None

    def _averaged(self, name: str, size: float) -> float:
        r"""Returns the average of a term with a limit after one more step, and the size of others."""
        if name not in self.limits:
            return size
        share = 1 / self.average_steps
        self.averages[name] = (1 - share) * self.averages.get(name, 0.0) + share * size
        return self.averages[name]

    def _in_words(self, name: str, value: float) -> str:
        r"""Returns what a term that is out of its bounds is, or averages."""
        if self.average_steps == 1 or not math.isfinite(value):
            return f"is {value:g}"
        return f"averages {self.averages[name]:g} over about {self.average_steps} steps"

    def state_dict(self) -> dict[str, Any]:
        return {"rollbacks": self.rollbacks, "averages": dict(self.averages)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rollbacks = state_dict["rollbacks"]
        # Checkpoints of earlier versions have none.
        averages = state_dict.get("averages", {})
        self.averages = {name: averages[name] for name in self.limits if name in averages}


def roll_back(trainer: Trainer, model: LightningModule) -> int:
    r"""Puts a run back to its last checkpoint, but for its steps, with half its learning rates.

    Returns:
        The step of the checkpoint.

    Raises:
        FloatingPointError: If there is none.
        ValueError: If the checkpoint is damaged, or one of its weights is not finite.
    """
    path = run_directory(trainer) / LAST
    if not path.exists():
        raise FloatingPointError(
            f"The run diverged at step {trainer.global_step}, before its first checkpoint: there is "
            "none to go back to."
        )
    checkpoint = load_checkpoint(path)
    model.on_load_checkpoint(checkpoint)
    model.load_state_dict(checkpoint["state_dict"])
    for optimizer, state in zip(trainer.optimizers, checkpoint["optimizer_states"], strict=True):
        rates = [group["lr"] for group in optimizer.param_groups]
        optimizer.load_state_dict(state)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate / 2
            if "initial_lr" in group:
                group["initial_lr"] /= 2
    for config in trainer.lr_scheduler_configs:
        config.scheduler.base_lrs = [rate / 2 for rate in config.scheduler.base_lrs]
    return checkpoint["global_step"]
