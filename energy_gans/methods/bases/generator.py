r"""Methods with a generator: a network that maps standard normal latents :math:`z` to samples."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ...checks import check_count
from ..parts.networks import check_output_shape


class GeneratorMixin:
    r"""Gives a :class:`GenerativeModule` a generator :math:`G`, which stands before it among its bases.

    Arguments:
        generator: The generator :math:`G`, from :math:`(B, Z)` to :math:`(B, *)`.
        latent_dim: The number :math:`Z` of standard normal latents.
        generator_optimizer: The optimizer of the generator. Its weight decay is applied to the
            weights of dense and (de)convolutional layers only.
        generator_scheduler: The learning rate schedule of the generator, stepped once a step.
        kwargs: The arguments of :class:`GenerativeModule`.

    Raises:
        ValueError: If `latent_dim` is not positive.
    """

    def __init__(
        self,
        generator: nn.Module,
        latent_dim: int,
        generator_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        generator_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_count("latent_dim", latent_dim)
        self.generator = generator
        self.latent_dim = latent_dim
        self.charges: tuple[Tensor, Tensor] | None = None
        self.trained.append((generator, generator_optimizer, generator_scheduler))

    @property
    def ema_source(self) -> nn.Module:
        return self.generator

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        z = torch.randn(n, self.latent_dim, generator=random, device=random.device)
        return network(z.to(self.device))

    @property
    def latent_network(self) -> nn.Module:
        return self.sampling_network

    def check(self, y: Tensor) -> None:
        check_generator(self.generator, y, self.latent_dim)

    def known_charges(self) -> tuple[Tensor, Tensor]:
        r"""Returns the last minibatch's real and generated samples: charges that make a potential.

        A method that needs them leaves them in `charges`; checkpoints keep them.

        Raises:
            ValueError: If the model was never trained.
        """
        if self.charges is None:
            raise ValueError(
                f"The potential of {type(self).__name__} is that of a minibatch of its training, "
                "and there was none yet."
            )
        return self.charges

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
        classes: The number of classes, or `None` if it takes no labels.
    """
    b, shape = len(y), tuple(y.shape[1:])
    inputs = [y.new_zeros(b, latent_dim)]
    if classes is not None:
        inputs.append(torch.zeros(b, dtype=torch.long, device=y.device))
    check_output_shape(
        lambda: generator(*inputs),
        (b, *shape),
        f"'model.init_args.generator' should map {(b, latent_dim)} (latent_dim = {latent_dim}) to "
        f"the shape of 'data', {(b, *shape)}",
    )
