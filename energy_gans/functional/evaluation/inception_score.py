r"""The Inception Score, which rewards confident predictions that are diverse over all samples.

.. math:: \mathrm{IS} = \exp \mathbb{E}_x \mathrm{KL} (p(c | x) \| p(c))
    = \exp \Big( \frac{1}{n} \sum_i \sum_c p_{ic} \log p_{ic} - \sum_c \bar p_c \log \bar p_c \Big)

which lies between 1 and the number of classes. It is computed from sums over samples :math:`i`.

References:
    Improved Techniques for Training GANs (Salimans et al., 2016), https://arxiv.org/abs/1606.03498
    A Note on the Inception Score (Barratt and Sharma, 2018), https://arxiv.org/abs/1801.01973
"""

from __future__ import annotations

import torch
from torch import Tensor


def class_sums(logits: Tensor) -> tuple[Tensor, Tensor]:
    r"""Returns the class probabilities of every sample and their negative entropy, in nats.

    Arguments:
        logits: The logits, with shape :math:`(B, K)`.

    Returns:
        The probabilities, float64, with shape :math:`(B, K)`, and :math:`\sum_c p_c \log p_c`,
        with shape :math:`(B)`.
    """
    log_p = logits.double().log_softmax(1)
    p = log_p.exp()
    return p, torch.special.entr(p).sum(1).neg()


def inception_score(p_sum: Tensor, negative_entropy_sum: Tensor, n: Tensor) -> Tensor:
    r"""Returns the Inception Scores of groups of samples, from their sums.

    Arguments:
        p_sum: The sums of class probabilities, with shape :math:`(S, K)`.
        negative_entropy_sum: The sums of :math:`\sum_c p_c \log p_c`, with shape :math:`(S)`.
        n: The number of samples in each group, with shape :math:`(S)`; empty groups give NaN.

    Returns:
        The scores, with shape :math:`(S)`.
    """
    marginal = p_sum / n[:, None]
    return (negative_entropy_sum / n + torch.special.entr(marginal).sum(1)).exp()
