r"""Writing the samples of `predict` as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from ..storage.arrays import write_samples
from ..storage.training_directory import run_directory


class SampleWriter(BasePredictionWriter):
    r"""Writes `predictions/samples_RANK.npz` in the run's directory, one file for each process.

    A file holds the array `samples`, float32, with shape :math:`(N, *)`, images in [-1, 1].
    """

    def __init__(self) -> None:
        super().__init__(write_interval="epoch")

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[Tensor],
        batch_indices: Sequence[object],
    ) -> None:
        directory = run_directory(trainer) / "predictions"
        write_samples(
            torch.cat(list(predictions)), directory / f"samples_{trainer.global_rank}.npz"
        )
        rank_zero_info(f"Samples of each process: {directory}")
