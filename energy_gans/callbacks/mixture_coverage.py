r"""Mode coverage while a model trains on a known mixture."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from ..checks import check_count
from ..metrics import ModeCoverage


class MixtureCoverage(Callback):
    r"""Logs the mode coverage of samples at every validation, as `val/modes`, `val/share`, ...

    Arguments:
        n: The number of samples.

    Raises:
        ValueError: If the data is no mixture.
    """

    def __init__(self, n: int = 10_000) -> None:
        check_count("n", n)
        self.n = n

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not hasattr(trainer.datamodule, "means"):
            data = trainer.datamodule
            raise ValueError(
                "MixtureCoverage needs data with known modes, a GaussianMixture, "
                f"got {'loaders' if data is None else type(data).__name__}."
            )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.measure(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.measure(trainer, pl_module, "test")

    def measure(self, trainer: Trainer, pl_module: LightningModule, prefix: str) -> None:
        r"""Logs the coverage of modes under names with the prefix `val` or `test`."""
        data = trainer.datamodule
        # Every process draws all points, which is cheap, and counts its share. The metric sums the
        # counts.
        x = pl_module.sample(self.n, random=pl_module.observing("coverage"))
        metric = ModeCoverage(data.means, data.std, data.weights).to(pl_module.device)
        metric.update(x[trainer.global_rank :: trainer.world_size])
        values = {f"{prefix}/{name}": value for name, value in metric.compute().items()}
        pl_module.log_dict(values, sync_dist=True)
