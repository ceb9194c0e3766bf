r"""Features that a generator is trained in: those of an extractor, with gradients.

An extractor reads uint8 images in batches of one size, without gradients, so that its features are
exact and comparable. :class:`FeatureMap` gives the same network floats, without rounding, through
the same resizing, in one batch. The two agree on uint8 values up to rounding errors.

The pooled features say what an image shows. Maps of earlier stages say where, and how edges and
textures look: of each stage, the means in the cells of a grid and the standard deviation over all
places, for each channel.

References:
    Generative Modeling via Drifting (Deng et al., 2026), Appendix A,
    https://arxiv.org/abs/2602.04770
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...checks import check_count
from ...descriptions import Described
from .base import FeatureExtractor

# Added to variances, so that the standard deviation of a constant map has a gradient.
_VARIANCE = 1e-6


class FeatureMap(Described, nn.Module):
    r"""The fixed, differentiable map from images to the features of an extractor.

    It is always in evaluation mode, and its parameters require no gradients. It computes in
    float32 at least, also under autocast, unless `half_network` is true.

    Arguments:
        extractor: The extractor.
        stages: The stages of the extractor's network whose maps are features, too, 0 for the
            finest; negative numbers count from the coarsest.
        grid: The number of cells along each side of the grid of means of a stage's map.
        half_network: Whether the extractor's network runs under bfloat16 autocast, which is
            faster. The features are float32 in any case.

    Raises:
        ValueError: If `grid` is not positive.

    Example::

        features = FeatureMap(EfficientNetLite0(64), stages=[2, 3], grid=4)
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        stages: Sequence[int] = (),
        grid: int = 2,
        half_network: bool = False,
    ) -> None:
        super().__init__()
        check_count("grid", grid)
        self.extractor, self.stages, self.grid = extractor, tuple(stages), grid
        self.half_network = half_network
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        r"""Returns all features of images in one tensor, with shape :math:`(B, n)`.

        Arguments:
            x: The images, floats in [-1, 1], with shape :math:`(B, C, H, W)`. Grey images are
                repeated to RGB for an extractor that reads RGB.

        Raises:
            ValueError: If the images have another type or shape, or are larger than what the
                extractor's network reads; if the extractor has no such stage, or `grid` is larger
                than a map.
        """
        return torch.cat(self.parts(x), 1)

    def parts(self, x: Tensor) -> list[Tensor]:
        r"""Returns the features of images in parts, each with shape :math:`(B, n_i)`.

        The parts are the means and deviations of each stage of `stages`, and then the pooled
        features of the extractor.

        Arguments:
            x: The images, floats in [-1, 1], with shape :math:`(B, C, H, W)`.

        Raises:
            ValueError: See :meth:`forward`.
        """
        modules = self._stage_modules()
        _check_images(x, self.extractor)
        pixels = (x.to(torch.promote_types(x.dtype, torch.float32)) + 1) * 127.5
        if self.extractor.channels == 3:
            pixels = pixels.expand(-1, 3, -1, -1)
        with (
            torch.autocast(x.device.type, torch.bfloat16, enabled=self.half_network),
            _outputs_of(modules) as maps,
        ):
            pooled = self.extractor.features_of(pixels)
        with torch.autocast(x.device.type, enabled=False):
            wide = [a.to(torch.promote_types(a.dtype, torch.float32)) for a in (*maps, pooled)]
            return [*(self._statistics(one) for one in wide[:-1]), wide[-1]]

    def train(self, mode: bool = True) -> FeatureMap:
        return super().train(False)

    def _stage_modules(self) -> list[nn.Module]:
        r"""Returns the modules of the stages.

        Raises:
            ValueError: If there is no such stage, or one is named twice.
        """
        modules = self.extractor.stage_modules()
        n = len(modules)
        if any(not -n <= i < n for i in self.stages) or len({i % n for i in self.stages}) < len(
            self.stages
        ):
            accepted = f"different numbers from {-n} to {n - 1}" if n else "left out"
            raise ValueError(
                f"'stages' should be {accepted} for {type(self.extractor).__name__}, which has "
                f"{n or 'no'} stages, got {list(self.stages)}."
            )
        return [modules[i] for i in self.stages]

    def _statistics(self, a: Tensor) -> Tensor:
        r"""Returns the means of a map on the grid and its deviations, :math:`(B, C (g^2 + 1))`."""
        if self.grid > min(a.shape[2:]):
            raise ValueError(
                f"'grid' should be at most {min(a.shape[2:])}, the width of a map of 'stages' = "
                f"{list(self.stages)}, got {self.grid}."
            )
        means = nn.functional.adaptive_avg_pool2d(a, self.grid).flatten(1)
        deviations = (a.var((2, 3), correction=0) + _VARIANCE).sqrt()
        return torch.cat([means, deviations], 1)


@contextmanager
def _outputs_of(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    r"""Yields a list that holds the output of each module once all have run."""
    outputs: list[Tensor] = [torch.empty(0)] * len(modules)

    def keep(i: int, output: Tensor) -> None:
        outputs[i] = output

    hooks = [
        module.register_forward_hook(lambda _, __, output, i=i: keep(i, output))
        for i, module in enumerate(modules)
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _check_images(x: Tensor, extractor: FeatureExtractor) -> None:
    r"""Raises a `ValueError` unless an extractor's network reads images."""
    shape = tuple(x.shape)
    if not x.is_floating_point() or len(shape) != 4 or shape[1] not in (1, 3) or 0 in shape:
        raise ValueError(
            "Images for features should be floats in [-1, 1] with shape (B, 1, H, W) or "
            f"(B, 3, H, W), got {str(x.dtype).removeprefix('torch.')} with shape {shape}."
        )
    if extractor.channels == 1 and shape[1] == 3:
        raise ValueError(
            f"Images for features of {extractor.name!r} should be grey, got 3 channels."
        )
    size = getattr(extractor, "size", None)
    if size is not None and max(shape[2:]) > size:
        raise ValueError(
            f"Images for features of {extractor.name!r} should have at most {size} x {size} "
            f"pixels, which its network reads, got {shape[2]} x {shape[3]}: details that are lost "
            "when images are made smaller would have no gradient."
        )
