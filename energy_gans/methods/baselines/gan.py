r"""The generative adversarial network, with the non-saturating loss.

The discriminator's output :math:`D` is the log-odds that a sample is real:

.. math::
    L_D & = \mathbb{E}_y \log(1 + e^{-D(y)}) + \mathbb{E}_z \log(1 + e^{D(G(z))}) \\
    L_G & = \mathbb{E}_z \log(1 + e^{-D(G(z))})

With the networks of DCGAN, the method is DCGAN. With two learning rates, it follows the two
time-scale update rule.

References:
    Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks
    (Radford, Metz and Chintala, 2016), https://arxiv.org/abs/1511.06434
    GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et
    al., 2017), https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ...functional.adversarial import logistic_loss, nonsaturating_loss
from ..bases.adversarial import AdversarialModule
from ..bases.arguments import base_arguments
from ..bases.optimizers import ADAM, SLOW_ADAM


class GAN(AdversarialModule):
    r"""The GAN of Goodfellow et al.

    Raises:
        ValueError: If a number is out of its range, or a network is none.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
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
        super().__init__(**base_arguments(GAN, locals()))

    def discriminator_loss(self, x: Tensor, y: Tensor) -> Tensor:
        # One pass for each set, as batch norm should not mix them.
        return logistic_loss(self.potential(y), self.potential(x))

    def generator_loss(self, x: Tensor) -> Tensor:
        return nonsaturating_loss(self.potential(x))
