r"""The response distance of samples while a model trains."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, Trainer

from ..methods import GenerativeModule
from ..metrics import ResponseDistance


class ResponseCurve(Callback):
    r"""Logs `val/response` at every validation: how far mean responses of filters are apart.

    It compares the real images of the validation with as many samples, whose noise is the same every
    time. That of fixed filters can be compared over models.

    Arguments:
        filters: The name of the part of the model whose responses are compared, such as
            `descriptor.features.0`; the fixed bank of :class:`~energy_gans.metrics.ResponseDistance`
            if `None`.

    Raises:
        ValueError: If the data is no images, or the model has no such part.
    """

    def __init__(self, filters: str | None = None) -> None:
        self.filters = filters
        self.metric: ResponseDistance | None = None

    def setup(self, trainer: Trainer, pl_module: GenerativeModule, stage: str) -> None:
        shape = trainer.datamodule.shape
        if len(shape) != 3:
            raise ValueError(f"ResponseCurve measures images, got samples of shape {shape}.")
        known = dict(pl_module.named_modules())
        if self.filters is not None and self.filters not in known:
            raise ValueError(
                f"'filters' should be a part of the model, such as {list(known)[-1]!r}, got "
                f"{self.filters!r}."
            )
        filters = None if self.filters is None else known[self.filters]
        self.metric = ResponseDistance(shape[0], filters).to(pl_module.device)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        self.metric.to(pl_module.device).reset()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: GenerativeModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        y, _ = batch
        random = pl_module.observing("response", batch_idx)
        self.metric.update(y, real=True)
        self.metric.update(pl_module.sample(len(y), random=random), real=False)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        # The metric's sums are those of all processes: there is nothing left to reduce.
        pl_module.log("val/response", self.metric.compute(), sync_dist=False)
