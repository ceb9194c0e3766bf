r"""The Wasserstein GANs: the discriminator is a critic with a bounded slope.

.. math::
    L_D & = \mathbb{E}_z D(G(z)) - \mathbb{E}_y D(y) \\
    L_G & = - \mathbb{E}_z D(G(z))

WGAN bounds the slope by clipping weights after each of the critic's steps. WGAN-GP penalises
slopes other than 1 at points between real and generated samples, with :math:`\epsilon` uniform in
[0, 1]:

.. math::
    L_D + \lambda \, \mathbb{E} (\|\nabla_a D(a)\| - 1)^2
    \qquad a = \epsilon y + (1 - \epsilon) G(z)

Both papers train the critic for five minibatches to one of the generator
(`discriminator_steps: 5`). The first uses RMSprop.

References:
    Wasserstein GAN (Arjovsky et al., 2017), https://arxiv.org/abs/1701.07875
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017),
    https://arxiv.org/abs/1704.00028
"""

from __future__ import annotations

import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ...checks import check_positive
from ...functional import gradient_penalty as slope_penalty
from ...functional.adversarial import wasserstein_loss
from ..bases.adversarial import AdversarialModule
from ..bases.arguments import base_arguments
from ..bases.optimizers import ADAM, SLOW_ADAM
from ..parts.networks import clip_weights


class _WassersteinModule(AdversarialModule):
    r"""A Wasserstein GAN with an unbounded critic, which subclasses bound."""

    def discriminator_loss(self, x: Tensor, y: Tensor) -> Tensor:
        # One pass for each set, as batch norm should not mix them.
        return wasserstein_loss(self.potential(y), self.potential(x))

    def generator_loss(self, x: Tensor) -> Tensor:
        return -self.potential(x).mean()

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        return [self.potential(y)]


class WGAN(_WassersteinModule):
    r"""The Wasserstein GAN of Arjovsky et al., with clipped weights.

    Arguments:
        clip: The bound on the absolute value of the critic's parameters, above 0.

    Raises:
        ValueError: If `clip` is not positive.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        clip: float = 0.01,
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
        super().__init__(**base_arguments(WGAN, locals()))
        check_positive("clip", clip)
        self.clip = clip

    def constrain(self) -> None:
        clip_weights(self.discriminator, self.clip)


class WGANGP(_WassersteinModule):
    r"""The Wasserstein GAN of Gulrajani et al., with a gradient penalty.

    The penalty is logged as `penalty`.

    Arguments:
        discriminator: The critic :math:`D`, from :math:`(B, *)` to :math:`(B, 1)` or :math:`(B)`,
            with an unbounded output and without batch norm.
        gradient_penalty: The factor :math:`\lambda` on the penalty.

    Raises:
        ValueError: If `gradient_penalty` is not positive.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        gradient_penalty: float = 10.0,
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
        super().__init__(**base_arguments(WGANGP, locals()))
        check_positive("gradient_penalty", gradient_penalty)
        self.gradient_penalty = gradient_penalty

    @property
    def has_gradient_in_loss(self) -> bool:
        return True

    def discriminator_loss(self, x: Tensor, y: Tensor) -> Tensor:
        penalty = slope_penalty(self.potential, y, x, self.uniform(len(y)))
        self.note(penalty=penalty)
        return super().discriminator_loss(x, y) + self.gradient_penalty * penalty

    def check_discriminator(self, y: Tensor) -> None:
        super().check_discriminator(y)
        for name, module in self.discriminator.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                raise ValueError(
                    "'model.init_args.discriminator' should have no batch norm, which couples "
                    "samples where the gradient penalty is one of single samples, got "
                    f"{type(module).__name__} at {name!r}."
                )
