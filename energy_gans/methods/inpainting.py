r"""A GGCN whose latents are images with holes, which its generator fills.

The generator takes an image :math:`y` multiplied by its mask :math:`m`, which is 1 where a pixel
is known, and completes it to

.. math:: x = m y + (1 - m) \, G(m y)

Once for several minibatches of the descriptor, the generator climbs the potential by amortised
sampling and approaches the image:

.. math::
    \eta \leftarrow \eta + \lambda_\eta \nabla_\eta \frac{1}{n} \sum_i
    \left[ \langle x_i, \Delta x_i \rangle - \kappa \|x_i - y_i\|^2 \right]

Here :math:`\Delta x` is the score at :math:`x`, held fixed. The descriptor is trained as in a
generative ConvNet (:mod:`energy_gans.methods.bases.contrastive`), with completed images in place
of the ends of chains.

According to the paper, the generator is an autoencoder, its input is the image multiplied by the
mask, and holes are squares, random spots or both. The paper does not state the loss of the
generator. The term with the factor :math:`\kappa` is our choice.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Section 5.6, https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..checks import check_count
from ..functional import amortized_loss, ascent_loss, hole_masks
from ..functional.masks import KINDS
from .bases.arguments import base_arguments
from .bases.contrastive import ContrastiveModule
from .bases.generator import CooperativeMixin
from .bases.optimizers import ADAM, SLOWEST_ADAM
from .parts.chains import Chains, Draw
from .parts.networks import check_output_shape, evaluation_mode
from .parts.recent_samples import RecentSamples


class InpaintingGGCN(CooperativeMixin, ContrastiveModule):
    r"""A GGCN that fills holes of images.

    Its samples are completions of images of the last training steps.

    Arguments:
        generator: The generator :math:`G`, from images :math:`(B, C, H, W)` to images of the same
            shape.
        chains: The description of chains, of which only the reference, a standard normal one if
            `None`, and the bound on gradients have an effect, as no chains are run.
        fidelity: The factor :math:`\kappa` on the squared distance to the image.
        masks: The kinds of holes in training, `"square"`, `"spot"` and `"both"`. The samples of a
            minibatch take the kinds in turn.
        square: The width of square holes, in pixels; half of the image's width if `None`.
        spots: The share of pixels in spots.
        examples: The number of images with holes that are kept for :meth:`sample` to complete.
        classes: `None`, as there are no labels.
        accumulate: 1, as minibatches are not split.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        generator: nn.Module,
        descriptor: nn.Module,
        shape: list[int],
        chains: Chains | None = None,
        *,
        fidelity: float = 1.0,
        masks: Sequence[str] = KINDS,
        square: int | None = None,
        spots: float = 0.25,
        examples: int = 256,
        gamma: float = 0.0,
        penalized: Literal["all", "head"] = "all",
        magnitude: float = 0.0,
        classes: int | None = None,
        sample_steps: int | None = None,
        half_chains: bool = False,
        compile_gradient: bool = False,
        generator_optimizer: OptimizerCallable = ADAM,
        generator_scheduler: LRSchedulerCallable | None = None,
        descriptor_optimizer: OptimizerCallable = SLOWEST_ADAM,
        descriptor_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(InpaintingGGCN, locals()))
        check_count("examples", examples)
        if not fidelity >= 0:
            raise ValueError(f"'fidelity' should not be negative, got {fidelity!r}.")
        if len(self.shape) != 3 or self.classes is not None or self.accumulate != 1:
            raise ValueError(
                "An inpainting GGCN takes images without labels, and minibatches as a whole: "
                f"'shape' = {list(self.shape)}, 'classes' = {self.classes} and 'accumulate' = "
                f"{self.accumulate} should be three numbers, null and 1."
            )
        self.fidelity = fidelity
        self.masks, self.square, self.spots = tuple(masks), square, spots
        channels, *size = self.shape
        # Raises errors of the masks' arguments now, not at the first step.
        hole_masks(self.masks, size, square, spots, torch.Generator(), 1)
        # An image and, in the last channel, its mask.
        self.examples = RecentSamples(examples, (channels + 1, *size))

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        optimizer_d, optimizer_g = self.optimizers()
        for i, part in enumerate(y.chunk(self.discriminator_steps)):
            known = self.share_of(self.draw_masks, len(part))
            if i == 0:
                x = self.complete_images(self.generator, part, known)
                before = x.detach()
                loss = self.fidelity * amortized_loss(x, part)
                loss = loss + ascent_loss(x, self.score_of(before, None))
                loss_g = self.descend(optimizer_g, [loss])
                self.examples.keep(self.gather(torch.cat([known * part, known], dim=1)))
            with torch.no_grad():
                x = self.complete_images(self.generator, part, known)
            start = before if i == 0 else x
            losses = self.losses(self.descriptor, start, x, None, part, None)
            loss_d = self.descend(optimizer_d, losses)
        return {"loss_d": loss_d, "loss_g": loss_g}

    def draw_masks(self, n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        r"""Returns training masks, 1 where a pixel is known, with shape :math:`(n, 1, H, W)`."""
        return hole_masks(self.masks, self.shape[1:], self.square, self.spots, generator, n)

    def complete_images(self, network: nn.Module, y: Tensor, known: Tensor) -> Tensor:
        r"""Returns images whose holes a generator fills, with shape :math:`(B, C, H, W)`.

        Arguments:
            network: The generator, or its moving average.
            y: The images, with shape :math:`(B, C, H, W)`.
            known: The masks, 1 where a pixel is known, with shape :math:`(B, 1, H, W)`.
        """
        # Multiplication by the mask would keep nan.
        visible = torch.where(known == 1, y, 0)
        return torch.where(known == 1, y, network(self.formatted(visible)))

    # Filling of holes

    @property
    def fill_steps(self) -> int:
        # The generator fills holes without chains.
        return 0

    def initial_fill(self, y: Tensor, known: Tensor, draw: Draw) -> Tensor:
        network = self.sampling_network["generator"]
        with evaluation_mode(network):
            return self.complete_images(network, y, known)

    def complete(self, y: Tensor, known: Tensor) -> Tensor:
        r"""Returns filled images :math:`(B, C, H, W)`; the former name of :meth:`fill`."""
        warnings.warn(
            "complete(y, known) is fill(y, known) now.", DeprecationWarning, stacklevel=2
        )
        return self.fill(y, known)

    # Sampling

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        visible, known = self.examples.draw(n, random).split([self.shape[0], 1], dim=1)
        return self.complete_images(network["generator"], visible, known)

    def check(self, y: Tensor) -> None:
        super().check(y)
        check_output_shape(
            lambda: self.generator(y),
            tuple(y.shape),
            "'model.init_args.generator' should map the shape of 'data', "
            f"{tuple(y.shape)}, to itself",
        )
