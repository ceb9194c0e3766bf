r"""BEGAN: the discriminator is an autoencoder, with its reconstruction error :math:`L` as energy.

.. math::
    L_D & = L(y) - k_t L(G(z_D)) \qquad L(v) = \mathbb{E} |v - D(v)|^\eta \\
    L_G & = L(G(z_G)) \\
    k_{t+1} & = k_t + \lambda_k (\gamma L(y) - L(G(z_G))) \text{, clipped to } [0, 1]

The factor :math:`k_t` starts at :math:`k_0 = 0` and keeps the error of generated samples at the
share :math:`\gamma` of the error of real samples. The measure
:math:`M = L(y) + |\gamma L(y) - L(G(z_G))|` indicates convergence.

The paper's step takes one minibatch and does not state which network is updated first. Here the
autoencoder is, as in the other baselines, and :math:`L(y)` is its error on the last of its
minibatches, before the update.

References:
    BEGAN: Boundary Equilibrium Generative Adversarial Networks (Berthelot et al., 2017),
    https://arxiv.org/abs/1703.10717
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ...checks import check_positive
from ...functional.adversarial import (
    balanced,
    convergence,
    equilibrium_loss,
    reconstruction_error,
)
from ..bases.adversarial import AdversarialModule
from ..bases.arguments import base_arguments
from ..bases.optimizers import ADAM, SLOW_ADAM
from ..parts.networks import check_output_shape


class BEGAN(AdversarialModule):
    r"""The BEGAN of Berthelot et al.

    :math:`M` and the next step's :math:`k` are logged.

    Arguments:
        discriminator: The discriminator :math:`D`, an autoencoder, from :math:`(B, *)` to
            :math:`(B, *)`.
        gamma: The ratio :math:`\gamma`, in (0, 1], of the errors of generated and of real samples.
            Lower values give sharper samples of less variety.
        lambda_k: The rate :math:`\lambda_k` at which :math:`k` moves.
        eta: The exponent :math:`\eta` of the error, 1 or 2.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        gamma: float = 0.5,
        lambda_k: float = 1e-3,
        eta: Literal[1, 2] = 1,
        generator_optimizer: OptimizerCallable = SLOW_ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        discriminator_optimizer: OptimizerCallable = ADAM,
        discriminator_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(BEGAN, locals()))
        if not 0 < gamma <= 1:
            raise ValueError(f"'gamma' should be in (0, 1], got {gamma!r}.")
        check_positive("lambda_k", lambda_k)
        if eta not in (1, 2):
            raise ValueError(f"'eta' should be 1 or 2, got {eta!r}.")
        self.gamma = gamma
        self.lambda_k = lambda_k
        self.eta = eta
        self.register_buffer("k", torch.zeros(()))

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        generator_optimizer, discriminator_optimizer = self.optimizers()
        for part in y.chunk(self.discriminator_steps):
            errors: list[Tensor] = []
            losses = self.discriminator_losses(self.draw_samples(len(part)), part, errors)
            loss_d = self.descend(discriminator_optimizer, losses)
        loss_g = self.descend(generator_optimizer, self.generator_losses(part))
        l_y = torch.stack(errors).mean()
        l_y, l_x = self.gather(torch.stack([l_y, loss_g])[None]).mean(0)
        self.k.copy_(balanced(self.k, l_y, l_x, self.gamma, self.lambda_k))
        balance = {"k": self.k.clone(), "convergence": convergence(l_y, l_x, self.gamma)}
        return {"loss_d": loss_d, "loss_g": loss_g} | balance

    def discriminator_losses(self, x: Tensor, y: Tensor, errors: list[Tensor]) -> Iterator[Tensor]:
        r"""Yields the autoencoder's loss of each part of a minibatch.

        Arguments:
            x: The generated samples, with shape :math:`(B, *)`.
            y: The real samples, with shape :math:`(B, *)`.
            errors: A list to which the mean error :math:`L(y)` of each part, a scalar, is
                appended, detached.

        Yields:
            The losses, scalars.
        """
        for x_part, y_part in zip(x.chunk(self.accumulate), y.chunk(self.accumulate), strict=True):
            # One pass for each set, as batch norm should not mix them.
            l_y, l_x = (-self.potential(v).mean() for v in (y_part, x_part))
            errors.append(l_y.detach())
            yield equilibrium_loss(l_y, l_x, self.k)

    def generator_loss(self, x: Tensor) -> Tensor:
        return -self.potential(x).mean()

    def potential(self, a: Tensor) -> Tensor:
        r"""Returns minus each sample's reconstruction error :math:`L(a)`, high where real data is.

        Arguments:
            a: The points, with shape :math:`(B, *)`.

        Returns:
            The potential, with shape :math:`(B)`, in float32 at least.
        """
        return -reconstruction_error(a, self.discriminator(a), self.eta)

    def check_discriminator(self, y: Tensor) -> None:
        shape = tuple(y.shape)
        check_output_shape(
            lambda: self.discriminator(y),
            shape,
            "'model.init_args.discriminator' should be an autoencoder, which maps the shape of "
            f"'data', {shape}, to itself",
        )
