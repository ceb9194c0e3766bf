r"""MMD GAN: the maximum mean discrepancy of features, by a mixture of Gaussian kernels.

.. math:: k(u, v) = \frac{1}{S} \sum_s \exp \left( - \frac{\|u - v\|^2}{2 \sigma_s^2} \right)

The discriminator's features raise the discrepancy :math:`E(u, v)`, and the generator lowers it
(:mod:`energy_gans.methods.bases.feature_gan`). The paper clips the weights, and keeps the features
injective by a decoder :math:`R`, whose reconstruction error is added to the discriminator's loss:

.. math:: L_D = - E(D(y), D(x)) + \lambda \, \mathbb{E} \|a - R(D(a))\|^2, \quad a \in \{y, x\}

Here both are options, off by default. Bińkowski et al. omit the decoder and penalise the gradient
of the witness instead (`gradient_penalty`). Wang et al. bound the network by spectral
normalisation and use the repulsive loss (`objective: repulsive`).

References:
    MMD GAN: Towards Deeper Understanding of Moment Matching Network (Li et al., 2017),
    https://arxiv.org/abs/1705.08584
    Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401
    Improving MMD-GAN Training with Repulsive Loss Function (Wang et al., 2019),
    https://arxiv.org/abs/1812.09916
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ...checks import check_positive
from ...functional import gaussian_profile
from ...functional.potentials import Kernel
from ..bases.arguments import base_arguments
from ..bases.feature_gan import FeatureGAN
from ..bases.optimizers import ADAM, SLOW_ADAM
from ..bases.own_kernel import check_left_out
from ..parts.elastic_kernel import Profile
from ..parts.networks import check_module, check_output_shape, clip_weights


class MMDGAN(FeatureGAN):
    r"""The MMD GAN of Li et al.

    Arguments:
        kernel: The kernel :math:`k(a, b)` of features, a function or a module of points
            :math:`(N, n)` and :math:`(M, n)` with values :math:`(N, M)`, in place of the Gaussian
            kernels. A module is saved with the model, and not trained.
        bandwidths: The standard deviations :math:`\sigma_s` of the Gaussian kernels, in units of
            features.
        decoder: The decoder :math:`R`, from :math:`(B, n)` to :math:`(B, *)`, which is trained
            with the discriminator, or `None`.
        reconstruction: The factor :math:`\lambda` on the decoder's mean squared error.
        clip: The bound, above 0, on the absolute value of the discriminator's parameters, or
            `None`.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_dim: int,
        *,
        kernel: Kernel | nn.Module | None = None,
        bandwidths: Sequence[float] = (1.0, 2.0, 4.0, 8.0, 16.0),
        decoder: nn.Module | None = None,
        reconstruction: float = 8.0,
        clip: float | None = None,
        objective: Literal["attractive", "repulsive"] = "attractive",
        normalize: bool = False,
        gradient_penalty: float = 0.0,
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
        super().__init__(**base_arguments(MMDGAN, locals()))
        check_left_out(MMDGAN, locals(), ["bandwidths"], "Gaussian")
        gaussian_profile(torch.zeros(1), bandwidths)
        check_positive("reconstruction", reconstruction)
        if clip is not None:
            check_positive("clip", clip)
        self.bandwidths = tuple(bandwidths)
        self.decoder = decoder
        self.reconstruction = reconstruction
        self.clip = clip
        if decoder is not None:
            check_module("decoder", decoder)
            both = nn.ModuleList([self.discriminator, decoder])
            self.trained[-1] = self.trained[-1]._replace(network=both)

    def profile(self, n: int, *r2: Tensor) -> Profile:
        return partial(gaussian_profile, bandwidths=self.bandwidths)

    def feature_loss(
        self, samples: tuple[Tensor, Tensor], features: tuple[Tensor, Tensor]
    ) -> Tensor | float:
        # The decoder's mean squared errors of real and generated samples, summed up.
        if self.decoder is None:
            return 0.0
        loss = sum(
            (a.float() - self.decoder(u).float()).square().mean()
            for a, u in zip(samples, features, strict=True)
        )
        self.note(reconstruction=loss)
        return self.reconstruction * loss

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        # The decoder's loss depends on the features themselves.
        return super().shift_invariant_outputs(y) if self.decoder is None else []

    def constrain(self) -> None:
        if self.clip is not None:
            clip_weights(self.discriminator, self.clip)

    def check_discriminator(self, y: Tensor) -> None:
        super().check_discriminator(y)
        if self.decoder is not None:
            check_output_shape(
                lambda: self.decoder(self.discriminator(y).flatten(1)),
                tuple(y.shape),
                "'model.init_args.decoder' should map features to the shape of 'data', "
                f"{tuple(y.shape)}",
            )
