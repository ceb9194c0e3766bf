r"""Penalties on the gradient of a critic.

References:
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..checks import check_filled


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    y: Tensor,
    x: Tensor,
    epsilon: Tensor,
    target: float = 1.0,
) -> Tensor:
    r"""Returns the gradient penalty

    .. math:: \mathbb{E} (\|\nabla_a D(a)\| - g)^2 \qquad a = \epsilon y + (1 - \epsilon) x

    The inner gradient is float32 at least, also under autocast. Gradients flow into the critic's
    parameters, not into the samples.

    Arguments:
        critic: The critic :math:`D`, from :math:`(B, *)` to :math:`(B)`; each value must depend on
            its own point only.
        y: The real samples, with shape :math:`(B, *)`.
        x: The generated samples, with shape :math:`(B, *)`.
        epsilon: The weights :math:`\epsilon` of the real samples, in [0, 1], with shape
            :math:`(B)`.
        target: The gradient norm :math:`g` without a penalty, at least 0.

    Returns:
        The penalty, a scalar.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(y=y)
    dtype = torch.promote_types(torch.promote_types(y.dtype, x.dtype), torch.float32)
    y, x = y.detach().to(dtype), x.detach().to(dtype)
    epsilon = epsilon.to(dtype).reshape(-1, *[1] * (y.ndim - 1))
    a = (epsilon * y + (1 - epsilon) * x).requires_grad_()
    with torch.autocast(a.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(critic(a).sum(), a, create_graph=True)
        # Clamped, so that the second derivative of the norm is finite where the gradient is zero.
        squared = gradient.flatten(1).square().sum(1)
        norm = squared.clamp_min(torch.finfo(dtype).tiny).sqrt()
        return (norm - target).square().mean()
