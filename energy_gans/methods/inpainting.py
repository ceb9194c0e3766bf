r"""A GGCN whose latents are images with holes, and whose generator fills them.

With an image :math:`y` and its mask :math:`m`, 1 where a pixel is known, the generator sees
:math:`m y` and completes it to

.. math:: x = m y + (1 - m) \, G(m y)

Once for several minibatches of the descriptor it climbs the potential by amortised sampling, and goes
towards the image:

.. math::
    \eta \leftarrow \eta + \lambda_\eta \nabla_\eta \frac{1}{n} \sum_i
    \left[ \langle x_i, \Delta x_i \rangle - \kappa \|x_i - y_i\|^2 \right]

with :math:`\Delta x` the score at :math:`x`, held fixed. The descriptor learns as a ConvNet's
(:mod:`energy_gans.methods.bases.contrastive`), with completions in the place of its chains' ends.

The paper says that the generator is an autoencoder, that its input is the image multiplied by the mask,
and that holes are squares, random spots or both. Its loss is not stated: that it goes towards the
image, with the factor :math:`\kappa`, is ours.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Section 5.6, https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from ..checks import check_count
from ..functional import amortized_loss, ascent_loss, hole_masks
from ..functional.masks import KINDS
from .bases.contrastive import ContrastiveModule
from .parts.chains import Draw
from .parts.networks import check_output_shape, evaluating
from .parts.recent_samples import RecentSamples


class InpaintingGGCN(ContrastiveModule):
    r"""Creates a GGCN that fills holes of images.

    Its samples are completions of images of the last steps.

    Arguments:
        generator: The generator :math:`G`, from images :math:`(B, C, H, W)` to images of that shape.
        fidelity: The factor :math:`\kappa` on the squared distance to the image.
        masks: The kinds of holes in training, `"square"`, `"spot"` and `"both"`; a minibatch has all
            of them in turn.
        square: The width of square holes, in pixels; half of the image's if `None`.
        spots: The share of pixels in spots.
        examples: The number of images with holes that are kept for samples to be completions of.
        generator_optimizer: The optimizer of the generator. Its weight decay is applied to the
            weights of dense and (de)convolutional layers only.
        generator_scheduler: The learning rate schedule of the generator, stepped once a step.
        kwargs: The arguments of :class:`ContrastiveModule`. Of the chains, which are not run, the
            reference and the bound on gradients count.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        generator: nn.Module,
        fidelity: float = 1.0,
        masks: Sequence[str] = KINDS,
        square: int | None = None,
        spots: float = 0.25,
        examples: int = 256,
        generator_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        generator_scheduler: LRSchedulerCallable | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_count("examples", examples)
        if not fidelity >= 0:
            raise ValueError(f"'fidelity' should not be negative, got {fidelity!r}.")
        if len(self.shape) != 3 or self.classes is not None or self.accumulate != 1:
            raise ValueError(
                "An inpainting GGCN takes images without labels, and minibatches as a whole: 'shape' = "
                f"{list(self.shape)}, 'classes' = {self.classes} and 'accumulate' = "
                f"{self.accumulate} should be three numbers, null and 1."
            )
        self.generator, self.fidelity = generator, fidelity
        self.masks, self.square, self.spots = tuple(masks), square, spots
        channels, *size = self.shape
        # Said now, not at the first step.
        hole_masks(self.masks, size, square, spots, torch.Generator(), 1)
        # An image and, in the last channel, its mask.
        self.examples = RecentSamples(examples, (channels + 1, *size))
        self.trained.append((generator, generator_optimizer, generator_scheduler))

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        optimizer_d, optimizer_g = self.optimizers()
        for i, part in enumerate(y.chunk(self.discriminator_steps)):
            known = self.share_of(self.holes, len(part))
            if i == 0:
                x = self.filled(self.generator, part, known)
                before = x.detach()
                loss = self.fidelity * amortized_loss(x, part)
                loss = loss + ascent_loss(x, self.score_of(before, None))
                loss_g = self.descend(optimizer_g, [loss])
                self.examples.keep(self.gather(torch.cat([known * part, known], dim=1)))
            with torch.no_grad():
                x = self.filled(self.generator, part, known)
            start = before if i == 0 else x
            losses = self.losses(self.descriptor, start, x, None, part, None)
            loss_d = self.descend(optimizer_d, losses)
        return {"loss_d": loss_d, "loss_g": loss_g}

    def holes(self, n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        r"""Returns masks for training, with shape :math:`(n, 1, H, W)`."""
        return hole_masks(self.masks, self.shape[1:], self.square, self.spots, generator, n)

    def filled(self, network: nn.Module, y: Tensor, known: Tensor) -> Tensor:
        r"""Returns images whose holes a generator fills, with shape :math:`(B, C, H, W)`."""
        # Multiplied, what is unknown could be no number.
        seen = torch.where(known == 1, y, 0)
        return torch.where(known == 1, y, network(self.formatted(seen)))

    @property
    def fill_steps(self) -> int:
        # The generator fills holes alone.
        return 0

    def first_fill(self, y: Tensor, known: Tensor, draw: Draw) -> Tensor:
        network = self.sampling_network["generator"]
        with evaluating(network):
            return self.filled(network, y, known)

    def complete(self, y: Tensor, known: Tensor) -> Tensor:
        r"""Returns what :meth:`fill` returns: the name of earlier versions."""
        warnings.warn(
            "complete(y, known) is fill(y, known) now.", DeprecationWarning, stacklevel=2
        )
        return self.fill(y, known)

    # Sampling

    @property
    def ema_source(self) -> nn.Module:
        return nn.ModuleDict({"generator": self.generator, "descriptor": self.descriptor})

    @property
    def sampling_descriptor(self) -> nn.Module:
        return self.sampling_network["descriptor"]

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        seen, known = self.examples.draw(n, random).split([self.shape[0], 1], dim=1)
        return self.filled(network["generator"], seen, known)

    def check(self, y: Tensor) -> None:
        super().check(y)
        check_output_shape(
            lambda: self.generator(y),
            tuple(y.shape),
            f"'model.init_args.generator' should map the shape of 'data', {tuple(y.shape)}, to itself",
        )
