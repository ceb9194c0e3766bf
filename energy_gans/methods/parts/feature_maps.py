r"""Fixed maps from samples to the feature spaces in which they are compared, and past features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn as nn
from torch import Tensor

from ...checks import check_at_least, check_positive
from ...fields.classes import Labelled
from ...functional import mean_distance
from .networks import check_module, check_output_shape


class FeatureMaps(nn.ModuleList):
    r"""Fixed feature maps, always in evaluation mode, and their units of length.

    Arguments:
        maps: The maps from :math:`(B, *)` to :math:`(B, *)`; the samples themselves if there are
            none.
        weights: The factor on the loss of each map; 1 if `None`.

    Raises:
        ValueError: If there is not one positive weight for each map.
    """

    def __init__(self, maps: Sequence[nn.Module], weights: Sequence[float] | None = None) -> None:
        for one in maps:
            check_module("features", one)
        super().__init__(maps or [nn.Flatten()])
        self.weights = [1.0] * len(self) if weights is None else list(weights)
        if len(self.weights) != len(self):
            raise ValueError(
                f"'feature_weights' should hold one number for each of {len(self)} maps, got "
                f"{len(self.weights)}."
            )
        for weight in self.weights:
            check_positive("feature_weights", weight)
        self.register_buffer("unit", torch.ones(len(self)))
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> FeatureMaps:
        return super().train(False)

    def forward(self, a: Tensor) -> list[Tensor]:
        r"""Returns the features of samples by each map, in its unit of length.

        Arguments:
            a: The samples, with shape :math:`(B, *)`.

        Returns:
            The features, each with shape :math:`(B, C)`, float32 at least.
        """
        features = [one(a).flatten(1) for one in self]
        wide = [f.to(torch.promote_types(f.dtype, torch.float32)) for f in features]
        return [f / unit for f, unit in zip(wide, self.unit, strict=True)]

    def measure(self, features: Sequence[Tensor]) -> list[Tensor]:
        r"""Makes the mean distance of features the unit of length of each map.

        Arguments:
            features: The features of real samples by each map, each with shape :math:`(N, C)`.

        Returns:
            The features in the new units.

        Raises:
            ValueError: If all features of a map coincide.
        """
        lengths = [mean_distance(f, f).to(f.dtype) for f in features]
        self.unit *= torch.stack(lengths).to(self.unit)
        return [f / length for f, length in zip(features, lengths, strict=True)]

    def check(self, y: Tensor) -> None:
        r"""Raises a `ValueError` unless each map fits samples, one by one.

        Arguments:
            y: The samples, with shape :math:`(B, *)`.
        """
        b, shape = len(y), tuple(y.shape[1:])
        for one in self:
            message = (
                f"'model.init_args.features' should map the shape of 'data', {(b, *shape)}, to "
                f"features, {(b, 'n')}"
            )
            check_output_shape(lambda one=one: one(y).flatten(1)[:, :0], (b, 0), message)
            if not torch.allclose(one(y)[0], one(y[:1].expand_as(y))[0], rtol=1e-3, atol=1e-4):
                raise ValueError(
                    "'model.init_args.features' should map each sample for itself, and the "
                    f"features of {type(one).__name__} change with the other samples of a batch: "
                    "its normalisation should have fixed statistics."
                )


class FeatureQueue:
    r"""The features of the last real samples by each map, and their classes.

    Arguments:
        size: The number of samples.

    Attributes:
        sets: The features by each map, each with shape :math:`(N, C)`, and then the classes, with
            shape :math:`(N)`, if there are any.

    Raises:
        ValueError: If `size` is negative.
    """

    def __init__(self, size: int) -> None:
        check_at_least("queue", size, 0)
        self.size = size
        self.sets: list[Tensor] = []

    def extend(self, real: Sequence[Tensor], label: Tensor | None) -> list[Labelled]:
        r"""Returns the features of past and present samples by each map, and keeps the last ones.

        Arguments:
            real: The features of present samples by each map, each with shape :math:`(B, C)`.
            label: Their classes, with shape :math:`(B)`, or `None`.
        """
        sets = [*real] if label is None else [*real, label]
        if self.size > 0:
            past = self.sets or [s[:0] for s in sets]
            sets = [torch.cat([p.to(s.device), s]) for p, s in zip(past, sets, strict=True)]
            self.sets = [s[-self.size :] for s in sets]
        return [Labelled(u, None if label is None else sets[-1]) for u in sets[: len(real)]]
