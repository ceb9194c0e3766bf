r"""The sum of the spectral norms of weights, which keeps a network smooth where a loss charges it.

A weight of shape :math:`(N, *)` counts as the matrix :math:`W` of :math:`N` rows. Its largest singular
value is estimated by the power iteration

.. math:: u \leftarrow \frac{W W^\top u}{\|W W^\top u\|}, \quad \sigma = \|W^\top u\|

whose vector is kept, so that few iterations are enough when the weight has moved little. The estimate is
never too large.

References:
    Spectral Norm Regularization for Improving the Generalizability of Deep Learning (Yoshida and
    Miyato, 2017), https://arxiv.org/abs/1705.10941
    NVAE: A Deep Hierarchical Variational Autoencoder (Vahdat and Kautz, 2020), of which are the numbers
    of iterations and the matrices of one shape side by side, https://arxiv.org/abs/2007.03898
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
import torch.nn as nn
from torch import Tensor

_FIRST_ITERATIONS = 40
_ITERATIONS = 4


class SpectralSum(nn.Module):
    r"""Creates the sum of the largest singular values of weights.

    It iterates 40 times when it is first called and 4 times later. Vectors, and whether it was called,
    are buffers, so that a checkpoint holds them. Where a weight is zero, its vector stays.

    Arguments:
        shapes: The shape :math:`(N, *)` of each weight.

    Example:
        >>> SpectralSum([(2, 2), (1, 3)])([torch.diag(torch.tensor([1.0, 4.0])), torch.ones(1, 3)])
        tensor(5.7321)
    """

    def __init__(self, shapes: Iterable[Sequence[int]]) -> None:
        super().__init__()
        counts = Counter(torch.empty(*shape, device="meta").flatten(1).shape for shape in shapes)
        self.groups = len(counts)
        for i, ((rows, _), count) in enumerate(counts.items()):
            self.register_buffer(f"left{i}", nn.functional.normalize(torch.randn(count, rows)))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, weights: Iterable[Tensor]) -> Tensor:
        r"""Returns the sum, a scalar through which gradients flow, of weights in the order of the shapes."""
        groups: dict[torch.Size, list[Tensor]] = {}
        for weight in weights:
            matrix = weight.flatten(1)
            groups.setdefault(matrix.shape, []).append(matrix)
        iterations = _ITERATIONS if self.started else _FIRST_ITERATIONS
        self.started.fill_(True)
        sums = []
        for i, group in enumerate(groups.values()):
            matrices, buffer = torch.stack(group), self.get_buffer(f"left{i}")
            with torch.autocast(matrices.device.type, enabled=False):
                left = _power_iterations(matrices.detach(), buffer, iterations)
                sums.append(torch.einsum("knm,kn->km", matrices, left).norm(dim=1).sum())
            buffer.copy_(left)
        return torch.stack(sums).sum()


@torch.no_grad()
def _power_iterations(matrices: Tensor, left: Tensor, iterations: int) -> Tensor:
    r"""Returns unit vectors after power iterations, with shape :math:`(K, N)`.

    Arguments:
        matrices: The matrices, with shape :math:`(K, N, M)`.
        left: The vectors :math:`u` to start from, with shape :math:`(K, N)`.
        iterations: The number of iterations.
    """
    for _ in range(iterations):
        right = torch.einsum("knm,kn->km", matrices, left)
        image = torch.einsum("knm,km->kn", matrices, right)
        length = image.norm(dim=1, keepdim=True)
        left = torch.where(length > 0, image / length, left)
    return left
