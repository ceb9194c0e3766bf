r"""The response distance of samples while a model trains."""

from __future__ import annotations

from typing import Any, Literal

from lightning.pytorch import Callback, Trainer
from torch import Tensor

from ..data.batches import EVALUATION_BATCH
from ..data.images import image_shape
from ..methods import GenerativeModule
from ..metrics import ResponseDistance


class ResponseCurve(Callback):
    r"""Logs the distance of mean filter responses at every validation, as `val/response`.

    The distance is that between the real images of the validation and as many samples, with the
    same noise every time, or the images in the replay buffer, from which the model learns.
    Distances of fixed filters can be compared between models.

    If the trainer's `num_sanity_val_steps` is positive, the distance before training is logged as
    that of step 0. The buffer is empty then, so samples are used in its place.

    Arguments:
        of: `"samples"`, or `"chains"` for the images in the replay buffer.
        filters: The name of the module of the model whose responses are compared, such as
            `descriptor.features.0`; the fixed bank of
            :class:`~energy_gans.metrics.ResponseDistance` if `None`.

    Raises:
        ValueError: If the data are no images, or the model has no such module or no buffer.
    """

    def __init__(
        self, of: Literal["samples", "chains"] = "samples", filters: str | None = None
    ) -> None:
        if of not in ("samples", "chains"):
            raise ValueError(f"'of' should be 'samples' or 'chains', got {of!r}.")
        self.of, self.filters = of, filters
        self.metric: ResponseDistance | None = None

    def setup(self, trainer: Trainer, pl_module: GenerativeModule, stage: str) -> None:
        shape = image_shape(trainer.datamodule, "ResponseCurve")
        if self.of == "chains" and getattr(pl_module, "buffer", None) is None:
            raise ValueError(
                f"'of' = 'chains' is for models with a replay buffer, and "
                f"{type(pl_module).__name__} has none."
            )
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
        y, _ = pl_module.read_batch(batch)
        place = pl_module.place_of_batch(batch_idx)
        if trainer.sanity_checking and place >= trainer.num_sanity_val_steps:
            y = y[:0]
        self.metric.update(y, real=True)
        for x in self._generated_images(pl_module, y, place):
            self.metric.update(x, real=False)

    def _generated_images(self, model: GenerativeModule, y: Tensor, place: int) -> list[Tensor]:
        r"""Returns the images, in batches, that are compared with a batch of real ones."""
        if self.of == "samples" or not model.buffer.states:
            # An empty batch is kept, so that the sums of all processes have the filters' shape.
            return [
                model.sample(len(y), random=model.observing("response", place)) if len(y) else y
            ]
        # Each process compares the images in its own buffer, once in a validation.
        return (
            list(model.buffer.points().split(EVALUATION_BATCH)) if place < model.world_size else []
        )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        value = self.metric.compute()
        if trainer.sanity_checking:
            # Lightning does not log numbers of the sanity check.
            if trainer.logger is not None and trainer.global_step == 0:
                trainer.logger.log_metrics({"val/response": value.item()}, step=0)
            return
        # The metric has summed over all processes.
        pl_module.log("val/response", value, sync_dist=False)
