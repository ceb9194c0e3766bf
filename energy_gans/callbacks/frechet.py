r"""The Fréchet distance while a model trains, in its cheap form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ..functional import frechet_distance, keyed_generator
from ..functional.checks import check_count
from ..methods import GenerativeModule
from ..metrics.features import EfficientNetLite0, FeatureExtractor
from ..metrics.reference import BATCH, default_cache, reference_statistics
from ..metrics.statistics import Statistics, gather, processes


class FrechetDistance(Callback):
    r"""Logs the Fréchet distance of a few samples at every validation, as `val/fd_2k`.

    Its name holds the number of samples, as fewer give larger values: it orders the checkpoints of
    a run, `Checkpoints(monitor: val/fd_2k)` keeps the best, and it is no FID. The latents are the
    same every time. How often is for the trainer's `val_check_interval` to say.

    Arguments:
        n: The number of samples.
        extractor: The features; EfficientNetLite0, which comes with the package, by default.
        reference_n: How many training images they are compared with.
        cache: The folder that keeps the reference's statistics; ~/.cache/energy-gans by default.

    Raises:
        ValueError: If the data is no images, or a number is not positive.
    """

    def __init__(
        self,
        n: int = 2000,
        extractor: FeatureExtractor | None = None,
        reference_n: int = 10_000,
        cache: str | None = None,
    ) -> None:
        check_count("n", n)
        check_count("reference_n", reference_n)
        self.n, self.reference_n = n, reference_n
        self.extractor = extractor or EfficientNetLite0()
        self.cache = Path(cache) if cache else default_cache()
        self.reference: Statistics | None = None

    @property
    def name(self) -> str:
        r"""The name of the number, such as `fd_2k`."""
        return f"fd_{self.n // 1000}k" if self.n % 1000 == 0 else f"fd_{self.n}"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if len(trainer.datamodule.shape) != 3:
            raise ValueError(
                f"FrechetDistance measures images, got samples of shape {trainer.datamodule.shape}."
            )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        self.measure(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        self.measure(trainer, pl_module, "test")

    def measure(self, trainer: Trainer, pl_module: GenerativeModule, prefix: str) -> None:
        device = pl_module.device
        self.extractor.to(device)
        if self.reference is None:
            self.reference = reference_statistics(
                trainer.datamodule,
                "train",
                self.reference_n,
                0,
                self.extractor,
                self.cache,
                device,
            )
        x, y = gather(self.extractor, self.samples(pl_module), 0, device), self.reference
        value = frechet_distance(y.mean, y.covariance, x.mean, x.covariance).float()
        # Every process has gathered the same: there is nothing left to reduce.
        pl_module.log(f"{prefix}/{self.name}", value.to(device), sync_dist=False)

    def samples(self, model: GenerativeModule) -> Iterator[tuple[Tensor, Tensor]]:
        r"""Yields this process's share of the samples, and their places among all."""
        rank, world_size = processes()
        for places in torch.arange(self.n).split(BATCH)[rank::world_size]:
            key = places[0].item()
            random = keyed_generator(model.seed, self.name, key, device=model.device)
            yield model.sample(len(places), random=random), places
