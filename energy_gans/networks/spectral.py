r"""The sum of the spectral norms of weights, as a penalty that keeps a network smooth.

A weight with shape :math:`(N, *)` is reshaped to a matrix :math:`W` with :math:`N` rows. Its
largest singular value is estimated by power iteration,

.. math:: u \leftarrow \frac{W W^\top u}{\|W W^\top u\|}, \quad \sigma = \|W^\top u\|

The vector :math:`u` is kept between calls, so that few iterations suffice if the weight has
changed little. The estimate is a lower bound.

References:
    Spectral Norm Regularization for Improving the Generalizability of Deep Learning (Yoshida and
    Miyato, 2017), https://arxiv.org/abs/1705.10941
    NVAE: A Deep Hierarchical Variational Autoencoder (Vahdat and Kautz, 2020), for the numbers of
    iterations and the batching of matrices of one shape, https://arxiv.org/abs/2007.03898
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
    r"""The sum of the largest singular values of weights.

    The first call makes 40 power iterations, later calls 4. The vectors, and a flag for the first
    call, are buffers, so that checkpoints save them. The vector of a weight that is zero is not
    changed.

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
        r"""Returns the sum, a scalar through which gradients flow.

        Arguments:
            weights: The weights, in the order of the shapes.
        """
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
    r"""Returns the unit vectors :math:`u` after power iterations, with shape :math:`(K, N)`.

    Arguments:
        matrices: The matrices, with shape :math:`(K, N, M)`.
        left: The initial vectors :math:`u`, with shape :math:`(K, N)`.
        iterations: The number of iterations.
    """
    for _ in range(iterations):
        right = torch.einsum("knm,kn->km", matrices, left)
        image = torch.einsum("knm,km->kn", matrices, right)
        length = image.norm(dim=1, keepdim=True)
        left = torch.where(length > 0, image / length, left)
    return left
