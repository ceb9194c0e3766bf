r"""The field of n-grams, in which lines of characters move.

Let :math:`q_n` and :math:`p_n` be the relative frequencies of the n-grams of real and of generated
lines. Real lines attract and generated lines repel: an n-gram :math:`g` has the potential

.. math:: \Phi_n(g) = \log q_n(g) - \log p_n(g)

whose mean over generated n-grams is :math:`- \mathrm{KL}(p_n \| q_n)`, and which is the first
variation of that divergence, up to its sign and a constant. A line :math:`c` has the potential

.. math:: \Phi(c) = \sum_n \frac{1}{L - n + 1} \sum_s \Phi_n(c_s \dots c_{s + n - 1})

A generator of text gives a distribution :math:`\pi_l` over the symbols of each place :math:`l`,
from which characters are drawn independently. The field is the derivative of the mean potential
of the drawn line by these probabilities,

.. math:: V_l(v) = \mathbb{E}_{c \sim \pi} [\Phi(c) \mid c_l = v] + \text{const}
    = \frac{\partial}{\partial \pi_l(v)} \mathbb{E}_{c \sim \pi} [\Phi(c)]

One drawn line gives an unbiased estimate: the potentials of the n-grams that contain the place
:math:`l`, with each symbol in turn at this place and the drawn characters elsewhere. Of a single
place, the mean is taken exactly (local expectation gradients).

Frequencies are those of stored lines, with a pseudo-count. n-grams are counted by number. The
number of an n-gram is the XOR of one fixed random number for each of its places and characters
(tabulation hashing), so that a changed character changes it by one operation. Where there are
enough numbers, each n-gram has its own. Otherwise, a few n-grams share one and are counted
together.

References:
    Local Expectation Gradients for Black Box Variational Inference (Titsias and Lázaro-Gredilla,
    2015), https://arxiv.org/abs/1503.01494
    Universal Classes of Hash Functions (Carter and Wegman, 1979)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive

_LARGEST = 30


def ngram_keys(n: int, symbols: int, bits: int = 22) -> Tensor:
    r"""Returns the numbers of characters by place, whose XOR is the number of an n-gram.

    Arguments:
        n: The number :math:`n` of characters of an n-gram.
        symbols: The number :math:`V` of symbols.
        bits: n-grams are numbered from 0 to :math:`2^\text{bits} - 1`. If the digits of all
            places fit into these bits, each n-gram has its own number.

    Returns:
        The numbers, int32, with shape :math:`(n, V)`, the same ones in each call.

    Raises:
        ValueError: If a number is not positive, or `bits` is above 30.
    """
    check_count("n", n)
    check_count("symbols", symbols)
    check_count("bits", bits)
    if bits > _LARGEST:
        raise ValueError(f"'bits' should be at most {_LARGEST}, got {bits!r}.")
    digits = max((symbols - 1).bit_length(), 1)
    if n * digits <= bits:
        places = digits * torch.arange(n, dtype=torch.int32)
        return torch.arange(symbols, dtype=torch.int32) << places[:, None]
    random = torch.Generator().manual_seed(n)
    return torch.randint(1 << bits, (n, symbols), generator=random, dtype=torch.int32)


def ngram_numbers(c: Tensor, keys: Tensor) -> Tensor:
    r"""Returns the number of each n-gram of lines.

    Arguments:
        c: The characters, integers from 0 to :math:`V - 1`, with shape :math:`(B, L)`.
        keys: The value of :func:`ngram_keys`, with shape :math:`(n, V)`.

    Returns:
        The numbers, int32, with shape :math:`(B, L - n + 1)`.

    Raises:
        ValueError: If lines have fewer than :math:`n` characters.
    """
    n, places = len(keys), c.shape[1] - len(keys) + 1
    if places < 1:
        raise ValueError(f"'c' should hold lines of at least {n} characters, got {c.shape[1]}.")
    numbers = keys[0][c[:, :places]]
    for t in range(1, n):
        numbers = numbers ^ keys[t][c[:, t : t + places]]
    return numbers


def ngram_potential(
    real: Tensor, generated: Tensor, pseudo_count: float = 1.0, ratio: float = 1.0
) -> Tensor:
    r"""Returns the potential :math:`\Phi_n` of n-grams, high for those that are too rare.

    .. math:: \log (N_y + \alpha r) - \log (N_x + \alpha) - \log r

    Arguments:
        real: How often each n-gram stands in the real lines, :math:`N_y`, with any shape.
        generated: How often it stands in the generated lines, :math:`N_x`, with the same shape.
        pseudo_count: The pseudo-count :math:`\alpha`, in n-grams of generated lines.
        ratio: The number of real lines for each generated line, :math:`r`.

    Returns:
        The potential, in nats, with the shape of the counts.

    Raises:
        ValueError: If `pseudo_count` or `ratio` is not positive.
    """
    check_positive("pseudo_count", pseudo_count)
    check_positive("ratio", ratio)
    return torch.log((real / ratio + pseudo_count) / (generated + pseudo_count))


def ngram_field(c: Tensor, keys: Sequence[Tensor], potentials: Sequence[Tensor]) -> Tensor:
    r"""Returns the field :math:`V` at each symbol of each place of drawn lines.

    Arguments:
        c: The drawn characters, integers from 0 to :math:`V - 1`, with shape :math:`(B, L)`.
        keys: The values of :func:`ngram_keys` for each length of n-grams, each with shape
            :math:`(n, V)`.
        potentials: The potential :math:`\Phi_n` of each number, in nats, one table for each
            length, with shape :math:`(2^\text{bits})`.

    Returns:
        The field, in nats, with shape :math:`(B, V, L)`.

    Raises:
        ValueError: If there are no lengths, lines have fewer characters than an n-gram, or there
            is not one table for each length.
    """
    if len(keys) == 0 or len(keys) != len(potentials):
        raise ValueError(
            f"'potentials' should hold one table for each of 'keys', got {len(potentials)} for "
            f"{len(keys)}."
        )
    v = potentials[0].new_zeros(*c.shape, keys[0].shape[1])
    for key, potential in zip(keys, potentials, strict=True):
        numbers = ngram_numbers(c, key)
        places = numbers.shape[1]
        for t, digits in enumerate(key):
            rest = numbers ^ digits[c[:, t : t + places]]
            each = potential.index_select(0, (rest[:, :, None] ^ digits).flatten())
            v[:, t : t + places] += each.view(rest.shape[0], places, len(digits)) / places
    return v.transpose(1, 2)


def draw_characters(pi: Tensor, u: Tensor) -> Tensor:
    r"""Returns characters that are drawn independently at each place.

    Arguments:
        pi: The distributions :math:`\pi` over symbols, with shape :math:`(B, V, L)`.
        u: Uniform noise in [0, 1), with shape :math:`(B, L)`.

    Returns:
        The characters, int64, from 0 to :math:`V - 1`, with shape :math:`(B, L)`.
    """
    return (pi.cumsum(1) <= u[:, None]).sum(1).clamp_max(pi.shape[1] - 1)
