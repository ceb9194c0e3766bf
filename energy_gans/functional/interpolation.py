r"""Interpolation: paths from one latent to another.

On the straight line between two independent standard normal latents, the norm falls by a factor of
about :math:`\sqrt{2}` at the middle, where latents have a negligible probability. Spherical
interpolation avoids that: the direction turns by the angle :math:`\omega` on a great circle, and
the norm changes linearly:

.. math::
    z(t) = \big( (1 - t) \|a\| + t \|b\| \big) \left(
        \frac{\sin((1 - t) \omega)}{\sin \omega} \frac{a}{\|a\|} +
        \frac{\sin(t \omega)}{\sin \omega} \frac{b}{\|b\|}
    \right)

References:
    Animating Rotation with Quaternion Curves (Shoemake, 1985)
    Sampling Generative Networks (White, 2016), https://arxiv.org/abs/1609.04468
"""

from __future__ import annotations

import torch
from torch import Tensor


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    r"""Returns points on straight lines, :math:`(1 - t) a + t b`; the end points are exact.

    Arguments:
        a: The points at :math:`t = 0`, with shape :math:`(B, Z)`.
        b: The points at :math:`t = 1`, with shape :math:`(B, Z)`.
        t: The times, with shape :math:`(T)`.

    Returns:
        The points, with shape :math:`(B, T, Z)`.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> lerp(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([0.0, 0.25]))
        tensor([[[0.0000, 0.0000],
                 [0.2500, 0.2500]]])
    """
    _check_ends(a, b, t)
    return torch.lerp(a[:, None], b[:, None], t[:, None])


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    r"""Returns points whose directions turn at a constant rate and whose norms change linearly.

    Where the great circle is not unique, the path is a straight line: between parallel points, for
    which the line is the limit, between opposite points, and from or to zero. The end points are
    exact.

    Arguments:
        a: The points at :math:`t = 0`, with shape :math:`(B, Z)`.
        b: The points at :math:`t = 1`, with shape :math:`(B, Z)`.
        t: The times, with shape :math:`(T)`.

    Returns:
        The points, with shape :math:`(B, T, Z)`.

    Raises:
        ValueError: If the shapes do not fit.
    """
    straight = lerp(a, b, t)
    norm_a, norm_b = (z.norm(dim=1, keepdim=True) for z in (a, b))
    u, v = (z / n.clamp_min(torch.finfo(n.dtype).tiny) for z, n in ((a, norm_a), (b, norm_b)))
    # The arccos of the inner product would lose half of the digits of small angles.
    angle = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))[:, None]
    one = (angle.sin() > torch.finfo(angle.dtype).eps ** 0.5) & (norm_a > 0) & (norm_b > 0)
    angle = torch.where(one, angle, 1.0)
    norm = torch.lerp(norm_a, norm_b, t) / angle.sin()
    from_a, from_b = norm * ((1 - t) * angle).sin(), norm * (t * angle).sin()
    curved = from_a[..., None] * u[:, None] + from_b[..., None] * v[:, None]
    # The end points of the straight line are exact.
    return torch.where((one & (t != 0) & (t != 1))[..., None], curved, straight)


def _check_ends(a: Tensor, b: Tensor, t: Tensor) -> None:
    r"""Raises a `ValueError` unless `a` and `b` have one shape (B, Z) and `t` the shape (T)."""
    if a.ndim != 2 or a.shape != b.shape or t.ndim != 1:
        raise ValueError(
            "'a' and 'b' should have one shape (B, Z) and 't' the shape (T), got "
            f"{tuple(a.shape)}, {tuple(b.shape)} and {tuple(t.shape)}."
        )
