r"""Labels and times as inputs of networks.

Labels are required by a network with classes and refused by a network without classes. The same
holds for times.
"""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor


def check_label(label: Tensor | None, classes: int | None, batch: int) -> None:
    r"""Raises a `ValueError` unless labels fit: one per sample with classes, `None` without.

    Arguments:
        label: The labels, with shape :math:`(B)`, or `None`.
        classes: The number of classes of the network, or `None` without classes.
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
    r"""Raises a `ValueError` unless times fit: one per sample if conditioned on, `None` if not."""
    came = None if time is None else tuple(time.shape)
    if came != ((batch,) if time_conditioned else None):
        wanted = f"have the shape ({batch},)" if time_conditioned else "be None"
        raise ValueError(
            f"'time' should {wanted}, as 'time_conditioned' is {time_conditioned}, got {came}."
        )


class LabelledLatents(nn.Module):
    r"""Concatenates latents and embeddings of labels, which are initialised as standard normal.

    Arguments:
        latent_dim: The dimension :math:`Z` of the latents, and of the embeddings.
        classes: The number of classes, or `None` to return the latents alone.

    Attributes:
        out_features: The dimension of the output, :math:`Z` or :math:`2 Z`.
    """

    def __init__(self, latent_dim: int, classes: int | None = None) -> None:
        super().__init__()
        self.classes = classes
        self.embedding = None if classes is None else nn.Embedding(classes, latent_dim)
        self.out_features = latent_dim if classes is None else 2 * latent_dim

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        r"""Returns latents and embeddings, with shape :math:`(B, Z)` or :math:`(B, 2 Z)`.

        Arguments:
            z: The latents, with shape :math:`(B, Z)`.
            label: The classes, with shape :math:`(B)`; `None` without classes.
        """
        check_label(label, self.classes, z.shape[0])
        return z if self.embedding is None else torch.cat([z, self.embedding(label.long())], 1)
