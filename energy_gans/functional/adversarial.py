r"""Adversarial losses: a discriminator's output is high where real data is.

With real samples :math:`y`, generated samples :math:`x` and a discriminator :math:`D`,

.. math::
    L_D & = \mathbb{E} \log(1 + e^{-D(y)}) + \mathbb{E} \log(1 + e^{D(x)})
        & L_G & = \mathbb{E} \log(1 + e^{-D(x)}) && \text{logistic, non-saturating} \\
    L_D & = \mathbb{E} D(x) - \mathbb{E} D(y)
        & L_G & = - \mathbb{E} D(x) && \text{Wasserstein} \\
    L_D & = L(y) - k_t L(x)
        & L_G & = L(x) && \text{boundary equilibrium}

For boundary equilibrium, :math:`D` is an autoencoder and :math:`L(v) = \mathbb{E} |v - D(v)|^\eta`
its reconstruction error. The weight :math:`k_t` keeps :math:`L(x)` near :math:`\gamma L(y)`:

.. math::
    k_{t+1} & = \min(\max(k_t + \lambda_k (\gamma L(y) - L(x)), 0), 1) \\
    M & = L(y) + |\gamma L(y) - L(x)|

where :math:`M` measures convergence. Losses are float32 at least.

References:
    Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    Wasserstein GAN (Arjovsky et al., 2017), https://arxiv.org/abs/1701.07875
    BEGAN: Boundary Equilibrium Generative Adversarial Networks (Berthelot et al., 2017),
    https://arxiv.org/abs/1703.10717
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_filled


def _to_float32(d: Tensor) -> Tensor:
    r"""Returns a tensor in float32 at least."""
    return d.to(torch.promote_types(d.dtype, torch.float32))


def logistic_loss(d_y: Tensor, d_x: Tensor) -> Tensor:
    r"""Returns the discriminator's logistic loss, the cross-entropy of real against generated.

    Arguments:
        d_y: The logits :math:`D(y)` of real samples, with shape :math:`(N)`.
        d_x: The logits :math:`D(x)` of generated samples, with shape :math:`(M)`.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If a batch is empty.

    Example:
        >>> logistic_loss(torch.zeros(3), torch.zeros(2))
        tensor(1.3863)
    """
    check_filled(d_y=d_y, d_x=d_x)
    return F.softplus(-_to_float32(d_y)).mean() + F.softplus(_to_float32(d_x)).mean()


def nonsaturating_loss(d_x: Tensor) -> Tensor:
    r"""Returns the generator's loss :math:`\mathbb{E} \log(1 + e^{-D(x)})`.

    Its gradient does not vanish where the discriminator is certain that samples are generated.

    Arguments:
        d_x: The logits :math:`D(x)` of generated samples, with shape :math:`(M)`.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(d_x=d_x)
    return F.softplus(-_to_float32(d_x)).mean()


def wasserstein_loss(d_y: Tensor, d_x: Tensor) -> Tensor:
    r"""Returns the critic's loss :math:`\mathbb{E} D(x) - \mathbb{E} D(y)`.

    At the optimal 1-Lipschitz critic, its negative is the Wasserstein-1 distance.

    Arguments:
        d_y: The critic :math:`D(y)` of real samples, with shape :math:`(N)`.
        d_x: The critic :math:`D(x)` of generated samples, with shape :math:`(M)`.

    Returns:
        The loss, a scalar.

    Raises:
        ValueError: If a batch is empty.
    """
    check_filled(d_y=d_y, d_x=d_x)
    return _to_float32(d_x).mean() - _to_float32(d_y).mean()


def reconstruction_error(v: Tensor, d: Tensor, eta: int = 1) -> Tensor:
    r"""Returns the reconstruction error of each sample, the mean of :math:`|v - D(v)|^\eta`.

    Arguments:
        v: The samples, with shape :math:`(B, *)`.
        d: The reconstructions :math:`D(v)`, with shape :math:`(B, *)`.
        eta: The exponent :math:`\eta`, 1 or 2.

    Returns:
        The errors, with shape :math:`(B)`.

    Raises:
        ValueError: If the shapes differ.
    """
    if v.shape != d.shape:
        raise ValueError(
            f"'v' and 'd' should have one shape, got {tuple(v.shape)} and {tuple(d.shape)}."
        )
    return (_to_float32(v) - _to_float32(d)).flatten(1).abs().pow(eta).mean(1)


def equilibrium_loss(l_y: Tensor, l_x: Tensor, k: Tensor) -> Tensor:
    r"""Returns the autoencoder's loss :math:`L(y) - k_t L(x)`.

    Arguments:
        l_y: The reconstruction error :math:`L(y)` of real samples, a scalar.
        l_x: The reconstruction error :math:`L(x)` of generated samples, a scalar.
        k: The weight :math:`k_t`, a scalar.

    Returns:
        The loss, a scalar.
    """
    return l_y - k * l_x


def balanced(k: Tensor, l_y: Tensor, l_x: Tensor, gamma: float, rate: float) -> Tensor:
    r"""Returns the next weight :math:`k_{t+1}` of the boundary equilibrium, in [0, 1].

    Arguments:
        k: The weight :math:`k_t`, a scalar.
        l_y: The reconstruction error :math:`L(y)` of real samples, a scalar.
        l_x: The reconstruction error :math:`L(x)` of generated samples, a scalar.
        gamma: The target :math:`\gamma` of the ratio :math:`L(x) / L(y)`.
        rate: The rate :math:`\lambda_k`.

    Returns:
        The weight, a scalar.

    Example:
        >>> balanced(torch.tensor(0.2), torch.tensor(2.0), torch.tensor(0.5), gamma=0.5, rate=0.1)
        tensor(0.2500)
    """
    return (k + rate * (gamma * l_y - l_x)).clamp(0, 1)


def convergence(l_y: Tensor, l_x: Tensor, gamma: float) -> Tensor:
    r"""Returns :math:`M = L(y) + |\gamma L(y) - L(x)|`, which falls as both players improve.

    Arguments:
        l_y: The reconstruction error :math:`L(y)` of real samples, a scalar.
        l_x: The reconstruction error :math:`L(x)` of generated samples, a scalar.
        gamma: The target :math:`\gamma` of the ratio :math:`L(x) / L(y)`.

    Returns:
        The measure, a scalar, in units of the error.
    """
    return l_y + (gamma * l_y - l_x).abs()
