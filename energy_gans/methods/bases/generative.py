r"""The base class of all methods: samples, a moving average, and checks of data and networks."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch import LightningModule
from torch import Tensor

from ...checks import check_count
from ..parts.moving_average import MovingAverage, match_average
from ..parts.networks import (
    check_label,
    check_precision,
    check_vocabulary,
    evaluation_mode,
    load_weights,
)
from ..parts.unused_parameters import allow_unused_parameters
from .arguments import describe_arguments
from .batch_reading import BatchReadingMixin
from .capabilities import Capabilities, clip_images
from .construction import ConstructionMixin
from .pretrained import PretrainedMixin
from .renamed import RenamedProperty, adopt_former_name
from .stepped import SteppedModule
from .validation import ValidationMixin

# Networks and optimizers are hyper-parameters on purpose: a checkpoint stores how they are
# constructed, and its model is rebuilt from that.
for words in ("is an instance of `nn.Module` and is already saved", "it cannot be pickled"):
    warnings.filterwarnings("ignore", message=f".*{words}.*")


class GenerativeModule(
    Capabilities,
    ConstructionMixin,
    PretrainedMixin,
    ValidationMixin,
    BatchReadingMixin,
    SteppedModule,
    LightningModule,
):
    r"""A generative model that is trained by alternating updates of its networks.

    A method implements :meth:`update`, one alternating update on one minibatch, :meth:`generate`,
    :meth:`check` and :attr:`ema_source`. It appends each network that it trains to `trained`, with
    the constructors of its optimizer and of its schedule
    (:class:`~energy_gans.methods.bases.optimizers.Trained`). A class-conditional method sets
    `classes`, the number of classes, and its networks take labels as their second argument.
    :mod:`energy_gans.methods.bases.stepped` states the contracts of a step.

    The docstring of a method describes its own arguments. Those of its bases, which its
    constructor lists too, are added to the docstring.

    Arguments:
        channels_last: Whether images and convolutions are stored channels last, which is faster.
        initial_weights: The checkpoint whose weights a new run starts from, or `None`. On the
            command line, the folder of a run and the name of a model are accepted, too.
        kwargs: The arguments of :class:`SteppedModule`.

    Attributes:
        vocabulary: The characters of the channels of samples of text, as the data module of the
            training says; `""` if samples are no text. Checkpoints hold it.
    """

    def __init__(
        self,
        channels_last: bool = False,
        initial_weights: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.construction = self.drop_live_hyperparameters()
        self.classes: int | None = None
        self.vocabulary = ""
        self.initial_weights = initial_weights
        self.channels_last = channels_last
        self.averaged: MovingAverage | None = None
        self.checked = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        adopt_former_name(cls, "sampled_network", "ema_source")
        describe_arguments(cls)

    # What a method implements

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        r"""Returns samples of a network, with shape :math:`(n, *)`.

        Arguments:
            network: The network of :attr:`ema_source`, or its moving average.
            n: The number of samples.
            random: The generator that noise is drawn from.
            label: The labels, with shape :math:`(n)`, of class-conditional models.
        """
        raise NotImplementedError

    def check(self, y: Tensor) -> None:
        r"""Raises a `ValueError` if the networks do not fit a batch of shape :math:`(B, *)`."""
        raise NotImplementedError

    @property
    def ema_source(self) -> nn.Module:
        r"""The network that samples are drawn from, and that moving averages are taken of."""
        raise NotImplementedError

    @property
    def memory_format(self) -> torch.memory_format:
        r"""The order in which images and convolutions are stored."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def has_gradient_in_loss(self) -> bool:
        r"""Whether a loss contains the gradient of a network with respect to its inputs."""
        return False

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        r"""Returns the outputs to which a constant may be added without any effect on losses.

        Parameters that only add a constant to such outputs, for example the bias of a last layer,
        are not trained, as their gradient is nothing but rounding error.

        Arguments:
            y: Samples at which the networks are evaluated, with shape :math:`(B, *)`.

        Returns:
            The outputs, each with shape :math:`(B, *)`.
        """
        return []

    # What a user calls

    # Chains and flows differentiate the potential, which inference mode does not allow.
    @torch.inference_mode(False)
    @torch.no_grad()
    def sample(
        self, n: int, label: Tensor | None = None, random: torch.Generator | None = None
    ) -> Tensor:
        r"""Returns samples of :attr:`sampling_network`, in evaluation mode.

        Arguments:
            n: The number of samples.
            label: Their labels, with shape :math:`(n)`, of class-conditional models. If `None`,
                labels are drawn uniformly from all classes.
            random: The generator to draw from, or `None` for a new one with an arbitrary seed. The
                same seed gives the same latents at every step of the training.

        Returns:
            The samples, with shape :math:`(n, *)`. Images are clipped to [-1, 1].

        Raises:
            ValueError: If `n` is not positive, `label` does not fit the model, or the model is
                unconditional.
        """
        check_count("n", n)
        if random is None:
            random = torch.Generator(self.device)
            random.seed()
        if label is None and self.classes is not None:
            label = torch.randint(self.classes, (n,), generator=random, device=random.device)
        if label is not None:
            check_label(label, self.classes, n)
            label = label.to(self.device)
        with evaluation_mode(self.sampling_network):
            return clip_images(self.generate(self.sampling_network, n, random, label))

    @property
    def sampling_network(self) -> nn.Module:
        r"""The moving average of :attr:`ema_source`, or :attr:`ema_source` itself without one."""
        return self.ema_source if self.averaged is None else self.averaged.module

    sampled_network = RenamedProperty("sampled_network", "ema_source", ema_source)
    shown_network = RenamedProperty("shown_network", "sampling_network", sampling_network)

    def average(self, decay: float) -> MovingAverage:
        r"""Returns the moving average of :attr:`ema_source`, which the first call starts.

        The moving average is a part of the model, which is saved and loaded with it.

        Arguments:
            decay: The decay of late updates, which replaces that of an existing moving average.
        """
        if self.averaged is None:
            self.averaged = MovingAverage(self.ema_source, decay)
        self.averaged.decay = decay
        return self.averaged

    def carried_state(self) -> dict[str, Any]:
        r"""Returns what this process saves besides weights and optimizers, by checkpoint key.

        A method that saves state of its own, such as that of chains, overrides this function, so
        that the state is checked for numbers that are not finite before it is saved.
        """
        return {}

    # The hooks of Lightning

    def setup(self, stage: str) -> None:
        check_precision(self.trainer.precision)
        self.to(memory_format=self.memory_format)
        if stage == "fit":
            allow_unused_parameters(self.trainer, self)
            # Another loader may follow in another call of `fit`.
            self.checked, self.batch_length = False, 0
            self.vocabulary = getattr(self.trainer.datamodule, "vocabulary", self.vocabulary)
        if stage == "fit" and self.initial_weights and self.trainer.ckpt_path is None:
            load_weights(self, self.initial_weights, self.vocabulary)

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        if not self.checked:
            self.check_data(batch)
        y, label = self.read_batch(batch)
        if not self.checked:
            self.check_batch(y)
        elif len(y) != self.batch_length:
            self.check_length(len(y))
        self.batch_length = len(y)
        return super().training_step((self.formatted(y), label), batch_idx)

    def formatted(self, x: Tensor) -> Tensor:
        r"""Returns samples in the memory format of the model, channels last or not.

        Arguments:
            x: The samples, with shape :math:`(B, *)`.

        Returns:
            The samples, with shape :math:`(B, *)`.
        """
        return x.contiguous(memory_format=self.memory_format) if x.ndim == 4 else x

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["seed"] = self.seed
        if self.vocabulary:
            checkpoint["vocabulary"] = self.vocabulary
        if self.construction is not None:
            checkpoint["construction"] = self.construction

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        trains = self._trainer is not None and self.trainer.training
        vocabulary = checkpoint.get("vocabulary", "")
        if trains:
            check_vocabulary("ckpt_path", vocabulary, self.vocabulary)
        self.vocabulary = vocabulary
        if trains:
            self.regroup_optimizer_states(checkpoint)
        match_average(self, checkpoint["state_dict"], trains)
