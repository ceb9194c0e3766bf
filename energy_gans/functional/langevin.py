r"""Langevin dynamics: particles climb a log-density, and are shaken.

With the score :math:`s(x) = \nabla \log p(x)`, a step of size :math:`\delta` is

.. math:: x' = x + \frac{\delta^2}{2} s(x) + \delta \epsilon \qquad \epsilon \sim \mathcal{N}(0, I)

Short runs take noise of another standard deviation :math:`\varsigma` in the place of :math:`\delta`.

For the Gibbs density :math:`p(x) \propto e^{\Phi(x)} q(x)` with the reference
:math:`q = \mathcal{N}(0, \sigma^2 I)` the score is :math:`\nabla \Phi(x) - x / \sigma^2`.

Where the log-density is :math:`- \frac{1}{2} p x^2 + b x`, the iterates have the mean :math:`b / p` and
the variance :math:`1 / (p (1 - \delta^2 p / 4))`. They stay finite only if :math:`\delta^2 p < 4`: for
the reference alone that is :math:`\delta < 2 \sigma`.

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
    r"""Returns the gradient :math:`\nabla \Phi` of a potential, a function that keeps no graph.

    The gradient is float32 at least, also under autocast.

    Arguments:
        potential: The potential :math:`\Phi`, from :math:`(B, *)` to :math:`(B)`, each value of its
            own point.
        half: Whether what computes it is cast to bfloat16, which is faster and has three digits.
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
        reference_std: The standard deviation :math:`\sigma` of the reference; uniform if `None`.
        clip: The largest size of an element of :math:`\nabla \Phi`, or `None`.

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
    r"""Raises a `ValueError` unless a step is stable for the reference Gaussian alone."""
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
        score: The score :math:`s`, from :math:`(B, *)` to :math:`(B, *)`; it is called once.
        step_size: The step size :math:`\delta`, in data units.
        reference_std: The standard deviation :math:`\sigma` of the reference that the score holds, by
            which the step is judged; `None` if there is none.
        noise: The standard normal noise :math:`\epsilon`, with shape :math:`(B, *)`; none if `None`.
        noise_std: The noise's standard deviation :math:`\varsigma` in the step, in data units; that of Langevin's
            dynamics, :math:`\delta`, if `None`.

    Returns:
        The points, with shape :math:`(B, *)`.

    Raises:
        ValueError: If the step is not stable for the reference alone, or `noise_std` is negative.
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
    r"""Yields the points of chains after each of their steps.

    No step keeps what the one before made, so memory does not grow with their number.

    Arguments:
        x: The points at first, with shape :math:`(B, *)`; they are left as they are.
        score: The score, called once a step.
        step_sizes: The size of each step.
        reference_std: The standard deviation of the reference that the score holds, if any.
        noise: Returns the standard normal noise of a step, given the points; none if `None`.
        bound: The size that elements are clipped to after each step, or `None`.
        noise_std: The standard deviation of every step's noise, in data units; each step's own size, as
            Langevin's dynamics has it, if `None`. No noise is asked for if it is 0.

    Raises:
        ValueError: If a step is not stable for the reference alone, or `noise_std` is negative.
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
    r"""Returns step sizes that go from the first to the last by one factor a step.

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
