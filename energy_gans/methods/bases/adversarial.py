r"""Methods of two networks: a discriminator learns what moves the generator's samples.

Each update takes a minibatch of real samples :math:`y` for every step of the discriminator
:math:`D`, with samples :math:`x = G(z)` held fixed, and then moves the generator :math:`G` with the
discriminator held fixed, against the last of the minibatches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..parts.networks import check_output_shape, evaluating, frozen
from .generative import GenerativeModule
from .generator import GeneratorMixin


class AdversarialModule(GeneratorMixin, GenerativeModule):
    r"""Creates a method with a generator :math:`G` and a discriminator :math:`D`.

    A method whose losses are means over samples implements :meth:`discriminator_loss` and
    :meth:`generator_loss`; others replace the iterators that call them.

    Arguments:
        generator: The generator :math:`G`, from :math:`(B, Z)` to :math:`(B, *)`.
        discriminator: The discriminator :math:`D`, from :math:`(B, *)` to :math:`(B, 1)` or
            :math:`(B)`, without bounds on its output.
        latent_dim: The number :math:`Z` of standard normal latents.
        discriminator_optimizer: The optimizer of the discriminator. Its weight decay is applied to
            the weights of dense and (de)convolutional layers only.
        discriminator_scheduler: The learning rate schedule of the discriminator, stepped once a
            step.
        kwargs: The arguments of :class:`GeneratorMixin` and :class:`GenerativeModule`.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        discriminator_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        discriminator_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(generator, latent_dim, **kwargs)
        self.discriminator = discriminator
        self.trained.append((discriminator, discriminator_optimizer, discriminator_scheduler))

    # What a method implements

    def discriminator_loss(self, x: Tensor, y: Tensor) -> Tensor:
        r"""Returns the discriminator's loss on generated and real samples, a scalar."""
        raise NotImplementedError

    def generator_loss(self, x: Tensor) -> Tensor:
        r"""Returns the generator's loss on its samples, a scalar."""
        raise NotImplementedError

    # The update

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        generator_optimizer, discriminator_optimizer = self.optimizers()
        for part in y.chunk(self.discriminator_steps):
            loss_d = self.descend(
                discriminator_optimizer, self.discriminator_losses(self.drawn(len(part)), part)
            )
            self.constrain()
        loss_g = self.descend(generator_optimizer, self.generator_losses(part))
        return {"loss_d": loss_d, "loss_g": loss_g}

    def constrain(self) -> None:
        r"""Puts the discriminator back into its set, after each of its steps; it has none here."""

    def drawn(self, n: int) -> Tensor:
        r"""Returns `n` samples, with shape :math:`(n, *)`, that carry no gradient."""
        with torch.no_grad():
            return self.generator(self.noise(n, self.latent_dim))

    def discriminator_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        r"""Yields the discriminator's loss on each part of a minibatch."""
        for x_part, y_part in zip(x.chunk(self.accumulate), y.chunk(self.accumulate), strict=True):
            yield self.discriminator_loss(x_part, y_part)

    def generator_losses(
        self, y: Tensor, generated: list[Tensor] | None = None
    ) -> Iterator[Tensor]:
        r"""Yields the generator's loss on each part of a minibatch as large as that of `y`.

        Arguments:
            y: The real samples, with shape :math:`(B, *)`.
            generated: A list that the generated samples are appended to, without gradients, or `None`.
        """
        with frozen(self.discriminator):
            for z in self.noise(len(y), self.latent_dim).chunk(self.accumulate):
                x = self.generator(z)
                if generated is not None:
                    generated.append(x.detach())
                yield self.generator_loss(x)

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
        with evaluating(self.discriminator):
            return self.potential(a)

    def check(self, y: Tensor) -> None:
        super().check(y)
        self.check_discriminator(y)

    def check_discriminator(self, y: Tensor) -> None:
        r"""Raises a `ValueError` if the discriminator does not fit a batch of shape :math:`(B, *)`."""
        b, shape = len(y), tuple(y.shape[1:])
        check_output_shape(
            lambda: self.potential(y),
            (b,),
            f"'model.init_args.discriminator' should map the shape of 'data', {(b, *shape)}, to {(b, 1)}",
        )
