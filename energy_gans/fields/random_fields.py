r"""Fields of the energy distance with random directions or partners, without a matrix of pairs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from ..functional import image_sliced_field, scattering_field, sliced_field
from ..functional.image_slices import block_sizes
from .base import ParticleField


class SlicedField(ParticleField):
    r"""The field of the energy distance by ranks along random lines (:func:`sliced_field`).

    References:
        Generative Sliced MMD Flows with Riesz Kernels (Hertrich et al., 2023),
        https://arxiv.org/abs/2305.11463

    Arguments:
        slices: The number of directions.
        attraction: The ratio of attraction to repulsion.
        orthogonal: Whether as many directions as the points have coordinates are orthogonal.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(
        self, slices: int = 64, attraction: float = 1.0, orthogonal: bool = False
    ) -> None:
        check_count("slices", slices)
        check_positive("attraction", attraction)
        self.slices, self.attraction, self.orthogonal = slices, attraction, orthogonal

    def velocity(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> Tensor:
        return sliced_field(a, y, x, self.slices, random, self.attraction, self.orthogonal)


class ImageSlicedField(ParticleField):
    r"""The sliced field of images, split by scale and by colour (:func:`image_sliced_field`).

    Each call draws one size of blocks.

    References:
        Generative Sliced MMD Flows with Riesz Kernels (Hertrich et al., 2023),
        https://arxiv.org/abs/2305.11463

    Arguments:
        blocks: The sizes of blocks, in pixels; if `None`, all that divide the height and the width
            of the images, but one pixel.
        attraction: The ratio of attraction to repulsion.

    Raises:
        ValueError: If there are no sizes, or a number is not positive. A size that does not divide
            the images is an error of the call.
    """

    def __init__(self, blocks: Sequence[int] | None = None, attraction: float = 1.0) -> None:
        if blocks is not None and len(blocks) == 0:
            raise ValueError("'blocks' should hold at least one size, got none.")
        for block in blocks or []:
            check_count("blocks", block)
        check_positive("attraction", attraction)
        self.blocks, self.attraction = blocks and list(blocks), attraction

    def velocity(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> Tensor:
        blocks = self.blocks or block_sizes(a.shape[1:])
        i = torch.randint(len(blocks), (), generator=random, device=a.device)
        return image_sliced_field(a, y, x, blocks[int(i)], random, self.attraction)


class ScatteringField(ParticleField):
    r"""The field of one real and one generated sample for each point (:func:`scattering_field`).

    References:
        On scattering: https://arxiv.org/abs/2607.18198

    Arguments:
        attraction: The ratio of attraction to repulsion.
        partners: The number of real and of generated samples for each point, whose fields are
            averaged.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(self, attraction: float = 1.0, partners: int = 1) -> None:
        check_positive("attraction", attraction)
        check_count("partners", partners)
        self.attraction, self.partners = attraction, partners

    def velocity(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> Tensor:
        # One row a partner.
        shape = (self.partners, len(a))
        i = torch.randint(len(y), shape, generator=random, device=a.device)
        j = torch.randint(len(x) - own, shape, generator=random, device=a.device)
        if own:
            j = (j + 1 + torch.arange(len(a), device=a.device)) % len(x)
        a, y, x = (s.flatten(0, 1) for s in (a.expand(self.partners, *a.shape), y[i], x[j]))
        return scattering_field(a, y, x, self.attraction).unflatten(0, shape).mean(0)
