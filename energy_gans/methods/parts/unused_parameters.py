r"""DDP for networks that take turns: a backward pass leaves out the parameters of the others."""

from __future__ import annotations

import torch.nn as nn
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

_FLAG = "find_unused_parameters"


def allow_unused_parameters(trainer: Trainer, model: LightningModule) -> None:
    r"""Lets backward passes leave out the parameters of other networks under DDP.

    This applies to plain `ddp`, and to the strategy that Lightning chooses for several devices:
    both leave `find_unused_parameters` open.

    Arguments:
        trainer: The trainer, before it runs.
        model: The method that it trains, with its networks in `trained`.

    Raises:
        ValueError: If the strategy forbids it, and the model trains several networks.
    """
    strategy = trainer.strategy
    if not isinstance(strategy, DDPStrategy):
        return
    # The keyword arguments of torch's DistributedDataParallel.
    options = strategy._ddp_kwargs
    if _FLAG not in options:
        options[_FLAG] = True
        rank_zero_info(
            "DDP looks for unused parameters in every backward pass: networks take turns."
        )
    if not options[_FLAG] and len(model.trained) > 1:
        raise ValueError(
            f"'trainer.strategy' should be 'ddp' or 'ddp_{_FLAG}_true': {type(model).__name__} "
            f"trains {len(model.trained)} networks in turn, and each backward pass leaves out the "
            "others."
        )
    normed = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    if trainer.world_size > 1 and normed and strategy._layer_sync is None:
        rank_zero_warn(
            "Batch norm sees each process's share of a batch, not the whole: on GPUs, add "
            "--trainer.sync_batchnorm true."
        )
