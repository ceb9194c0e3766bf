r"""The training step of every method, and the contracts that it keeps.

**Step contract.** One `training_step` is one step, whatever the number of optimizers and their
updates. `global_step`, `max_steps`, checkpoints, moving averages, schedulers and loggers all count
it once.

**Randomness contract.** The random numbers of a step are a function of (seed, step). On the CPU,
with the same number of threads and processes, a run that was killed and resumed therefore equals,
bit for bit, the run that was never killed.

**Batch contract.** See :mod:`energy_gans.methods.bases.global_batch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from ...checks import check_count
from ...functional import fold
from ..parts.hooks import no_hooks_between
from ..parts.loop_progress import place_between_steps
from .global_batch import GlobalBatchMixin
from .optimizers import OptimizersMixin


class SteppedModule(GlobalBatchMixin, OptimizersMixin):
    r"""Gives a LightningModule its training step: alternating updates of its networks.

    Arguments:
        updates_per_step: The number of updates in a step, each on its own part of the step's
            batch. More than one update spreads the trainer's overhead, which matters for small
            networks.
        discriminator_steps: The number of minibatches that train the discriminator for one that
            trains the generator. Each is its own part of the step's batch.
        accumulate: The number of parts that a minibatch is split into for the backward pass, to
            save memory. Potentials remain those of the whole minibatch.
        kwargs: The arguments of :class:`OptimizersMixin`.

    Attributes:
        noted: What the present step logs besides its losses.
        unseen: The parameters that no loss depends on. They are not trained.
        warns_of_losses: Whether logged losses that are not finite cause a warning. Guards, which
            stop such a run, set it to `False`, and so does the first warning.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.automatic_optimization = False
        check_count("updates_per_step", updates_per_step)
        check_count("discriminator_steps", discriminator_steps)
        check_count("accumulate", accumulate)
        self.updates_per_step = updates_per_step
        self.discriminator_steps = discriminator_steps
        self.accumulate = accumulate
        self.direct = False
        self.noted: dict[str, Tensor] = {}
        self.unseen: list[nn.Parameter] = []
        self.warns_of_losses = True

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        r"""Makes one alternating update and returns its losses by name.

        Arguments:
            y: The real samples of `discriminator_steps` minibatches, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.

        Returns:
            The losses, scalars, by the names under which they are logged.
        """
        raise NotImplementedError

    # The hooks of the trainer

    def on_train_start(self) -> None:
        self.random = torch.Generator(self.device)
        self.direct = no_hooks_between(self.trainer)

    def on_train_batch_start(self, batch: object, batch_idx: int) -> int | None:
        # Loggers read this counter, which is one too high after Lightning resumes some
        # checkpoints.
        self.trainer.fit_loop.epoch_loop._batches_that_stepped = self.global_step
        # Once a stop is requested, no step begins: -1 ends the epoch, and the run with it.
        stop = self.trainer.should_stop and self.trainer.fit_loop._can_stop_early
        return -1 if stop else None

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        place_between_steps(checkpoint, self.global_step, self.trainer.num_training_batches)

    def training_step(
        self, batch: tuple[Tensor, Tensor | None], batch_idx: int
    ) -> dict[str, Tensor]:
        y, label = batch
        self.noted.clear()
        self.seed_step()
        labels = (
            [None] * self.updates_per_step if label is None else label.chunk(self.updates_per_step)
        )
        with self.count_as_one_step():
            for part, part_label in zip(y.chunk(self.updates_per_step), labels, strict=True):
                losses = self.update(part, part_label)
        if not isinstance(losses, dict):
            raise ValueError(
                f"'update' of {type(self).__name__} should return a dictionary of losses by name, "
                f"got {type(losses).__name__}."
            )
        for scheduler in self.schedulers():
            scheduler.step()
        self.note_step()
        losses |= self.noted
        losses = {f"train/{name}": loss.detach() for name, loss in losses.items()}
        every = self.trainer.log_every_n_steps
        if every and self.global_step % every == 0:
            means = self.means_over_processes(losses)
            self.log_dict(means, prog_bar=True)
            if self.warns_of_losses:
                self.warn_of_losses(means)
        return losses

    def warn_of_losses(self, losses: dict[str, Tensor]) -> None:
        r"""Warns of the first of logged losses, scalars, that is not finite."""
        wrong = next((name for name, loss in losses.items() if not loss.isfinite()), None)
        if wrong is not None:
            self.warns_of_losses = False
            rank_zero_warn(
                f"{wrong!r} is {losses[wrong].item()} at step {self.global_step}, and training "
                "goes on: energy_gans.callbacks.NonFiniteGuard among the trainer's callbacks "
                "stops such a run."
            )

    # What an update calls

    def note(self, **values: Tensor) -> None:
        r"""Logs scalars of an update besides its losses, by name. They are detached."""
        self.noted |= {name: value.detach() for name, value in values.items()}

    def note_step(self) -> None:
        r"""Logs what takes time to compute and is needed once a step, after its last update."""

    def descend(self, optimizer: LightningOptimizer, losses: Iterable[Tensor]) -> Tensor:
        r"""Makes one optimizer step along the mean of losses, except for the `unseen` parameters.

        Arguments:
            optimizer: One of :meth:`optimizers`.
            losses: The losses, scalars, of the `accumulate` parts of a minibatch. Each is
                differentiated before the next is computed, so that only one graph is held in
                memory.

        Returns:
            The mean of the losses, a scalar, detached.
        """
        optimizer.zero_grad()
        parts: list[Tensor] = []
        for loss in losses:
            part = loss / self.accumulate if self.accumulate > 1 else loss
            (Tensor.backward if self.direct else self.manual_backward)(part)
            parts.append(part.detach())
        for p in self.unseen:
            p.grad = None
        if self.direct:
            self.on_before_optimizer_step(optimizer.optimizer)
            optimizer.optimizer.step()
        else:
            optimizer.step()
        return sum(parts)

    # The contracts

    def seed_step(self) -> None:
        r"""Seeds the step's noise, and the random numbers that networks draw, by (seed, step)."""
        self.random.manual_seed(fold(self.seed, "noise", self.global_step))
        own = fold(self.seed, "networks", self.global_step, self.global_rank)
        # torch.manual_seed queries every kind of device, which takes as long as a small network.
        seed = (
            torch.default_generator.manual_seed if self.device.type == "cpu" else torch.manual_seed
        )
        seed(own)

    @contextmanager
    def count_as_one_step(self) -> Iterator[None]:
        r"""Counts all optimizer steps within the context as one step."""
        optimizers = self.optimizer_list()
        before, after = optimizers[0]._on_before_step, optimizers[0]._on_after_step
        for optimizer in optimizers:
            optimizer._on_before_step = optimizer._on_after_step = lambda: None
        before()
        yield
        after()

    @property
    def smallest_minibatch(self) -> int:
        r"""The size of the smallest global minibatch whose losses are not empty."""
        return 1

    def check_batch_size(self, n: int) -> None:
        r"""Raises a `ValueError` unless a step can split a batch of `n` samples a process."""
        minibatches = self.updates_per_step * self.discriminator_steps
        parts, batch_size = minibatches * self.accumulate, n * self.world_size
        if n % parts != 0:
            raise ValueError(
                f"'data.init_args.batch_size' should be a multiple of updates_per_step x "
                f"discriminator_steps x accumulate = {parts} on each of {self.world_size} "
                f"processes, got {batch_size}."
            )
        smallest = self.smallest_minibatch
        if batch_size < smallest * minibatches:
            raise ValueError(
                f"'data.init_args.batch_size' should be at least {smallest * minibatches} for "
                f"{type(self).__name__}, got {batch_size}: the loss of a minibatch of fewer than "
                f"{smallest} samples is empty, and a step takes {minibatches}."
            )
