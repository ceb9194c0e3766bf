r"""The Coulomb GAN: the generator climbs a potential that the discriminator learns.

A minibatch of real samples :math:`y` and generated samples :math:`x = G(z)` makes a potential
:math:`\Phi(a) = \frac{1}{N} \sum_i k(a, y_i) - \frac{1}{N} \sum_i k(a, x_i)`. It varies much from
batch to batch; the discriminator :math:`D` regresses on it and so learns its mean, and the
generator ascends :math:`D`:

.. math::
    L_D & = \frac{1}{2} \mathbb{E}_{a \sim p} \left[ (D(a) - c \, \Phi(a))^2 \right] \qquad
    p = \frac{1}{2} p_y + \frac{1}{2} p_x, \text{ smoothed by Gaussian noise} \\
    L_G & = - \frac{1}{2} \mathbb{E}_z \left[ D(G(z)) \right]

Algorithm 1 takes both gradients with the weights before either update. Here the generator moves
first: :math:`L_D` depends on :math:`G` only through :math:`x`, which is drawn by then.

References:
    Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al., 2018),
    https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..checks import check_positive
from ..functional import (
    climbing_loss,
    exponential_decay,
    interaction_energy,
    plummer,
    potential,
    potential_loss,
)
from ..functional.potentials import Kernel
from .bases.adversarial import AdversarialModule
from .bases.generative import Measure


class CoulombGAN(AdversarialModule):
    r"""Creates a Coulomb GAN.

    Arguments:
        power: The Plummer kernel's exponent: 1 in the authors' code, 3 in the paper's text.
        epsilon: The Plummer kernel's softening length, in data units.
        epsilon_decay: The factor on `epsilon` from one step to the next.
        epsilon_min: The value below which `epsilon` does not fall; positive if it decays, as forces
            grow without bound where it comes near zero.
        potential_scale: The factor :math:`c` on the potential that :math:`D` learns. Adam makes the
            generator blind to it; it sets how :math:`L_D` weighs against weight decay.
        noise_std: The standard deviation of the noise that smooths the points at which :math:`D`
            learns the potential, in data units. The paper's text has it, its authors' code not.
        kwargs: The arguments of :class:`AdversarialModule`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        power: float = 1.0,
        epsilon: float = 1.0,
        epsilon_decay: float = 1.0,
        epsilon_min: float = 0.0,
        potential_scale: float = 1.0,
        noise_std: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive("power", power)
        check_positive("epsilon", epsilon)
        check_positive("potential_scale", potential_scale)
        exponential_decay(epsilon, epsilon_decay, step=0)
        check_floor(power, epsilon, epsilon_decay, epsilon_min)
        if noise_std < 0:
            raise ValueError(f"'noise_std' should not be negative, got {noise_std!r}.")
        self.power = power
        self.epsilon = epsilon
        self.epsilon_decay = epsilon_decay
        self.epsilon_min = epsilon_min
        self.potential_scale = potential_scale
        self.noise_std = noise_std

    def kernel(self) -> Kernel:
        r"""Returns the Plummer kernel at the present step's softening length."""
        epsilon = exponential_decay(
            self.epsilon, self.epsilon_decay, self.global_step, self.epsilon_min
        )
        return partial(plummer, power=self.power, epsilon=epsilon)

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        generator_optimizer, discriminator_optimizer = self.optimizers()
        *earlier, y = y.chunk(self.discriminator_steps)
        for part in earlier:
            x = self.drawn(len(part))
            self.descend(discriminator_optimizer, self.discriminator_losses(x, part))
        generated: list[Tensor] = []
        loss_g = self.descend(generator_optimizer, self.generator_losses(y, generated))
        # The discriminator learns at the very samples that the generator run_chains from.
        x = torch.cat(generated)
        loss_d = self.descend(discriminator_optimizer, self.discriminator_losses(x, y))
        return {"loss_d": loss_d, "loss_g": loss_g}

    def generator_loss(self, x: Tensor) -> Tensor:
        return climbing_loss(self.potential(x))

    def discriminator_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        r"""Yields the discriminator's loss on each part of a minibatch."""
        x = x.detach()
        attract, repel, kernel = self.gather(y), self.gather(x), self.kernel()
        for y_part, x_part in zip(y.chunk(self.accumulate), x.chunk(self.accumulate), strict=True):
            a_y, a_x = self.smoothed(y_part), self.smoothed(x_part)
            phi = potential(torch.cat([a_y, a_x]), attract, repel, kernel)
            # One pass for each, as batch norm should not mix them.
            d = torch.cat([self.potential(a_y), self.potential(a_x)])
            yield potential_loss(d, self.potential_scale * phi)

    def smoothed(self, a: Tensor) -> Tensor:
        r"""Returns points of the distribution smoothed by Gaussian noise."""
        if self.noise_std == 0:
            return a
        return a + self.noise_std * self.noise(*a.shape)

    def validation_measures(self) -> dict[str, Measure]:
        return {"val/energy": partial(interaction_energy, kernel=self.kernel(), estimator="u")}


def check_floor(power: float, epsilon: float, decay: float, floor: float) -> None:
    r"""Raises a `ValueError` unless forces stay finite at the smallest softening length there will be."""
    if decay < 1 and not floor > 0:
        raise ValueError(
            f"'epsilon_min' should be positive where 'epsilon_decay' is below 1, got {floor!r} with "
            f"{decay!r}: 'epsilon' would fall to zero."
        )
    plummer(*torch.zeros(2, 1, 1), power=power, epsilon=floor if decay < 1 else epsilon)
