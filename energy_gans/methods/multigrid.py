r"""The multi-grid generative ConvNet: chains that move from a coarse image to a fine one.

An image :math:`y` has a version :math:`y^{(g)}` of block means on each of several grids, from
coarse to fine, and each grid but the first has a descriptor of its own. A chain starts on the
first grid and runs through the others. On each grid it starts at its end on the grid before, with
each pixel repeated to a block, and climbs the potential of the grid. Each descriptor is trained by
the likelihood of its own grid (:mod:`energy_gans.methods.bases.contrastive`); with
:math:`\gamma > 0`, the method is the Wasserstein MGCN.

In training, chains start at the coarse images of the minibatch. Recent coarse images are kept, and
samples start at some of them. If the first grid has one pixel, each coarse image is a colour.

References:
    Learning Generative ConvNets via Multi-grid Modeling and Sampling (Gao et al., 2018),
    https://arxiv.org/abs/1709.08868
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn as nn
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.optim import Optimizer

from ..checks import check_count
from ..functional import downscale, upscale
from .bases.arguments import base_arguments
from .bases.contrastive import ContrastiveModule
from .bases.optimizers import SLOWEST_ADAM
from .parts.chains import Chains, sampler_of
from .parts.recent_samples import RecentSamples


class MultigridGCN(ContrastiveModule):
    r"""The multi-grid generative ConvNet of Gao et al.

    All grids use the same description of chains. The logged diagnostics of chains are those of the
    finest grid. Each descriptor's gradient is clipped by its own norm (`gradient_clip_norm`), as
    gradients differ much between grids.

    Arguments:
        descriptor: The descriptors, a `ModuleList` with one network for each grid but the first,
            and with the attribute `grids`, the widths of the grids from the coarsest to the
            finest.
        seeds: The number of coarse images that are kept for samples to start at.
        classes: `None`, as there are no labels.
        sample_steps: `None`, as samples take as many steps as training.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        descriptor: nn.ModuleList,
        shape: list[int],
        chains: Chains | None = None,
        *,
        seeds: int = 4096,
        gamma: float = 0.0,
        penalized: Literal["all", "head"] = "all",
        magnitude: float = 0.0,
        classes: int | None = None,
        sample_steps: int | None = None,
        half_chains: bool = False,
        compile_gradient: bool = False,
        descriptor_optimizer: OptimizerCallable = SLOWEST_ADAM,
        descriptor_scheduler: LRSchedulerCallable | None = None,
        updates_per_step: int = 1,
        discriminator_steps: int = 1,
        accumulate: int = 1,
        gradient_clip_norm: float | None = None,
        channels_last: bool = False,
        initial_weights: str | None = None,
    ) -> None:
        super().__init__(**base_arguments(MultigridGCN, locals()))
        check_count("seeds", seeds)
        self.grids = _check_grids(descriptor)
        if len(self.shape) != 3 or self.classes is not None or self.sample_steps is not None:
            raise ValueError(
                "A multi-grid ConvNet takes images without labels and as many steps in samples "
                f"as in training: 'shape' = {list(self.shape)}, 'classes' = {self.classes} and "
                f"'sample_steps' = {self.sample_steps} should be three numbers, and null twice."
            )
        channels, width = self.shape[0], self.grids[0]
        self.seeds = RecentSamples(seeds, (channels, width, width))

    def update(self, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        x = self.downscale_to(y, self.grids[0])
        self.seeds.keep(self.gather(x))
        losses = []
        for network, before, after in zip(
            self.descriptor, self.grids, self.grids[1:], strict=False
        ):
            start = upscale(x, after // before)
            x = self.run_chains(network, start, None)
            losses.append(self.losses(network, start, x, None, self.downscale_to(y, after), None))
        # The loss of a grid depends on the descriptor of this grid only. Each part of the
        # minibatch is evaluated on all grids before the next one.
        return {"loss_d": self.descend(self.optimizers(), map(sum, zip(*losses, strict=True)))}

    def clipping_sets(self, optimizer: Optimizer) -> list[list[nn.Parameter]]:
        return [list(network.parameters()) for network in self.descriptor]

    def shift_invariant_outputs(self, y: Tensor) -> list[Tensor]:
        if self.magnitude:
            return []
        return [
            self.evaluate(network, self.downscale_to(y, width))
            for network, width in zip(self.descriptor, self.grids[1:], strict=True)
        ]

    def downscale_to(self, y: Tensor, width: int) -> Tensor:
        r"""Returns block means on a grid of width :math:`S`, with shape :math:`(B, C, S, S)`."""
        return downscale(y, y.shape[-1] // width)

    @property
    def sampling_descriptor(self) -> nn.Module:
        r"""The descriptor of the finest grid, the potential of whole images."""
        return self.sampling_network[-1]

    def potential(
        self, a: Tensor, label: int | Tensor | None = None, time: float | Tensor | None = None
    ) -> Tensor:
        return self.evaluate(self.descriptor[-1], a, *self.conditions(a, label, time))

    def generate(
        self, network: nn.Module, n: int, random: torch.Generator, label: Tensor | None
    ) -> Tensor:
        draw, x = sampler_of(random, self.device, self.dtype), self.seeds.draw(n, random)
        for descriptor, before, after in zip(network, self.grids, self.grids[1:], strict=False):
            x = self.chains.end(upscale(x, after // before), self.gradient(descriptor), draw)
        return x

    def check(self, y: Tensor) -> None:
        width = self.grids[-1]
        if tuple(y.shape[1:]) != self.shape or self.shape[1:] != (width, width):
            raise ValueError(
                f"'model.init_args.shape' should be that of 'data', {list(y.shape[1:])}, a square "
                f"as wide as the last of 'grids', got {list(self.shape)} and {width}."
            )
        for network, width in zip(self.descriptor, self.grids[1:], strict=True):
            self.check_descriptor(network, self.downscale_to(y, width))


def _check_grids(descriptor: nn.Module) -> tuple[int, ...]:
    r"""Returns the widths of the grids of descriptors.

    Raises:
        ValueError: If `descriptor` is no `ModuleList` with one descriptor for each grid but the
            first.
    """
    grids = getattr(descriptor, "grids", None)
    if (
        grids is None
        or not isinstance(descriptor, nn.ModuleList)
        or len(grids) != len(descriptor) + 1
    ):
        raise ValueError(
            "'descriptor' should be a ModuleList with the attribute 'grids', of one descriptor "
            f"for each grid but the first, got {type(descriptor).__name__}."
        )
    return tuple(grids)
