r"""What every method shares: the contracts of a training step.

**Step contract.** One `training_step` is one step, however many optimizers moved in it and how
often: `global_step`, `max_steps`, checkpoints, moving averages, schedulers and loggers all count it.

**Randomness contract.** What a step draws is a function of (seed, step), so a run that was killed
and resumed is, bit for bit, the run that was not.

**Batch contract.** Under DDP every process holds its share of a global batch, every world-size-th
sample of it. Noise is drawn for the global batch and shared out alike; charges are gathered.
"""

from __future__ import annotations

import pickle
import warnings

import torch
import torch.nn as nn
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from ..functional import fold, keyed_generator, warmed_decay
from ..functional.kernels import check_positive

# Networks are hyper-parameters here, on purpose: the CLI stores how they were made, not what they
# are, and a checkpoint rebuilds its model from that.
warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module` and is already saved.*")


class GenerativeModule(LightningModule):
    r"""Creates a generative model that is trained by alternating updates of its networks.

    A method implements :meth:`update`, one alternating update on one minibatch, :meth:`generate`
    and :meth:`check`; the rest of a step is done here.

    Arguments:
        updates_per_step: How many updates a step makes, each on its own part of the step's batch.
            More than one spreads the trainer's overhead, which matters for small networks.
        discriminator_steps: How many minibatches train the discriminator for one that trains the
            generator. Each takes a part of the step's batch of its own.
        accumulate: Into how many parts a minibatch is cut for the backward pass, to save memory.
            Potentials are still those of the whole minibatch.
        gradient_clip_norm: The gradient's largest norm, per optimizer, or `None`.
        initial_weights: A checkpoint whose weights a new run starts from, or `None`.
        channels_last: Whether images and convolutions are stored channels last, which is faster.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        counts = {
            "updates_per_step": updates_per_step,
            "discriminator_steps": discriminator_steps,
            "accumulate": accumulate,
        }
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name!r} should be at least 1, got {value!r}.")
        if gradient_clip_norm is not None:
            check_positive("gradient_clip_norm", gradient_clip_norm)
        self.updates_per_step = updates_per_step
        self.discriminator_steps = discriminator_steps
        self.accumulate = accumulate
        self.gradient_clip_norm = gradient_clip_norm
        self.initial_weights = initial_weights
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.averaged: AveragedModel | None = None
        self.seed = torch.initial_seed()
        self.random = torch.Generator()
        self.checked = False

    # What a method implements

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        r"""Makes one alternating update on a minibatch and returns its losses by name.

        Arguments:
            y: The real samples of `discriminator_steps` minibatches, with shape :math:`(B, *)`.
            label: Their labels, with shape :math:`(B)`, or `None`.
        """
        raise NotImplementedError

    def generate(self, network: nn.Module, n: int, random: torch.Generator) -> Tensor:
        r"""Returns `n` samples that a network generates from noise drawn from `random`."""
        raise NotImplementedError

    def check(self, y: Tensor) -> None:
        r"""Raises a `ValueError` if the networks do not fit a batch of shape :math:`(B, *)`."""
        raise NotImplementedError

    @property
    def sampled_network(self) -> nn.Module:
        r"""The network that :meth:`sample` evaluates, and of which moving averages are taken."""
        raise NotImplementedError

    # What a user calls

    @torch.no_grad()
    def sample(
        self, n: int, label: Tensor | None = None, random: torch.Generator | None = None
    ) -> Tensor:
        r"""Returns samples: those of the moving average, if there is one, in evaluation mode.

        Arguments:
            n: The number of samples.
            label: Their labels, with shape :math:`(n)`, for class-conditional models.
            random: The generator to draw from, or `None` for a new one of arbitrary seed. One seed
                gives the same samples for every `n` up to the one asked for and on every step.

        Returns:
            The samples, with shape :math:`(n, *)`; images are clipped to [-1, 1].

        Raises:
            ValueError: If `label` is given to a model that has none.
        """
        if label is not None:
            raise ValueError(f"{type(self).__name__} is unconditional: it takes no 'label'.")
        if random is None:
            random = torch.Generator(self.device)
            random.seed()
        network = self.sampled_network if self.averaged is None else self.averaged.module
        with evaluating(network):
            x = self.generate(network, n, random)
        return x.clamp(-1, 1) if x.ndim == 4 else x

    def average(self, decay: float) -> AveragedModel:
        r"""Starts a moving average of the sampled network, or returns the one there is.

        The average is a part of the model: it is saved, loaded and sampled with it.

        Arguments:
            decay: The decay that is approached, see :func:`energy_gans.functional.warmed_decay`.
        """

        def lerp(averaged: list[Tensor], current: list[Tensor], n: Tensor) -> None:
            # n = 1 at the first call: AveragedModel's own first update is a copy.
            weight = 1 - warmed_decay(decay, int(n) - 1)
            if averaged[0].is_floating_point():
                torch._foreach_lerp_(averaged, current, weight)
            else:
                torch._foreach_copy_(averaged, current)

        if self.averaged is None:
            self.averaged = AveragedModel(self.sampled_network, use_buffers=True)
            self.averaged.requires_grad_(False)
        self.averaged.multi_avg_fn = lerp
        return self.averaged

    # The step

    def training_step(
        self, batch: tuple[Tensor, Tensor | None], batch_idx: int
    ) -> dict[str, Tensor]:
        y, label = batch
        if not self.checked:
            self.check_batch(y)
        if y.ndim == 4:
            y = y.contiguous(memory_format=self.memory_format)
        self.random.manual_seed(fold(self.seed, "noise", self.global_step))
        torch.manual_seed(fold(self.seed, "networks", self.global_step, self.global_rank))
        labels = [None] * self.updates_per_step if label is None else label.chunk(self.updates_per_step)
        with self.counted_once():
            for part, part_label in zip(y.chunk(self.updates_per_step), labels, strict=True):
                losses = self.update(part, part_label)
        for scheduler in self.schedulers():
            scheduler.step()
        losses = {f"train/{name}": loss.detach() for name, loss in losses.items()}
        if self.global_step % self.trainer.log_every_n_steps == 0:
            self.log_dict(losses, prog_bar=True)
        return losses

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
        r"""Makes one optimizer step along the mean of losses.

        Arguments:
            optimizer: The optimizer, as :meth:`optimizers` gives it.
            losses: The losses of the `accumulate` parts of a minibatch. Each is differentiated
                before the next is asked for, so only one graph is held at a time.

        Returns:
            The mean of the losses, detached.
        """
        optimizer.zero_grad()
        mean = torch.zeros((), device=self.device)
        for loss in losses:
            self.manual_backward(loss / self.accumulate if self.accumulate > 1 else loss)
            mean = mean + loss.detach() / self.accumulate
        optimizer.step()
        return mean

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self.gradient_clip_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.gradient_clip_norm)

    def noise(self, n: int, *shape: int) -> Tensor:
        r"""Returns this process's share, with shape :math:`(n, *)`, of the step's standard normal noise."""
        z = torch.randn(
            n * self.world_size, *shape, generator=self.random, device=self.random.device
        )
        return z[self.global_rank :: self.world_size].to(self.device)

    def gather(self, x: Tensor) -> Tensor:
        r"""Returns the samples of all processes, detached, with shape :math:`(W B, *)`."""
        x = x.detach()
        return x if self.world_size == 1 else self.all_gather(x).flatten(0, 1)

    @property
    def world_size(self) -> int:
        r"""The number of processes that train this model."""
        return self.trainer.world_size

    # The plumbing

    def setup(self, stage: str) -> None:
        self.to(memory_format=self.memory_format)
        if stage == "fit" and self.initial_weights and self.trainer.ckpt_path is None:
            self.load_initial_weights(self.initial_weights)

    def load_initial_weights(self, path: str) -> None:
        r"""Loads the networks, not their moving average, from a checkpoint."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
            missing, _ = self.load_state_dict(state, strict=False)
        except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"'initial_weights' should be a checkpoint of the same networks, got {path!r}: {error}"
            ) from error
        missing = [name for name in missing if not name.startswith("averaged.")]
        if missing:
            raise ValueError(f"'initial_weights' = {path!r} lacks {missing[0]!r}.")

    def optimizer_list(self) -> list[LightningOptimizer]:
        r"""The optimizers, always a list."""
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def schedulers(self) -> list[torch.optim.lr_scheduler.LRScheduler]:
        r"""The learning rate schedulers, always a list."""
        schedulers = self.lr_schedulers()
        if schedulers is None:
            return []
        return schedulers if isinstance(schedulers, list) else [schedulers]

    def check_batch(self, y: Tensor) -> None:
        r"""Raises a `ValueError` if the first batch can not be cut up, or does not fit the networks."""
        parts = self.updates_per_step * self.discriminator_steps * self.accumulate
        if len(y) % parts != 0:
            raise ValueError(
                f"'data.init_args.batch_size' should be a multiple of updates_per_step x "
                f"discriminator_steps x accumulate = {parts} on each of {self.world_size} "
                f"processes, got {len(y) * self.world_size}."
            )
        with torch.no_grad(), evaluating(self):
            self.check(y[:2])
        self.checked = True

    def validation_step(self, batch: tuple[Tensor, Tensor | None], batch_idx: int) -> None:
        pass

    def test_step(self, batch: tuple[Tensor, Tensor | None], batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    def predict_step(self, batch: tuple[Tensor, Tensor | None], batch_idx: int) -> Tensor:
        return self.sample(len(batch[0]), random=self.observing("predict", batch_idx))

    def observing(self, *keys: int | str) -> torch.Generator:
        r"""Returns a generator for observers: it leaves what the training draws alone."""
        return keyed_generator(self.seed, *keys, self.global_rank, device=self.device)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["seed"] = self.seed

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        averaged = any(key.startswith("averaged.") for key in checkpoint["state_dict"])
        if averaged and self.averaged is None:
            self.average(decay=0.0)
            self.averaged.to(memory_format=self.memory_format)


def weights_and_rest(network: nn.Module) -> list[dict]:
    r"""Returns two groups of parameters: the weights of dense and (de)convolutional layers, and
    the rest, which is spared the optimizer's weight decay."""
    layers = (nn.Linear, nn.modules.conv._ConvNd)
    weights = [m.weight for m in network.modules() if isinstance(m, layers)]
    known = {id(w) for w in weights}
    rest = [p for p in network.parameters() if id(p) not in known]
    groups = [{"params": weights}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    r"""Puts a network in evaluation mode for a while."""
    modes = [(m, m.training) for m in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    r"""Keeps gradients out of a network's parameters, not out of its inputs, for a while."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)


def fitted(check: Callable[[], Tensor], shape: tuple[int, ...], wanted: str) -> None:
    r"""Raises a `ValueError` unless a network runs and gives the shape that is wanted.

    Arguments:
        check: Evaluates the network.
        shape: The shape it should give.
        wanted: The sentence that says so, naming both shapes' config keys.
    """
    try:
        given = tuple(check().shape)
    except RuntimeError as error:
        raise ValueError(f"{wanted}, but it fails: {str(error).splitlines()[0]}") from error
    if given != shape:
        raise ValueError(f"{wanted}, got {given}.")
