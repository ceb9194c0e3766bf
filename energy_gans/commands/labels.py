r"""The classes that a command draws samples of."""

from __future__ import annotations

import torch
from torch import Tensor

from ..methods import GenerativeModule


def class_labels(
    label: int | None,
    model: GenerativeModule,
    n: int,
    random: torch.Generator,
    own: Tensor | None = None,
) -> Tensor | None:
    r"""Returns a class for each sample, with shape :math:`(n)`, or `None` for a model without classes.

    Arguments:
        label: The class of all of them; their own ones if `None`.
        model: The model.
        n: The number of samples.
        random: The generator that draws classes for samples that have none.
        own: The classes of samples that have some, with shape :math:`(n)`.

    Raises:
        ValueError: If `label` is no class of the model.
    """
    if label is None:
        if model.classes is None:
            return None
        if own is not None:
            return own
        return torch.randint(model.classes, (n,), generator=random, device=random.device)
    if model.classes is None:
        raise ValueError(
            f"'label' should be left out: this {type(model).__name__} has no classes, got {label}."
        )
    if not 0 <= label < model.classes:
        raise ValueError(f"'label' should be from 0 to {model.classes - 1}, got {label}.")
    return torch.full((n,), label, device=model.device)
