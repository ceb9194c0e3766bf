r"""Methods of two networks: a discriminator learns a potential that the generator climbs.

An update takes one minibatch of real samples :math:`y` for each step of the discriminator
:math:`D`, with fixed samples :math:`x = G(z)`. Then the generator :math:`G` makes one step with a
fixed discriminator, against the last of the minibatches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..parts.networks import check_module, check_output_shape, evaluation_mode, fixed_parameters
from .generative import GenerativeModule
from .generator import GeneratorMixin
from .optimizers import ADAM, SLOW_ADAM, Trained


class AdversarialModule(GeneratorMixin, GenerativeModule):
    r"""A method with a generator :math:`G` and a discriminator :math:`D`.

    A method whose losses are means over samples implements :meth:`discriminator_loss` and
    :meth:`generator_loss`. Other methods override :meth:`discriminator_losses` and
    :meth:`generator_losses`, which call them.

    Arguments:
        generator: The generator :math:`G`, from :math:`(B, Z)` to :math:`(B, *)`.
        discriminator: The discriminator :math:`D`, from :math:`(B, *)` to :math:`(B, 1)` or
            :math:`(B)`, with an unbounded output.
        latent_dim: The number :math:`Z` of standard normal latents.
        generator_optimizer: The optimizer of the generator, by default slower than that of the
            discriminator. Its weight decay applies to the weights of dense and (de)convolutional
            layers only.
        discriminator_optimizer: The optimizer of the discriminator. Its weight decay applies to
            the weights of dense and (de)convolutional layers only.
        discriminator_scheduler: The learning rate schedule of the discriminator, stepped once a
            step.
        kwargs: The arguments of :class:`GeneratorMixin` and :class:`GenerativeModule`.

    Raises:
        ValueError: If a number is out of its range, or a network is none.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        generator_optimizer: OptimizerCallable = SLOW_ADAM,
        discriminator_optimizer: OptimizerCallable = ADAM,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        check_module("discriminator", discriminator)
        super().__init__(generator, latent_dim, generator_optimizer=generator_optimizer, **kwargs)
        self.discriminator = discriminator
        self.trained.append(
            Trained(discriminator, discriminator_optimizer, discriminator_scheduler)
        )

    # What a method implements

    def discriminator_loss(self, x: Tensor, y: Tensor) -> Tensor:
        r"""Returns the discriminator's loss, a scalar.

        Arguments:
            x: The generated samples, with shape :math:`(B, *)`.
            y: The real samples, with shape :math:`(B, *)`.
        """
        raise NotImplementedError

    def generator_loss(self, x: Tensor) -> Tensor:
        r"""Returns the generator's loss of its samples :math:`(B, *)`, a scalar."""
        raise NotImplementedError

    # The update

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        generator_optimizer, discriminator_optimizer = self.optimizers()
        for part in y.chunk(self.discriminator_steps):
            x = self.draw_samples(len(part))
            loss_d = self.descend(discriminator_optimizer, self.discriminator_losses(x, part))
            self.constrain()
        loss_g = self.descend(generator_optimizer, self.generator_losses(part))
        return {"loss_d": loss_d, "loss_g": loss_g}

    def constrain(self) -> None:
        r"""Projects the discriminator onto its constraints, if any, after each of its steps."""

    def discriminator_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        r"""Yields the discriminator's loss of each part of a minibatch.

        Arguments:
            x: The generated samples, with shape :math:`(B, *)`.
            y: The real samples, with shape :math:`(B, *)`.

        Yields:
            The losses, scalars.
        """
        for x_part, y_part in zip(x.chunk(self.accumulate), y.chunk(self.accumulate), strict=True):
            yield self.discriminator_loss(x_part, y_part)

    def generator_losses(self, y: Tensor) -> Iterator[Tensor]:
        r"""Yields the generator's loss of each part of a minibatch.

        Arguments:
            y: The real samples, with shape :math:`(B, *)`. As many samples are generated.

        Yields:
            The losses, scalars.
        """
        with fixed_parameters(self.discriminator):
            for z in self.noise(len(y), self.latent_dim).chunk(self.accumulate):
                yield self.generator_loss(self.generator(z))

    # The potential

    def potential(self, a: Tensor) -> Tensor:
        r"""Returns the discriminator's output :math:`D(a)`, high where real data is.

        Arguments:
            a: The points, with shape :math:`(B, *)`.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.
        """
        d = self.discriminator(a)
        return d.flatten().to(torch.promote_types(d.dtype, torch.float32))

    def potential_at(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        self.check_conditions(label, time)
        with evaluation_mode(self.discriminator):
            return self.potential(a.to(self.dtype))

    def check(self, y: Tensor) -> None:
        super().check(y)
        self.check_discriminator(y)

    def check_discriminator(self, y: Tensor) -> None:
        r"""Raises a `ValueError` if the discriminator does not fit samples :math:`(B, *)`."""
        b, shape = len(y), tuple(y.shape[1:])
        check_output_shape(
            lambda: self.potential(y),
            (b,),
            "'model.init_args.discriminator' should map the shape of 'data', "
            f"{(b, *shape)}, to {(b, 1)}",
        )
