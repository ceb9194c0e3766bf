r"""What every method has: samples, a moving average, and checks of what it is given."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ...functional import energy_distance
from ..parts.constant_shifts import shift_parameters
from ..parts.moving_average import MovingAverage, match_average
from ..parts.networks import (
    check_label,
    check_made_in_python,
    check_precision,
    evaluating,
    load_weights,
)
from ..parts.parameter_groups import regroup, weights_and_rest
from .capabilities import Capabilities
from .stepped import SteppedModule

Trained = tuple[nn.Module, OptimizerCallable, LRSchedulerCallable | None]
Measure = Callable[[Tensor, Tensor], Tensor]

# Networks and optimizers are hyper-parameters here, on purpose: the CLI stores how they were made,
# not what they are, and a checkpoint rebuilds its model from that.
for words in ("is an instance of `nn.Module` and is already saved", "it cannot be pickled"):
    warnings.filterwarnings("ignore", message=f".*{words}.*")


class GenerativeModule(Capabilities, SteppedModule, LightningModule):
    r"""Creates a generative model that is trained by alternating updates of its networks.

    A method implements :meth:`update`, one alternating update on one minibatch, :meth:`generate`,
    :meth:`check` and :attr:`ema_source`, and appends each network it trains to `trained`, with
    what makes its optimizer and its schedule. A class-conditional one sets `classes`, the number of
    them, and its networks take labels as their second argument. What a step is, is said in
    :mod:`energy_gans.methods.bases.stepped`.

    Arguments:
        initial_weights: A checkpoint whose weights a new run starts from, or `None`; on the command
            line the folder of a run, too.
        channels_last: Whether images and convolutions are stored channels last, which is faster.
        kwargs: The arguments of :class:`SteppedModule`.
    """

    def __init__(
        self,
        channels_last: bool = False,
        initial_weights: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.keep_plain_hyperparameters()
        self.classes: int | None = None
        self.trained: list[Trained] = []
        self.initial_weights = initial_weights
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.averaged: MovingAverage | None = None
        self.checked = False

    # What a method implements

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        r"""Returns `n` samples that a network generates from noise drawn from `random`."""
        raise NotImplementedError

    def check(self, y: Tensor) -> None:
        r"""Raises a `ValueError` if the networks do not fit a batch of shape :math:`(B, *)`."""
        raise NotImplementedError

    @property
    def ema_source(self) -> nn.Module:
        r"""The network that :meth:`sample` evaluates, and of which moving averages are taken."""
        raise NotImplementedError

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        r"""Returns outputs of trained networks to which one constant may be added without any effect on losses.

        A method that has such outputs says so; the parameters that only add to them, such as the bias
        of a last layer, are not trained: their gradient is nothing but rounding.

        Arguments:
            y: Samples to evaluate the networks at, with shape :math:`(B, *)`.
        """
        return []

    def validation_measures(self) -> dict[str, Measure]:
        r"""Returns what a validation logs, by name: functions of a batch of real samples and as many generated."""
        return {"val/energy_distance": energy_distance}

    # What a user calls

    # Chains and flows take gradients on their way, which inference mode has no room for.
    @torch.inference_mode(False)
    @torch.no_grad()
    def sample(
        self, n: int, label: Tensor | None = None, random: torch.Generator | None = None
    ) -> Tensor:
        r"""Returns samples: those of the moving average, if there is one, in evaluation mode.

        Arguments:
            n: The number of samples.
            label: Their labels, with shape :math:`(n)`, for class-conditional models; drawn evenly
                from all classes if `None`.
            random: The generator to draw from, or `None` for a new one of arbitrary seed. A generator
                that is seeded anew gives the same latents at every step of the training.

        Returns:
            The samples, with shape :math:`(n, *)`; images are clipped to [-1, 1].

        Raises:
            ValueError: If `label` is given to a model that has none, or does not fit it.
        """
        if random is None:
            random = torch.Generator(self.device)
            random.seed()
        if label is None and self.classes is not None:
            label = torch.randint(self.classes, (n,), generator=random, device=random.device)
        if label is not None:
            check_label(label, self.classes, n)
            label = label.to(self.device)
        with evaluating(self.sampling_network):
            return clip_images(self.generate(self.sampling_network, n, random, label))

    @property
    def sampling_network(self) -> nn.Module:
        r"""The moving average of the sampled network, or itself where there is none."""
        return self.ema_source if self.averaged is None else self.averaged.module

    @torch.inference_mode(False)
    @torch.no_grad()
    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns the samples of latents, of the networks that :meth:`sample` uses.

        Arguments:
            z: The latents, with shape :math:`(B, Z)`.
            label: Their labels, with shape :math:`(B)`, for class-conditional models.

        Returns:
            The samples, with shape :math:`(B, *)`; images are clipped to [-1, 1].

        Raises:
            ValueError: If the method has no latents.
        """
        if self.latent_network is None:
            raise ValueError(f"{type(self).__name__} has no latents to be decoded.")
        with evaluating(self.latent_network):
            return clip_images(self.latent_network(*[z] if label is None else [z, label]))

    @property
    def latent_network(self) -> nn.Module | None:
        r"""The network that maps latents to samples, of the moving average if there is one."""
        return None

    def average(self, decay: float) -> MovingAverage:
        r"""Starts a moving average of the sampled network, or gives the one there is a new decay.

        The average is a part of the model: it is saved, loaded and sampled with it.
        """
        if self.averaged is None:
            self.averaged = MovingAverage(self.ema_source, decay)
        self.averaged.decay = decay
        return self.averaged

    def carried_state(self) -> dict[str, Any]:
        r"""Returns what this process goes on with besides weights and optimizers, by its checkpoint key.

        A method that adds states of its own to checkpoints, such as those of chains, says so: all
        that is saved is looked at first.
        """
        return {}

    # The plumbing

    def keep_plain_hyperparameters(self) -> None:
        r"""Drops networks and functions that were given alive, in Python, from the hyper-parameters.

        A checkpoint that held them could be read only by unpickling code.
        """
        for name, value in list(self.hparams.items()):
            if callable(value):
                del self.hparams[name]

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | os.PathLike, **kwargs: Any) -> Any:
        r"""Returns the model of a checkpoint that was trained in Python.

        Arguments:
            checkpoint_path: The path of the checkpoint.
            kwargs: The networks, and the other arguments of Lightning's method.

        Raises:
            ValueError: If the command line wrote it: see :func:`energy_gans.commands.load_model`.
        """
        check_made_in_python(checkpoint_path)
        return super().load_from_checkpoint(checkpoint_path, **{"weights_only": True} | kwargs)

    def setup(self, stage: str) -> None:
        check_precision(self.trainer.precision)
        self.to(memory_format=self.memory_format)
        if stage == "fit" and self.initial_weights and self.trainer.ckpt_path is None:
            load_weights(self, self.initial_weights)

    def training_step(
        self, batch: tuple[Tensor, Tensor | None], batch_idx: int
    ) -> dict[str, Tensor]:
        y, label = batch
        # The trainer's plugin for float64 converts floats only, and images come as uint8.
        y = y.to(self.dtype)
        if not self.checked:
            self.check_batch(y)
            if self.classes is not None:
                check_label(label, self.classes, len(y))
        return super().training_step((self.formatted(y), label), batch_idx)

    def formatted(self, x: Tensor) -> Tensor:
        r"""Returns samples, images as they are stored here, channels last or not."""
        return x.contiguous(memory_format=self.memory_format) if x.ndim == 4 else x

    def check_batch(self, y: Tensor) -> None:
        r"""Looks at the first batch, and finds the parameters that losses do not see.

        Raises:
            ValueError: If the batch can not be cut up, is too small, or does not fit the networks.
        """
        self.check_batch_size(len(y))
        with torch.no_grad(), evaluating(self):
            self.check(y[:2])
        with torch.enable_grad(), evaluating(self), torch.autocast(y.device.type, enabled=False):
            outputs = self.shift_invariant_outputs(y[:2])
            self.unseen = [p for output in outputs for p in shift_parameters(output)]
        self.checked = True

    def validation_step(self, batch: tuple[Tensor, Tensor | None], batch_idx: int) -> None:
        r"""Logs :meth:`validation_measures` of a batch, whose mean over all batches is the validation's."""
        y, _ = batch
        place = self.place_of_batch(batch_idx)
        values = dict.fromkeys(self.validation_measures(), y.new_zeros(()))
        # A process may have no more batches, but the first one is empty only if the set is.
        if len(y) or place == 0:
            x = self.sample(len(y), random=self.observing("validation", place))
            values = {name: f(y, x) for name, f in self.validation_measures().items()}
        # Lightning takes means of whole numbers over processes without their rest, of floats exactly.
        self.log_dict(values, sync_dist=True, batch_size=float(len(y)))

    def test_step(self, batch: tuple[Tensor, Tensor | None], batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    def predict_step(self, batch: tuple[Tensor, Tensor | None], batch_idx: int) -> Tensor:
        y, _ = batch
        random = self.observing("predict", self.place_of_batch(batch_idx))
        return self.sample(len(y), random=random) if len(y) else y

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LRScheduler]]:
        optimizers, schedulers = [], []
        for network, make, schedule in self.trained:
            try:
                optimizers.append(make(weights_and_rest(network)))
                if schedule is not None:
                    schedulers.append(schedule(optimizers[-1]))
            except (ValueError, TypeError) as error:
                name = next(name for name, part in self.named_modules() if part is network)
                raise ValueError(
                    f"The optimizer of {name!r}, or its schedule, can not be made: {error}."
                ) from error
        return optimizers, schedulers

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["seed"] = self.seed

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        trains = self._trainer is not None and self.trainer.training
        if trains:
            states = checkpoint.get("optimizer_states", [])
            states[:] = [
                regroup(state, network)
                for state, (network, *_) in zip(states, self.trained, strict=True)
            ]
        match_average(self, checkpoint["state_dict"], trains)


def clip_images(x: Tensor) -> Tensor:
    r"""Returns samples as they are shown: images clipped to [-1, 1]."""
    return x.clamp(-1, 1) if x.ndim == 4 else x
