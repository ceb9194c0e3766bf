r"""Methods with a generator: a network that maps standard normal latents :math:`z` to samples."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ...checks import check_count
from ..parts.networks import check_module, check_output_shape
from .optimizers import ADAM, Trained


class TrainedGeneratorMixin:
    r"""Gives a :class:`GenerativeModule` a generator :math:`G` and its optimizer.

    Among the bases of a class, the mixin precedes the module.

    Arguments:
        generator: The generator :math:`G`.
        generator_optimizer: The optimizer of the generator. Its weight decay applies to the
            weights of dense and (de)convolutional layers only.
        generator_scheduler: The learning rate schedule of the generator, stepped once a step.
        kwargs: The arguments of :class:`GenerativeModule`.

    Raises:
        ValueError: If `generator` is no network.
    """

    def __init__(
        self,
        generator: nn.Module,
        generator_optimizer: OptimizerCallable = ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        check_module("generator", generator)
        super().__init__(**kwargs)
        self.generator = generator
        self.trained.append(Trained(generator, generator_optimizer, generator_scheduler))


class CooperativeMixin(TrainedGeneratorMixin):
    r"""Gives a :class:`PotentialModule` a generator, which is averaged with the descriptor.

    Among the bases of a class, the mixin precedes the module.

    Arguments:
        kwargs: The arguments of :class:`TrainedGeneratorMixin`.
    """

    @property
    def ema_source(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator, "descriptor": self.descriptor})

    @property
    def sampling_descriptor(self) -> nn.Module:
        return self.sampling_network["descriptor"]


class GeneratorMixin(TrainedGeneratorMixin):
    r"""Gives a :class:`GenerativeModule` samples :math:`G(z)` of normal latents :math:`z`.

    Among the bases of a class, the mixin precedes the module.

    Arguments:
        generator: The generator :math:`G`, from :math:`(B, Z)` to :math:`(B, *)`.
        latent_dim: The number :math:`Z` of latents.
        kwargs: The arguments of :class:`TrainedGeneratorMixin`.

    Attributes:
        charges: The real and the generated samples of the last minibatch, of methods whose
            potential is that of a minibatch. Checkpoints hold them; no update reads them.

    Raises:
        ValueError: If `latent_dim` is not positive, or `generator` is no network.
    """

    def __init__(self, generator: nn.Module, latent_dim: int, **kwargs: Any) -> None:
        super().__init__(generator=generator, **kwargs)
        check_count("latent_dim", latent_dim)
        self.latent_dim = latent_dim
        self.charges: tuple[Tensor, Tensor] | None = None

    @property
    def ema_source(self) -> nn.Module:
        return self.generator

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        z = torch.randn(n, self.latent_dim, generator=random, device=random.device)
        z = z.to(self.device, self.dtype)
        return network(z) if label is None else network(z, label)

    def draw_samples(self, n: int) -> Tensor:
        r"""Returns generated samples without gradients, with shape :math:`(n, *)`."""
        with torch.no_grad():
            return self.generator(self.noise(n, self.latent_dim))

    @property
    def latent_network(self) -> nn.Module:
        return self.sampling_network

    def check(self, y: Tensor) -> None:
        check_generator(self.generator, y, self.latent_dim)

    def require_charges(self) -> tuple[Tensor, Tensor]:
        r"""Returns the real and the generated samples of the last minibatch.

        Returns:
            Both sets, each with shape :math:`(B, *)`, on the model's device and of its type.

        Raises:
            ValueError: If the model was never trained.
        """
        if self.charges is None:
            raise ValueError(
                f"The potential of {type(self).__name__} is that of a minibatch of its training, "
                "and there was none yet."
            )
        y, x = (charge.to(self.device, self.dtype) for charge in self.charges)
        return y, x

    def carried_state(self) -> dict[str, Any]:
        return {} if self.charges is None else {"charges": self.charges}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.charges is not None:
            checkpoint["charges"] = [charge.clone() for charge in self.charges]

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        super().on_load_checkpoint(checkpoint)
        if "charges" in checkpoint:
            self.charges = tuple(checkpoint["charges"])


def check_generator(
    generator: nn.Module, y: Tensor, latent_dim: int, classes: int | None = None
) -> None:
    r"""Raises a `ValueError` unless a generator maps latents to the shape of samples.

    Arguments:
        generator: The generator :math:`G`.
        y: Samples, with shape :math:`(B, *)`.
        latent_dim: The number :math:`Z` of latents.
        classes: The number of classes, or `None` if the generator takes no labels.
    """
    b, shape = len(y), tuple(y.shape[1:])
    inputs, labels = [y.new_zeros(b, latent_dim)], ""
    if classes is not None:
        # The last class: a network of fewer classes has none for it.
        inputs.append(torch.full((b,), classes - 1, device=y.device))
        labels = f", with labels from 0 to {classes - 1},"
    check_output_shape(
        lambda: generator(*inputs),
        (b, *shape),
        f"'model.init_args.generator' should map {(b, latent_dim)} (latent_dim = {latent_dim})"
        f"{labels} to the shape of 'data', {(b, *shape)}",
    )
