r"""Measures of a few samples while a model trains."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from ..checks import check_count
from ..data.images import image_shape
from ..functional import keyed_generator
from ..methods import GenerativeModule
from ..metrics.features import EfficientNetLite0, FeatureExtractor
from ..metrics.measures import check_enough, few_images_warnings, measure, parse_measures
from ..metrics.reference import MEASURE_BATCH, default_cache, reference_statistics
from ..metrics.statistics import (
    Statistics,
    feature_statistics,
    image_progress,
    rank_and_world_size,
)

# The measures that need no held-out images.
KNOWN = ("fd", "is", "pr")


class SampleMeasures(Callback):
    r"""Logs measures of a few samples at every validation, as `val/fd_2k`, `val/is_2k`, ...

    The name includes the number of samples, because the value depends on it: `fd` is larger for
    fewer samples. The measures rank the checkpoints of a run, and `Checkpoints(monitor:
    val/fd_2k)` keeps the best. None of them is an FID. The latents are the same every time, and
    all measures share one pass. The trainer's `val_check_interval` sets how often they are
    computed.

    Arguments:
        measures: The measures, a list or separated by commas: `fd`, the Fréchet distance, `is`,
            the Inception Score, and `pr`, precision and recall.
        n: The number of samples.
        extractor: The features; by default EfficientNetLite0, which comes with the package.
        reference_n: The number of training images in the reference.
        cache: The folder that keeps the reference's statistics; ~/.cache/energy-gans by default.

    Raises:
        ValueError: If the data are no images, a measure is unknown or needs a classifier that the
            extractor lacks, a number is too small for a measure, or the extractor has no stamp.
    """

    def __init__(
        self,
        measures: str | list[str] = "fd",
        n: int = 2000,
        extractor: FeatureExtractor | None = None,
        reference_n: int = 10_000,
        cache: str | None = None,
    ) -> None:
        check_count("n", n)
        check_count("reference_n", reference_n)
        self.n, self.reference_n = n, reference_n
        self.extractor = extractor or EfficientNetLite0()
        self.measures = parse_measures(measures)
        if unknown := [name for name in self.measures if name not in KNOWN]:
            raise ValueError(
                f"'measures' should be of {','.join(KNOWN)} here, got {unknown[0]!r}."
            )
        # A user's extractor without a stamp raises an error now, not at the first validation.
        self.extractor.stamp()
        if "is" in self.measures and self.extractor.num_classes is None:
            raise ValueError(f"'measures' has 'is', and {self.extractor.name} has no classifier.")
        for name in self.measures:
            check_enough(name, n, reference_n, 0)
        self.keep = n if "pr" in self.measures else 0
        self.cache = Path(cache) if cache else default_cache()
        self.reference: Statistics | None = None

    @property
    def suffix(self) -> str:
        r"""The number of samples in a measure's name, such as `2k`."""
        return f"{self.n // 1000}k" if self.n % 1000 == 0 else f"{self.n}"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        image_shape(trainer.datamodule, "SampleMeasures")
        # That of another run may be of other data.
        self.reference = None

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        self.measure(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        self.measure(trainer, pl_module, "test")

    def measure(self, trainer: Trainer, pl_module: GenerativeModule, prefix: str) -> None:
        r"""Logs the measures of samples under names with the prefix `val` or `test`."""
        device = pl_module.device
        self.extractor.to(device)
        if self.reference is None:
            has_bar = trainer.progress_bar_callback is not None
            self.reference = reference_statistics(
                trainer.datamodule,
                "train",
                self.reference_n,
                self.keep,
                self.extractor,
                self.cache,
                device,
                partial(image_progress, "train") if has_bar else None,
            )
            self.warn_if_few(self.reference.n)
        x = feature_statistics(self.extractor, self.samples(pl_module), self.keep, device)
        # These measures do not use held-out images, so the reference is passed in their place.
        numbers = measure(self.measures, x, self.reference, self.reference)
        # All processes have gathered the same numbers.
        for name, number in numbers.items():
            pl_module.log(f"{prefix}/{name}_{self.suffix}", number.value, sync_dist=False)

    def warn_if_few(self, reference_n: int) -> None:
        r"""Warns of measures that are unreliable for the number of images."""
        sizes = self.extractor.num_features, self.extractor.num_classes
        counts = {"samples": self.n}, {"reference images": reference_n}
        for sentence in few_images_warnings(self.measures, *counts, *sizes):
            rank_zero_warn(f"SampleMeasures: {sentence}")

    def samples(self, model: GenerativeModule) -> Iterator[tuple[Tensor, Tensor]]:
        r"""Yields this process's share of the samples, and their indices.

        Yields:
            The samples, with shape :math:`(B, *)`, and the indices, with shape :math:`(B)`.
        """
        rank, world_size = rank_and_world_size()
        for places in torch.arange(self.n).split(MEASURE_BATCH)[rank::world_size]:
            key = places[0].item()
            random = keyed_generator(model.seed, "measures", key, device=model.device)
            yield model.sample(len(places), random=random), places
