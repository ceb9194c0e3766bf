r"""Langevin dynamics: gradient ascent on a log-density, with noise.

With the score :math:`s(x) = \nabla \log p(x)`, a step of size :math:`\delta` is

.. math:: x' = x + \frac{\delta^2}{2} s(x) + \delta \epsilon \qquad \epsilon \sim \mathcal{N}(0, I)

Short-run chains often use another standard deviation of the noise, :math:`\varsigma` instead of
:math:`\delta`.

For the Gibbs density :math:`p(x) \propto e^{\Phi(x)} q(x)` with the reference
:math:`q = \mathcal{N}(0, \sigma^2 I)` the score is :math:`\nabla \Phi(x) - x / \sigma^2`.

For the log-density :math:`- \frac{1}{2} p x^2 + b x`, the stationary distribution of the iterates
has the mean :math:`b / p` and the variance :math:`1 / (p (1 - \delta^2 p / 4))`. It exists only if
:math:`\delta^2 p < 4`; for the reference alone that is :math:`\delta < 2 \sigma`.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Eq. 2, https://arxiv.org/abs/1910.14216
    Bayesian Learning via Stochastic Gradient Langevin Dynamics (Welling and Teh, 2011)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive

Field = Callable[[Tensor], Tensor]


def potential_gradient(potential: Field, half: bool = False) -> Field:
    r"""Returns the function :math:`x \mapsto \nabla \Phi(x)`, whose results have no graph.

    The gradient is float32 at least, also under autocast.

    Arguments:
        potential: The potential :math:`\Phi`, from :math:`(B, *)` to :math:`(B)`; each value must
            depend on its own point only.
        half: Whether the potential is evaluated under bfloat16 autocast, which is faster but has
            only about three digits.

    Returns:
        The gradient, a function from :math:`(B, *)` to :math:`(B, *)`.
    """

    def gradient(x: Tensor) -> Tensor:
        x = x.detach().to(torch.promote_types(x.dtype, torch.float32)).requires_grad_()
        with torch.enable_grad(), torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            return torch.autograd.grad(potential(x).sum(), x)[0]

    return gradient


def gibbs_score(
    gradient: Field, reference_std: float | None = None, clip: float | None = None
) -> Field:
    r"""Returns the score :math:`\nabla \Phi(x) - x / \sigma^2` of a Gibbs density (Eq. 2).

    Arguments:
        gradient: The gradient :math:`\nabla \Phi`, from :math:`(B, *)` to :math:`(B, *)`.
        reference_std: The standard deviation :math:`\sigma` of the reference, in data units;
            the reference is uniform if `None`.
        clip: The largest absolute value of an element of :math:`\nabla \Phi`, per data unit; not
            clipped if `None`.

    Returns:
        The score, a function from :math:`(B, *)` to :math:`(B, *)`.

    Raises:
        ValueError: If a number is not positive.
    """
    for name, value in (("reference_std", reference_std), ("clip", clip)):
        if value is not None:
            check_positive(name, value)

    def score(x: Tensor) -> Tensor:
        g = gradient(x)
        if clip is not None:
            g = g.clamp(-clip, clip)
        return g if reference_std is None else g - x / reference_std**2

    return score


def check_step_size(step_size: float, reference_std: float | None) -> None:
    r"""Raises a `ValueError` unless a step size is stable for the reference Gaussian alone."""
    check_positive("step_size", step_size)
    if reference_std is None:
        return
    check_positive("reference_std", reference_std)
    if step_size >= 2 * reference_std:
        raise ValueError(
            f"'step_size' should be below 2 reference_std = {2 * reference_std:g}, where "
            f"step_size^2 / reference_std^2 < 4: got {step_size:g}, with which chains of the "
            "reference Gaussian alone run away."
        )


def check_noise_std(noise_std: float | None) -> None:
    r"""Raises a `ValueError` if a standard deviation of noise is negative."""
    if noise_std is not None and not noise_std >= 0:
        raise ValueError(f"'noise_std' should not be negative, got {noise_std!r}.")


def langevin_step(
    x: Tensor,
    score: Field,
    step_size: float,
    reference_std: float | None = None,
    noise: Tensor | None = None,
    noise_std: float | None = None,
) -> Tensor:
    r"""Returns the points after a step, :math:`x + \frac{\delta^2}{2} s(x) + \varsigma \epsilon`.

    Arguments:
        x: The points, with shape :math:`(B, *)`.
        score: The score :math:`s`, from :math:`(B, *)` to :math:`(B, *)`; called once.
        step_size: The step size :math:`\delta`, in data units.
        reference_std: The standard deviation :math:`\sigma` of the Gaussian reference in the
            score, in data units, to check the step size; `None` without such a reference.
        noise: The standard normal noise :math:`\epsilon`, with shape :math:`(B, *)`; no noise if
            `None`.
        noise_std: The standard deviation :math:`\varsigma` of the noise, in data units; the step
            size :math:`\delta`, as in Langevin dynamics, if `None`.

    Returns:
        The points, with shape :math:`(B, *)`.

    Raises:
        ValueError: If the step size is not stable for the reference alone, or `noise_std` is
            negative.
    """
    check_step_size(step_size, reference_std)
    check_noise_std(noise_std)
    moved = torch.add(x, score(x), alpha=step_size**2 / 2)
    if noise is None:
        return moved
    return moved.add_(noise, alpha=step_size if noise_std is None else noise_std)


def langevin(
    x: Tensor,
    score: Field,
    step_sizes: Sequence[float],
    reference_std: float | None = None,
    noise: Field | None = torch.randn_like,
    bound: float | None = None,
    noise_std: float | None = None,
) -> Iterator[Tensor]:
    r"""Yields the points of Langevin chains after each step.

    Earlier points are not kept, so memory does not grow with the number of steps.

    Arguments:
        x: The initial points, with shape :math:`(B, *)`; not modified.
        score: The score :math:`s`, from :math:`(B, *)` to :math:`(B, *)`; called once a step.
        step_sizes: The size :math:`\delta` of each step, in data units.
        reference_std: The standard deviation of the Gaussian reference in the score, in data
            units, or `None`.
        noise: A function from points to standard normal noise; no noise if `None`.
        bound: The absolute value that elements are clipped to after each step, in data units; not
            clipped if `None`.
        noise_std: The standard deviation of the noise in every step, in data units; the size of
            each step, as in Langevin dynamics, if `None`. If it is 0, `noise` is not called.

    Yields:
        The points, with shape :math:`(B, *)`, without a graph.

    Raises:
        ValueError: If a step size is not stable for the reference alone, or `noise_std` is
            negative.
    """
    x = x.detach()
    silent = noise is None or noise_std == 0
    for step_size in step_sizes:
        epsilon = None if silent else noise(x)
        x = langevin_step(x, score, step_size, reference_std, epsilon, noise_std)
        if bound is not None:
            x = x.clamp_(-bound, bound)
        yield x


def annealed(first: float, last: float, steps: int) -> list[float]:
    r"""Returns step sizes in geometric progression from the first to the last.

    Arguments:
        first: The first step size, positive, in data units.
        last: The last step size, positive, in data units; the only one if `steps` is 1.
        steps: The number of step sizes.

    Returns:
        The step sizes, in data units.

    Raises:
        ValueError: If `steps`, `first` or `last` is not positive.

    Example:
        >>> annealed(4.0, 1.0, 3)
        [4.0, 2.0, 1.0]
    """
    check_count("steps", steps)
    check_positive("first", first)
    check_positive("last", last)
    if steps == 1:
        return [last]
    return [first * (last / first) ** (i / (steps - 1)) for i in range(steps)]
