r"""What a training step is, for every method: the three contracts.

**Step contract.** One `training_step` is one step, however many optimizers moved in it and how
often: `global_step`, `max_steps`, checkpoints, moving averages, schedulers and loggers all count it.

**Randomness contract.** What a step draws is a function of (seed, step), so a run that was killed
and resumed is, on the CPU, bit for bit the run that was not, if it has as many threads and processes.

**Batch contract.** Under DDP every process holds its share of a global batch, every world-size-th
sample of it. Noise is drawn for the global batch and shared out alike; charges are gathered. So
another number of processes gives the same run up to rounding, which training makes larger. Of held-out
samples every process holds whole batches, every world-size-th: a validation measures the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn as nn
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ...checks import check_count, check_positive
from ...functional import fold, keyed_generator
from ..parts.hooks import no_hooks_between
from ..parts.loop_progress import place_between_steps


class SteppedModule:
    r"""Gives a LightningModule its training step: alternating updates of its networks.

    Arguments:
        updates_per_step: How many updates a step makes, each on its own part of the step's batch.
            More than one spreads the trainer's overhead, which matters for small networks.
        discriminator_steps: How many minibatches train the discriminator for one that trains the
            generator. Each takes a part of the step's batch of its own.
        accumulate: Into how many parts a minibatch is cut for the backward pass, to save memory.
            Potentials are still those of the whole minibatch.
        gradient_clip_norm: The gradient's largest norm, for each of :meth:`clipping_sets`, or `None`.

    Attributes:
        unseen: Parameters that no loss depends on, which are not trained.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        check_count("updates_per_step", updates_per_step)
        check_count("discriminator_steps", discriminator_steps)
        check_count("accumulate", accumulate)
        if gradient_clip_norm is not None:
            check_positive("gradient_clip_norm", gradient_clip_norm)
        self.updates_per_step = updates_per_step
        self.discriminator_steps = discriminator_steps
        self.accumulate = accumulate
        self.gradient_clip_norm = gradient_clip_norm
        self.seed = torch.initial_seed()
        self.random = torch.Generator()
        self.direct = False
        self.noted: dict[str, Tensor] = {}
        self.unseen: list[nn.Parameter] = []

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        r"""Makes one alternating update on a minibatch and returns its losses by name.

        Arguments:
            y: The real samples of `discriminator_steps` minibatches, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.
        """
        raise NotImplementedError

    def on_train_start(self) -> None:
        self.random = torch.Generator(self.device)
        self.direct = no_hooks_between(self.trainer)

    def on_train_batch_start(self, batch: object, batch_idx: int) -> int | None:
        # Loggers take their steps from here, and Lightning counts one too many after some checkpoints.
        self.trainer.fit_loop.epoch_loop._batches_that_stepped = self.global_step
        # No step is begun once the run was asked to stop: -1 ends the epoch, and then the run ends.
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
        with self.counted_once():
            for part, part_label in zip(y.chunk(self.updates_per_step), labels, strict=True):
                losses = self.update(part, part_label)
        for scheduler in self.schedulers():
            scheduler.step()
        losses |= self.noted
        losses = {f"train/{name}": loss.detach() for name, loss in losses.items()}
        if self.global_step % self.trainer.log_every_n_steps == 0:
            self.log_dict(losses, prog_bar=True)
        return losses

    def note(self, **values: Tensor) -> None:
        r"""Logs what an update saw on its way, beside its losses, by name: scalars, detached here."""
        self.noted |= {name: value.detach() for name, value in values.items()}

    def seed_step(self) -> None:
        r"""Makes the step's noise, and what networks draw of their own, functions of (seed, step)."""
        self.random.manual_seed(fold(self.seed, "noise", self.global_step))
        own = fold(self.seed, "networks", self.global_step, self.global_rank)
        # torch.manual_seed asks after every kind of device, which takes as long as a small network.
        seed = (
            torch.default_generator.manual_seed if self.device.type == "cpu" else torch.manual_seed
        )
        seed(own)

    @contextmanager
    def counted_once(self) -> Iterator[None]:
        r"""Makes all that optimizers do inside count as one step."""
        optimizers = self.optimizer_list()
        before, after = optimizers[0]._on_before_step, optimizers[0]._on_after_step
        for optimizer in optimizers:
            optimizer._on_before_step = optimizer._on_after_step = lambda: None
        before()
        yield
        after()

    def descend(self, optimizer: LightningOptimizer, losses: Iterable[Tensor]) -> Tensor:
        r"""Makes one optimizer step along the mean of losses, which leaves `unseen` parameters as they are.

        Arguments:
            optimizer: The optimizer, as :meth:`optimizers` gives it.
            losses: The losses of the `accumulate` parts of a minibatch. Each is differentiated
                before the next is asked for, so only one graph is held at a time.

        Returns:
            The mean of the losses, detached.
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

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self.gradient_clip_norm is not None:
            for parameters in self.clipping_sets(optimizer):
                nn.utils.clip_grad_norm_(parameters, self.gradient_clip_norm)

    def clipping_sets(self, optimizer: Optimizer) -> list[list[nn.Parameter]]:
        r"""Returns the sets of an optimizer's parameters whose gradients are clipped, each by its own norm.

        There is one set, of all parameters, unless a method's optimizer trains networks that are independent.
        """
        return [[p for group in optimizer.param_groups for p in group["params"]]]

    def noise(self, n: int, *shape: int) -> Tensor:
        r"""Returns this process's share, with shape :math:`(n, *)`, of the step's standard normal noise."""
        return self.share_of(torch.randn, n, *shape)

    def uniform(self, n: int, *shape: int) -> Tensor:
        r"""Returns this process's share, with shape :math:`(n, *)`, of uniform noise in [0, 1)."""
        return self.share_of(torch.rand, n, *shape)

    def share_of(self, draw: Callable[..., Tensor], n: int, *shape: int) -> Tensor:
        r"""Returns every world-size-th of the samples drawn for the global minibatch."""
        z = draw(n * self.world_size, *shape, generator=self.random, device=self.random.device)
        return z[self.global_rank :: self.world_size].to(self.device)

    def gather(self, x: Tensor) -> Tensor:
        r"""Returns the global minibatch's samples in their order, detached, with shape :math:`(W B, *)`."""
        x = x.detach()
        return x if self.world_size == 1 else self.all_gather(x).transpose(0, 1).flatten(0, 1)

    def gather_attached(self, x: Tensor) -> Tensor:
        r"""Returns the samples of all processes, with shape :math:`(W B, *)`; this one's carry gradients.

        A loss of all pairs is computed whole by every process, and DDP takes the mean of gradients
        where their sum is meant: so these are the world size times as large.
        """
        if self.world_size == 1:
            return x
        parts = list(self.all_gather(x.detach()))
        parts[self.global_rank] = x.detach() + self.world_size * (x - x.detach())
        return torch.cat(parts)

    def place_of_batch(self, batch_idx: int) -> int:
        r"""Returns the place of this process's batch of held-out samples among those of all processes.

        Processes take whole batches in turn, so what belongs to a place does not depend on their number.
        """
        return batch_idx * self.world_size + self.global_rank

    def observing(self, *keys: int | str) -> torch.Generator:
        r"""Returns a generator for observers: it leaves what the training draws alone.

        It is the same in all processes. What they share out has to have its place among the keys.
        """
        # The last key was the process's once; 0 keeps the numbers of a single one.
        return keyed_generator(self.seed, *keys, 0, device=self.device)

    @property
    def smallest_minibatch(self) -> int:
        r"""The size of the smallest minibatch, of all processes together, whose losses are not empty."""
        return 1

    def check_batch_size(self, n: int) -> None:
        r"""Raises a `ValueError` unless a step can cut up its batch, of `n` samples on each process."""
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

    @property
    def world_size(self) -> int:
        r"""The number of processes that train this model."""
        return self.trainer.world_size

    def optimizer_list(self) -> list[LightningOptimizer]:
        r"""The optimizers, always a list."""
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def schedulers(self) -> list[LRScheduler]:
        r"""The learning rate schedulers, always a list."""
        schedulers = self.lr_schedulers()
        if schedulers is None:
            return []
        return schedulers if isinstance(schedulers, list) else [schedulers]
