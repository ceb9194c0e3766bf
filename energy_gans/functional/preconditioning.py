r"""The potential of a homotopy, written such that a network has numbers of the size one to give.

A point :math:`x = a y + \sqrt{v} \, \epsilon` of the homotopy (:mod:`energy_gans.functional.homotopy`) moves with

.. math:: u = \frac{v}{2 \sigma^2} \Big( \big(1 + \tfrac{v}{\omega^2}\big) \, y - x \Big)

so that all there is to know of it at :math:`x` is the mean of :math:`y`. For data of the second moment
:math:`s^2` in each dimension, the best linear prediction of :math:`y` is :math:`a s^2 x / q` with
:math:`q = a^2 s^2 + v`, and what it leaves has the variance :math:`s^2 v / q`. With a network :math:`N` for that,
of inputs and slopes of the size one,

.. math::
    \Phi(x) & = \tfrac{b}{2} \|x\|^2 + c \, N\big(x / \sqrt{q}\big), \quad
    c = \frac{v}{2 \sigma^2} \big(1 + \tfrac{v}{\omega^2}\big) \, s \sqrt{v} \\
    b & = \frac{v}{2 \sigma^2} \Big( \big(1 + \tfrac{v}{\omega^2}\big) \frac{a s^2}{q} - 1 \Big)
    = \frac{v^2}{2 \sigma^2 q} \Big( \frac{2 a s^2}{\omega^2} - 1 \Big)

Without the network this is the potential of Gaussian data. A plain network has to learn, at small :math:`v`, a
slope that takes noise of the size :math:`\sqrt{v}` away and is as small as that, in a loss that
hardly asks for it.

Neither is in the paper of the variational potential flow. The first step is Tweedie's formula, the second
the reasoning of Karras et al., here for a potential in place of a denoiser.

References:
    Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022),
    https://arxiv.org/abs/2206.00364
"""

from __future__ import annotations

from torch import Tensor

from ..checks import check_positive


def preconditioning(
    v: Tensor, sigma: float, omega: float, data_std: float
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Returns the numbers :math:`b`, :math:`c` and :math:`\sqrt{q}` of a potential, in homotopy time.

    The velocity less :math:`b x` has the size :math:`c / \sqrt{q}`.

    Arguments:
        v: The variances of the conditional path, with any shape.
        sigma: The standard deviation :math:`\sigma` of the likelihood.
        omega: The standard deviation :math:`\omega` of the prior.
        data_std: The root :math:`s` of the data's second moment.

    Returns:
        Each with the shape of `v`.

    Raises:
        ValueError: If a standard deviation is not positive.
    """
    for name, std in (("sigma", sigma), ("omega", omega), ("data_std", data_std)):
        check_positive(name, std)
    a, share = 1 - v / omega**2, 1 + v / omega**2
    q = (a * data_std) ** 2 + v
    speed = v / (2 * sigma**2)
    # The form without a difference of two numbers near one, as both are at small v.
    b = speed * (v / q) * (2 * a * data_std**2 / omega**2 - 1)
    return b, speed * share * data_std * v.sqrt(), q.sqrt()
