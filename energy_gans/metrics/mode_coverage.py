r"""Mode coverage: how well samples cover the modes of a known mixture.

A sample is *good* if it lies within three standard deviations of the nearest mean, and is then
assigned to that mode. For a mixture of :math:`K` modes,

- `modes` is the number of modes with at least one good sample,
- `share` is the share of good samples (0.989 for exact samples of the mixture in two dimensions),
- `kl` is :math:`\mathrm{KL}(p \| w) = \sum_m p_m \log(p_m / w_m)` in nats, for the distribution
  :math:`p` of good samples over modes and the mixture's weights :math:`w`,
- `spread` is the standard deviation of good samples around the mean of their mode, divided by its
  value for exact samples, and averaged over the modes with good samples: 1 is right, 0 is a
  collapse within modes.

References:
    VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning (Srivastava et al.,
    2017), https://arxiv.org/abs/1705.07761
    PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2018),
    https://arxiv.org/abs/1712.04086
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from ..functional import squared_distances

SIGMAS = 3.0


class ModeCoverage(Metric):
    r"""The mode coverage of a mixture of isotropic Gaussians.

    Arguments:
        means: The means, with shape :math:`(K, D)`.
        std: The standard deviation of every mode, in data units.
        weights: The weights, with shape :math:`(K)`; equal if `None`.

    Raises:
        ValueError: If `means` is not a matrix, `std` is not positive, or `weights` has another
            shape.

    Example:
        >>> metric = ModeCoverage(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), std=0.1)
        >>> metric.update(torch.tensor([[-1.0, 0.1], [-1.1, 0.0], [5.0, 0.0]]))
        >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
        {'modes': 1.0, 'share': 0.667, 'kl': 0.693, 'spread': 0.726}
    """

    full_state_update = False

    def __init__(self, means: Tensor, std: float, weights: Tensor | None = None) -> None:
        super().__init__()
        if means.ndim != 2:
            raise ValueError(f"'means' should have shape (K, D), got {tuple(means.shape)}.")
        if not std > 0:
            raise ValueError(f"'std' should be positive, got {std!r}.")
        weights = torch.ones(len(means)) if weights is None else weights
        if weights.shape != means.shape[:1]:
            raise ValueError(
                f"'weights' should have shape {tuple(means.shape[:1])}, "
                f"got {tuple(weights.shape)}."
            )
        self.std = std
        self.register_buffer("means", means)
        self.register_buffer("weights", weights / weights.sum())
        # Sums and counts per mode, which do not depend on how samples are split into batches or
        # processes.
        zeros = torch.zeros(len(means), dtype=torch.float64)
        self.add_state("count", zeros, dist_reduce_fx="sum")
        self.add_state("r2_sum", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, x: Tensor) -> None:
        r"""Adds samples.

        Arguments:
            x: The samples, with shape :math:`(B, D)`.

        Raises:
            ValueError: If the samples do not have the dimension of the mixture.
        """
        if x.ndim != 2 or x.shape[1] != self.means.shape[1]:
            raise ValueError(
                f"'x' should have shape (B, {self.means.shape[1]}), got {tuple(x.shape)}."
            )
        r2, mode = squared_distances(x, self.means).min(1)
        good = r2 <= (SIGMAS * self.std) ** 2
        self.count += torch.bincount(mode[good], minlength=len(self.means))
        self.r2_sum.index_add_(0, mode[good], r2[good].to(self.r2_sum.dtype))
        self.total += len(x)

    def compute(self) -> dict[str, Tensor]:
        if self.total == 0:
            raise ValueError("The coverage of modes needs at least one sample, got none.")
        hit = self.count > 0
        good = self.count.sum()
        p = self.count[hit] / good
        kl = (p * (p / self.weights[hit]).log()).sum() if hit.any() else good + torch.inf
        dimension = good.new_tensor(self.means.shape[1])
        variance = self.r2_sum[hit] / self.count[hit] / dimension / self.std**2
        spread = (variance / _truncated_variance(dimension)).sqrt()
        values = {
            "modes": hit.sum(),
            "share": good / self.total,
            "kl": kl,
            "spread": spread.mean() if hit.any() else good * 0,
        }
        return {name: value.float() for name, value in values.items()}


def _truncated_variance(dimension: Tensor) -> Tensor:
    r"""Returns the variance per coordinate of a standard normal within three standard deviations.

    With :math:`r^2` chi-squared distributed in :math:`D` degrees of freedom,
    :math:`\mathbb{E}[r^2 \mid r \leq 3] / D = P(D/2 + 1, 9/2) / P(D/2, 9/2)`, where :math:`P` is
    the regularised lower incomplete gamma function.

    Arguments:
        dimension: The dimension :math:`D`, a scalar.
    """
    bound = torch.full_like(dimension, SIGMAS**2 / 2)
    return torch.special.gammainc(dimension / 2 + 1, bound) / torch.special.gammainc(
        dimension / 2, bound
    )
