r"""The Coulomb GAN: the generator climbs a potential that the discriminator learns.

A minibatch of real samples :math:`y` and generated samples :math:`x = G(z)` has the potential
:math:`\Phi(a) = \frac{1}{N} \sum_i k(a, y_i) - \frac{1}{N} \sum_i k(a, x_i)`, which varies much
from batch to batch. The discriminator :math:`D` learns its mean by regression, and the generator
ascends :math:`D`:

.. math::
    L_D & = \frac{1}{2} \mathbb{E}_{a \sim p} \left[ (D(a) - c \, \Phi(a))^2 \right] \qquad
    p = \frac{1}{2} p_y + \frac{1}{2} p_x, \text{ smoothed by Gaussian noise} \\
    L_G & = - \frac{1}{2} \mathbb{E}_z \left[ D(G(z)) \right]

Algorithm 1 computes both gradients with the weights before either update. Here the generator is
updated first. Both orders are equivalent, as :math:`L_D` depends on :math:`G` only through the
samples :math:`x`, which are drawn before the generator's update.

References:
    Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al., 2018),
    https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
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
from .bases.arguments import base_arguments
from .bases.optimizers import FAST_ADAM, SLOWEST_ADAM
from .bases.own_kernel import check_kernel, check_left_out, fixed_kernel
from .bases.validation import Measure
from .parts.networks import fixed_parameters


class CoulombGAN(AdversarialModule):
    r"""The Coulomb GAN of Unterthiner et al.

    Arguments:
        kernel: The kernel :math:`k(a, b)`, a function or a module of points :math:`(N, *)` and
            :math:`(M, *)` with values :math:`(N, M)`, in place of the Plummer kernel. A module is
            saved with the model, and not trained.
        power: The exponent of the Plummer kernel: 1 in the authors' code, 3 in the paper's text.
        epsilon: The softening length of the Plummer kernel, in data units: 1 in the runs of the
            paper on images; below the distance of modes in the plane.
        epsilon_decay: The factor on `epsilon` from one step to the next.
        epsilon_min: The smallest `epsilon`. It has to be positive if `epsilon` decays, as forces
            diverge where `epsilon` approaches zero.
        potential_scale: The factor :math:`c` on the potential that :math:`D` learns. It sets the
            weight of :math:`L_D` against weight decay. With Adam, it does not affect the
            generator.
        noise_std: The standard deviation, in data units, of the noise that smooths the points at
            which :math:`D` learns the potential. The noise is in the paper's text, but not in the
            authors' code.

    Raises:
        ValueError: If a number is out of its range, or parameters of the Plummer kernel are given
            besides a kernel.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        kernel: Kernel | nn.Module | None = None,
        power: float = 1.0,
        epsilon: float = 0.2,
        epsilon_decay: float = 1.0,
        epsilon_min: float = 0.0,
        potential_scale: float = 1.0,
        noise_std: float = 0.0,
        generator_optimizer: OptimizerCallable = SLOWEST_ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        discriminator_optimizer: OptimizerCallable = FAST_ADAM,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(CoulombGAN, locals()))
        names = ("power", "epsilon", "epsilon_decay", "epsilon_min")
        check_left_out(CoulombGAN, locals(), names, "Plummer")
        check_positive("power", power)
        check_positive("epsilon", epsilon)
        check_positive("potential_scale", potential_scale)
        if not 0 < epsilon_decay <= 1:
            raise ValueError(f"'epsilon_decay' should be in (0, 1], got {epsilon_decay!r}.")
        _check_epsilon_min(power, epsilon, epsilon_decay, epsilon_min)
        if noise_std < 0:
            raise ValueError(f"'noise_std' should not be negative, got {noise_std!r}.")
        self.own_kernel = fixed_kernel(kernel)
        self.power = power
        self.epsilon = epsilon
        self.epsilon_decay = epsilon_decay
        self.epsilon_min = epsilon_min
        self.potential_scale = potential_scale
        self.noise_std = noise_std

    def kernel(self) -> Kernel:
        r"""Returns the given kernel, or Plummer's with the softening length of this step."""
        if self.own_kernel is not None:
            return self.own_kernel
        epsilon = exponential_decay(
            self.epsilon, self.epsilon_decay, self.global_step, self.epsilon_min
        )
        return partial(plummer, power=self.power, epsilon=epsilon)

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        generator_optimizer, discriminator_optimizer = self.optimizers()
        *earlier, y = y.chunk(self.discriminator_steps)
        for part in earlier:
            x = self.draw_samples(len(part))
            self.descend(discriminator_optimizer, self.discriminator_losses(x, part))
        generated: list[Tensor] = []
        loss_g = self.descend(generator_optimizer, self.generator_losses(y, generated))
        # The discriminator learns at the same samples as the generator.
        x = torch.cat(generated)
        loss_d = self.descend(discriminator_optimizer, self.discriminator_losses(x, y))
        return {"loss_d": loss_d, "loss_g": loss_g}

    def generator_losses(
        self, y: Tensor, generated: list[Tensor] | None = None
    ) -> Iterator[Tensor]:
        r"""Yields the generator's loss of each part of a minibatch.

        Arguments:
            y: The real samples, with shape :math:`(B, *)`. As many samples are generated.
            generated: A list to which the generated samples of each part are appended, detached,
                with shape :math:`(B, *)`; or `None`.

        Yields:
            The losses, scalars.
        """
        with fixed_parameters(self.discriminator):
            for z in self.noise(len(y), self.latent_dim).chunk(self.accumulate):
                x = self.generator(z)
                if generated is not None:
                    generated.append(x.detach())
                yield climbing_loss(self.potential(x))

    def discriminator_losses(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        x = x.detach()
        attract, repel, kernel = self.gather(y), self.gather(x), self.kernel()
        for y_part, x_part in zip(y.chunk(self.accumulate), x.chunk(self.accumulate), strict=True):
            a_y, a_x = self.smooth(y_part), self.smooth(x_part)
            phi = potential(torch.cat([a_y, a_x]), attract, repel, kernel)
            # One pass for each set, as batch norm should not mix them.
            d = torch.cat([self.potential(a_y), self.potential(a_x)])
            yield potential_loss(d, self.potential_scale * phi)

    def check(self, y: Tensor) -> None:
        super().check(y)
        check_kernel(self.kernel(), y)

    def smooth(self, a: Tensor) -> Tensor:
        r"""Returns points with Gaussian noise of `noise_std` added, with shape :math:`(B, *)`."""
        if self.noise_std == 0:
            return a
        return a + self.noise_std * self.noise(*a.shape)

    def validation_measures(self) -> dict[str, Measure]:
        energy = partial(interaction_energy, kernel=self.kernel(), estimator="u")
        return super().validation_measures() | {"val/energy": energy}


def _check_epsilon_min(power: float, epsilon: float, decay: float, epsilon_min: float) -> None:
    r"""Raises a `ValueError` unless forces are finite at the smallest softening length."""
    if decay < 1 and not epsilon_min > 0:
        raise ValueError(
            "'epsilon_min' should be positive where 'epsilon_decay' is below 1, got "
            f"{epsilon_min!r} with {decay!r}: 'epsilon' would fall to zero."
        )
    plummer(*torch.zeros(2, 1, 1), power=power, epsilon=epsilon_min if decay < 1 else epsilon)
