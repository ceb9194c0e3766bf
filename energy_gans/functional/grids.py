r"""Image grids: one image at several resolutions.

Downscaling replaces a block of pixels by its mean; upscaling replaces a pixel by a block of
copies. Upscaling and then downscaling is the identity. Downscaling and then upscaling is the
orthogonal projection onto images that are constant on blocks.

References:
    Learning Generative ConvNets via Multi-grid Modeling and Sampling (Gao et al., 2018),
    https://arxiv.org/abs/1709.08868
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks import check_count


def downscale(x: Tensor, factor: int) -> Tensor:
    r"""Returns images whose pixels are the means of blocks.

    Arguments:
        x: The images, with shape :math:`(B, C, H, W)`.
        factor: The width and height of a block, in pixels.

    Returns:
        The images, with shape :math:`(B, C, H / f, W / f)`.

    Raises:
        ValueError: If `factor` is not positive, or does not divide the height and width of the
            images.

    Example:
        >>> downscale(torch.arange(4.0).reshape(1, 1, 2, 2), 2)
        tensor([[[[1.5000]]]])
    """
    check_count("factor", factor)
    if x.shape[-2] % factor or x.shape[-1] % factor:
        raise ValueError(
            f"'factor' should divide the height and width of 'x', got {factor!r} and images of "
            f"shape {tuple(x.shape)}."
        )
    return torch.nn.functional.avg_pool2d(x, factor)


def upscale(x: Tensor, factor: int) -> Tensor:
    r"""Returns images whose pixels are repeated in blocks.

    Arguments:
        x: The images, with shape :math:`(B, C, H, W)`.
        factor: The width and height of a block, in pixels.

    Returns:
        The images, with shape :math:`(B, C, f H, f W)`.

    Raises:
        ValueError: If `factor` is not positive.
    """
    check_count("factor", factor)
    return x.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
