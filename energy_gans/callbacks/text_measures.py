r"""The divergence of n-grams of a few samples of text while a model trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from ..characters import to_codes
from ..checks import check_count
from ..data.batches import EVALUATION_BATCH
from ..functional import NGramTable, keyed_generator, ngram_divergence
from ..methods import GenerativeModule
from ..metrics.reference import MEASURE_BATCH, reference_order


class TextMeasures(Callback):
    r"""Logs the divergence of n-grams at every validation, as `val/js_4_640`, `val/js_6_640`.

    The name includes the number of samples, because the value depends on it. The value of samples
    of text ranks the checkpoints of a run, which `val/energy_distance` hardly does:
    `Checkpoints(monitor: val/js_4_640)` keeps the best. The latents are the same every time.

    Arguments:
        orders: The numbers of characters of the n-grams.
        n: The number of samples.
        reference_n: The number of training lines in the reference; all if there are fewer.

    Raises:
        ValueError: If the data are no text, a number is not positive, or a length is more than the
            characters of a line.
    """

    def __init__(
        self, orders: Sequence[int] = (4, 6), n: int = 640, reference_n: int = 50_000
    ) -> None:
        if not orders:
            raise ValueError("'orders' should be at least one length of n-grams, got none.")
        for order in orders:
            check_count("orders", order)
        check_count("n", n)
        check_count("reference_n", reference_n)
        self.orders, self.n, self.reference_n = tuple(orders), n, reference_n
        self.tables: list[NGramTable] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data = trainer.datamodule
        # Those of another run may be of other data.
        self.tables = []
        if not getattr(data, "vocabulary", ""):
            raise ValueError(
                "TextMeasures needs a data module of text, such as energy_gans.data.TextLines, "
                f"got {'loaders' if data is None else type(data).__name__}."
            )
        if max(self.orders) > data.shape[1]:
            raise ValueError(
                f"'orders' should be at most the {data.shape[1]} characters of a line, got "
                f"{max(self.orders)}."
            )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        self.measure(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        self.measure(trainer, pl_module, "test")

    def measure(self, trainer: Trainer, pl_module: GenerativeModule, prefix: str) -> None:
        r"""Logs the measures of samples under names with the prefix `val` or `test`."""
        if not self.tables:
            data = trainer.datamodule
            order = reference_order(
                data.length("train"), min(self.reference_n, data.length("train"))
            )
            y = torch.cat([y for y, _ in data.loader("train", order.split(EVALUATION_BATCH))])
            self.tables = [NGramTable(y, n) for n in self.orders]
        x = self.samples(pl_module)
        for table in self.tables:
            value = ngram_divergence(x, table, table.n)
            # All processes draw the same samples.
            pl_module.log(f"{prefix}/js_{table.n}_{self.n}", value.float(), sync_dist=False)

    def samples(self, model: GenerativeModule) -> Tensor:
        r"""Returns the codes of the samples, on the CPU, with shape :math:`(N, L)`."""
        parts = []
        for places in torch.arange(self.n).split(MEASURE_BATCH):
            random = keyed_generator(model.seed, "text", places[0].item(), device=model.device)
            parts.append(to_codes(model.sample(len(places), random=random)).cpu())
        return torch.cat(parts)
