r"""Labels and times, as networks take them that know of these.

A network without classes refuses labels, one with classes demands them; so with times.
"""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor


def check_label(label: Tensor | None, classes: int | None, batch: int) -> None:
    r"""Raises a `ValueError` unless there is one label a sample, or none where there are no classes.

    Arguments:
        label: The labels, with shape :math:`(B)`, or `None`.
        classes: The number of classes of the network, or `None`.
        batch: The number of samples :math:`B`.
    """
    if classes is None and label is not None:
        raise ValueError(
            f"'label' should be None, as the network has no classes, got {tuple(label.shape)}."
        )
    if classes is not None and (label is None or tuple(label.shape) != (batch,)):
        came = None if label is None else tuple(label.shape)
        raise ValueError(
            f"'label' should hold one of {classes} classes for each sample, with shape "
            f"({batch},), got {came}."
        )


def check_time(time: Tensor | None, time_conditioned: bool, batch: int) -> None:
    r"""Raises a `ValueError` unless there is one time a sample, or none where times are not known."""
    came = None if time is None else tuple(time.shape)
    if came != ((batch,) if time_conditioned else None):
        wanted = f"have the shape ({batch},)" if time_conditioned else "be None"
        raise ValueError(
            f"'time' should {wanted}, as 'time_conditioned' is {time_conditioned}, got {came}."
        )


class LabelledLatents(nn.Module):
    r"""Creates the concatenation of latents and an embedding of their labels, standard normal at first.

    Arguments:
        latent_dim: The number :math:`Z` of latents, and of an embedding's features.
        classes: The number of classes, or `None` to leave latents as they are.

    Attributes:
        out_features: The number of what comes out, :math:`Z` or :math:`2 Z`.
    """

    def __init__(self, latent_dim: int, classes: int | None = None) -> None:
        super().__init__()
        self.classes = classes
        self.embedding = None if classes is None else nn.Embedding(classes, latent_dim)
        self.out_features = latent_dim if classes is None else 2 * latent_dim

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns the latents, with shape :math:`(B, Z)` or :math:`(B, 2 Z)`, of latents :math:`(B, Z)`."""
        check_label(label, self.classes, len(z))
        return z if self.embedding is None else torch.cat([z, self.embedding(label)], 1)
