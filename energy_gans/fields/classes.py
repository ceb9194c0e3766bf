r"""Fields of classes, with classifier-free guidance.

Samples of a class move in the field of the real and the generated samples of that class. Guidance
:math:`\omega > 1` lets real samples of all classes repel, too: the generated samples then follow

.. math:: q(x | c) \quad \text{with} \quad
    p(x | c) = \frac{1}{\omega} q(x | c) + \frac{\omega - 1}{\omega} p(x)

which is :math:`q = \omega p(x | c) - (\omega - 1) p(x)`, more typical of the class than data.

References:
    Generative Modeling via Drifting (Deng et al., 2026), https://arxiv.org/abs/2602.04770
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .base import ParticleField


class Labelled(NamedTuple):
    r"""Samples with their classes.

    Arguments:
        x: The samples, with shape :math:`(N, *)`.
        label: The classes, with shape :math:`(N)`, or `None` without classes.
    """

    x: Tensor
    label: Tensor | None

    def of(self, c: int) -> Tensor:
        r"""Returns the samples of a class."""
        return self.x[self.label == c]


def class_velocities(
    field: ParticleField,
    a: Labelled,
    y: Labelled,
    x: Labelled,
    guidance: float = 1.0,
    own: bool = False,
    random: torch.Generator | None = None,
) -> list[Tensor]:
    r"""Returns the field at points of several classes, for each term of the field.

    Without classes, all samples belong together. To the :math:`M` generated samples of a class,
    :math:`(\omega - 1) M` real samples of random classes are added. A point of a class without
    real samples, or without another sample that repels, does not move.

    Arguments:
        field: The field.
        a: The points.
        y: The real samples.
        x: The generated samples.
        guidance: The guidance :math:`\omega \geq 1`.
        own: Whether the points are the generated samples.
        random: The generator to draw from, or `None` for torch's own.

    Returns:
        The fields, each with shape :math:`(B, *)`.

    Raises:
        ValueError: If `guidance` is below 1.
    """
    if not guidance >= 1:
        raise ValueError(f"'guidance' should be at least 1, got {guidance!r}.")
    if a.label is None:
        return field.velocities(a.x, y.x, x.x, own, random)
    moves = [torch.zeros_like(a.x) for _ in range(field.count)]
    for c in a.label.unique().tolist():
        real, generated = y.of(c), x.of(c)
        n = round((guidance - 1) * len(generated))
        others = torch.randint(len(y.x), (n,), generator=random, device=y.x.device)
        generated = torch.cat([generated, y.x[others]])
        if len(real) == 0 or len(generated) < 1 + own:
            continue
        for move, v in zip(
            moves, field.velocities(a.of(c), real, generated, own, random), strict=True
        ):
            move[a.label == c] = v.to(move.dtype)
    return moves
