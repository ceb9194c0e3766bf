r"""How several processes train networks that take turns."""

from __future__ import annotations

import torch.nn as nn
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from ...methods import GenerativeModule

FLAG = "find_unused_parameters"


def let_networks_take_turns(trainer: Trainer, model: GenerativeModule) -> None:
    r"""Has DDP look for the parameters that a backward pass leaves out: those of the other networks.

    This holds for DDP that was not told whether to look for them: plain `ddp`, and what Lightning chooses
    where a run has several devices and no strategy.

    Arguments:
        trainer: The trainer, before it runs.
        model: The model that it trains.

    Raises:
        ValueError: If DDP was told not to look for them, and the model trains several networks.
    """
    strategy = trainer.strategy
    if not isinstance(strategy, DDPStrategy):
        return
    # The keyword arguments of torch's DistributedDataParallel.
    options = strategy._ddp_kwargs
    if FLAG not in options:
        options[FLAG] = True
        rank_zero_info(
            "DDP looks for unused parameters in every backward pass: networks take turns."
        )
    if not options[FLAG] and len(model.trained) > 1:
        raise ValueError(
            f"'trainer.strategy' should be 'ddp' or 'ddp_{FLAG}_true': {type(model).__name__} trains "
            f"{len(model.trained)} networks in turn, and each backward pass leaves out the others."
        )
    normed = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    if trainer.world_size > 1 and normed and strategy._layer_sync is None:
        rank_zero_warn(
            "Batch norm sees each process's share of a batch, not the whole: on GPUs, add "
            "--trainer.sync_batchnorm true."
        )
