r"""Schedules: functions of the step, without a state that a checkpoint would have to save."""

from __future__ import annotations

from ..checks import check_positive


def exponential_decay(initial: float, rate: float, step: int, minimum: float = 0.0) -> float:
    r"""Returns :math:`\max(\text{initial} \cdot \text{rate}^{\text{step}}, \text{minimum})`.

    Arguments:
        initial: The value at step 0, in any unit.
        rate: The factor from one step to the next, in :math:`(0, 1]`.
        step: The number of steps taken.
        minimum: The smallest value, in the unit of `initial`.

    Raises:
        ValueError: If `rate` is not in :math:`(0, 1]`.

    Example:
        >>> exponential_decay(3.0, 0.5, step=2), exponential_decay(3.0, 0.5, step=9, minimum=1.0)
        (0.75, 1.0)
    """
    check_positive("rate", rate)
    if rate > 1:
        raise ValueError(f"'rate' should be at most 1, got {rate!r}.")
    return max(initial * rate**step, minimum)


def warmed_decay(decay: float, n: int) -> float:
    r"""Returns the decay :math:`\min(\text{decay}, (1 + n) / (10 + n))` of a moving average.

    With a constant decay of 0.999 the initial weights contribute to the average for thousands of
    updates. With the warm-up the average covers about the last tenth of the run at most.

    Arguments:
        decay: The final decay, in :math:`[0, 1)`.
        n: The number of earlier updates.

    Example:
        >>> warmed_decay(0.999, 0), warmed_decay(0.999, 90), warmed_decay(0.999, 100_000)
        (0.1, 0.91, 0.999)
    """
    return min(decay, (1 + n) / (10 + n))
