r"""Exponential moving average of the sampled network, counted in steps."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from ..methods import GenerativeModule


class EMA(Callback):
    r"""Keeps an exponential moving average of the network that `sample` evaluates.

    After the first step the average equals the network. Step :math:`n \geq 2` updates it to
    :math:`\beta_n \bar\theta + (1 - \beta_n) \theta` with :math:`\beta_n = \min(\text{decay}, (n -
    1) / (n + 8))`, including the buffers of batch norm. The average is part of the model:
    checkpoints hold it, and `sample` uses it.

    Arguments:
        decay: The limit :math:`\beta` of the decay, in [0, 1).

    Raises:
        ValueError: If `decay` is not in [0, 1).
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"'decay' should be in [0, 1), got {decay!r}.")
        self.decay = decay

    def setup(self, trainer: Trainer, pl_module: GenerativeModule, stage: str) -> None:
        if stage == "fit":
            pl_module.average(self.decay)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        pl_module.averaged.update_parameters(pl_module.ema_source)
