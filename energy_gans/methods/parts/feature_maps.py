r"""Fixed maps from samples to the feature spaces in which they are compared."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn as nn
from torch import Tensor

from ...functional import mean_distance
from .networks import check_output_shape


class FeatureMaps(nn.ModuleList):
    r"""Fixed feature maps, always in evaluation mode, and their units of length.

    Arguments:
        maps: The maps from :math:`(B, *)` to :math:`(B, *)`; the samples themselves if there are
            none.
    """

    def __init__(self, maps: Sequence[nn.Module]) -> None:
        super().__init__(maps or [nn.Flatten()])
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
