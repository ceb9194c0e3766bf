r"""The descriptors of the multi-grid model, one for every grid.

A chain starts from an image of one pixel and is upscaled to the grids 4, 16 and 64, or to other
sizes of which each is a multiple of the previous one. Every grid above the first has its own
descriptor, and the descriptors are learnt independently.

The authors' descriptors have batch norm, also in their chains. The descriptors here have none:
with batch norm the potential of an image, and its chain, would depend on the batch, and the
gradient would not be piecewise constant.

References:
    Learning Generative ConvNets via Multi-grid Modeling and Sampling (Gao et al., 2018),
    https://arxiv.org/abs/1709.08868
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn as nn

from ..descriptions import Described
from .descriptor import ConvDescriptor


class MultigridDescriptors(Described, nn.ModuleList):
    r"""The descriptors of a multi-grid model, one for each grid above the first.

    A descriptor maps images :math:`(B, C, S, S)` of its grid to potentials :math:`(B, 1)`, by
    convolutions and one dense layer. The convolutions are the authors' for the
    grids 4, 16 and 64. They are used, in this order, for sizes up to 7 pixels, up to 16 pixels,
    and above:

    - one of kernel 5 and stride 2 and two of kernel 3, to 96, 128 and 256 maps,
    - one of kernel 5 and stride 2 and three of kernel 3, to 96, 128, 256 and 512 maps,
    - four of kernel 5 and stride 2, to 64, 128, 256 and 512 maps.

    Arguments:
        channels: The number of image channels :math:`C`.
        grids: The width of the image on each grid, in pixels.
        width: The number of maps that replaces 64 in this list; other numbers scale in proportion.

    Attributes:
        grids: The width of the image on each grid, as a tuple.

    Raises:
        ValueError: If there are fewer than two grids, or a grid is not a larger multiple of the
            previous.

    Example:
        >>> [phi.features[0].out_channels for phi in MultigridDescriptors(grids=(1, 4, 8, 32))]
        [96, 96, 64]
    """

    def __init__(
        self, channels: int = 3, grids: Sequence[int] = (1, 4, 16, 64), width: int = 64
    ) -> None:
        if len(grids) < 2 or grids[0] < 1 or any(b <= a or b % a for a, b in pairwise(grids)):
            raise ValueError(
                "'grids' should be at least two increasing widths, each a multiple of the one "
                f"before, got {tuple(grids)}."
            )
        super().__init__(_grid_descriptor(channels, size, width) for size in grids[1:])
        self.grids = tuple(grids)


def _grid_descriptor(channels: int, size: int, width: int) -> ConvDescriptor:
    r"""Returns the descriptor of one grid, see :class:`MultigridDescriptors`."""
    if size > 16:
        widths = [width, 2 * width, 4 * width, 8 * width]
        kernels, strides = [5] * 4, [2] * 4
    else:
        widths = [3 * width // 2, 2 * width, 4 * width, 8 * width][: 3 if size <= 7 else 4]
        kernels, strides = [5, 3, 3, 3][: len(widths)], [2, 1, 1, 1][: len(widths)]
    return ConvDescriptor(channels, size, widths, kernels, strides, hidden=None)
