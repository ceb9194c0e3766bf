r"""Preconditioned potentials, whose networks have inputs and gradients of order one.

A point :math:`x = a y + \sqrt{v} \, \epsilon` of the homotopy
(:mod:`energy_gans.functional.homotopy`) has the velocity

.. math:: u = \frac{v}{2 \sigma^2} \Big( \big(1 + \tfrac{v}{\omega^2}\big) \, y - x \Big)

whose conditional mean at :math:`x` depends on the data only by the conditional mean of :math:`y`.
If the data has the second moment :math:`s^2` in each dimension, the best linear prediction of
:math:`y` is :math:`a s^2 x / q` with :math:`q = a^2 s^2 + v`, and the residual has the variance
:math:`s^2 v / q`. A network :math:`N` with inputs and gradients of order one learns the residual,

.. math::
    \Phi(x) & = \tfrac{b}{2} \|x\|^2 + c \, N\big(x / \sqrt{q}\big), \quad
    c = \frac{v}{2 \sigma^2} \big(1 + \tfrac{v}{\omega^2}\big) \, s \sqrt{v} \\
    b & = \frac{v}{2 \sigma^2} \Big( \big(1 + \tfrac{v}{\omega^2}\big) \frac{a s^2}{q} - 1 \Big)
    = \frac{v^2}{2 \sigma^2 q} \Big( \frac{2 a s^2}{\omega^2} - 1 \Big)

Without the network term this is the potential of Gaussian data. A network without preconditioning
has to learn, at small :math:`v`, a gradient that removes noise of the size :math:`\sqrt{v}`. That
gradient is itself of the size :math:`\sqrt{v}` and contributes little to the loss.

The paper of the variational potential flow has no preconditioning. The reduction to the mean of
:math:`y` is Tweedie's formula; the scaling follows Karras et al., for a potential instead of a
denoiser.

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
    r"""Returns the coefficients :math:`b`, :math:`c` and :math:`\sqrt{q}`, in homotopy time.

    The difference of the velocity and :math:`b x` is of the size :math:`c / \sqrt{q}`.

    Arguments:
        v: The variances of the conditional path, with any shape.
        sigma: The standard deviation :math:`\sigma` of the likelihood, in data units.
        omega: The standard deviation :math:`\omega` of the prior, in data units.
        data_std: The root :math:`s` of the data's second moment, in data units.

    Returns:
        The coefficients, each with the shape of `v`.

    Raises:
        ValueError: If a standard deviation is not positive.
    """
    for name, std in (("sigma", sigma), ("omega", omega), ("data_std", data_std)):
        check_positive(name, std)
    a, share = 1 - v / omega**2, 1 + v / omega**2
    q = (a * data_std) ** 2 + v
    speed = v / (2 * sigma**2)
    # The second form of b: the first takes the difference of two numbers near one at small v.
    b = speed * (v / q) * (2 * a * data_std**2 / omega**2 - 1)
    return b, speed * share * data_std * v.sqrt(), q.sqrt()
