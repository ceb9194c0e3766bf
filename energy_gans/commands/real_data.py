r"""The real samples of commands: those of a model's run, or those that are given.

In Python, a command takes a data module, or what :class:`~energy_gans.data.FromDataset` takes. The
command line makes a data module of a class and its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import Dataset

from ..checks import Names
from ..data import FromDataset
from ..data.base import TensorDataModule
from ..data.batches import EVALUATION_BATCH
from ..data.own_samples import source_of
from ..functional import keyed_subset
from ..methods import GenerativeModule
from ..storage.saved_run import run_data, run_of
from .models import argument_of

# Data modules of any folder, which says what the data are.
_FOLDERS = ("ImageFolder", "TextLines")
# A data module, or in Python also the samples themselves, with labels if there are any.
RealData = TensorDataModule | Tensor | np.ndarray | tuple | Dataset
# The real samples if Python gives any. The command line always reads those of the model's run.
RunData = RealData | None


def as_data_module(name: str, data: RealData, held_out_only: bool = False) -> TensorDataModule:
    r"""Returns a data module as it is, and samples as one.

    Arguments:
        name: The name of the argument, for errors.
        data: The data module or the samples.
        held_out_only: Whether all samples are held out. If not, every tenth is, and the others are
            for training.

    Raises:
        ValueError: If the data are neither.
    """
    if isinstance(data, TensorDataModule):
        return data
    if isinstance(data, (LightningDataModule, type)):
        given = f"the class {data.__name__}" if isinstance(data, type) else type(data).__name__
        raise ValueError(
            f"{name!r} should be a tensor of samples, or a data module such as "
            f"energy_gans.data.FromDataset, whose samples have indices, got {given}."
        )
    data = source_of(name, data)
    return FromDataset(data, data if held_out_only else None)


def load_data(
    ckpt_path: Path | GenerativeModule | None,
    trust: Names = "",
    data: RunData = None,
    name: str = "data",
    held_out_only: bool = False,
    prepare: bool = True,
) -> TensorDataModule:
    r"""Returns a data module, prepared: that of the given data, or that of a model's run.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run, or a live model with its trainer.
        trust: The packages besides this one whose classes the run may name.
        data: The data, or `None` for those of the run.
        name: The name of the argument, for errors.
        held_out_only: As for :func:`as_data_module`.
        prepare: Whether the data module is prepared: if not, another process does that.

    Raises:
        ValueError: If the data are no samples with indices, or a live model has none.
        FileNotFoundError: If the data are not where the run found them.
    """
    own = data is None
    try:
        data = _data_of_run(name, ckpt_path, trust) if own else data
        data = as_data_module(name, data, held_out_only)
        if prepare:
            data.prepare_data()
            # Files that are missing are often found out about where they are read.
            data.length("val")
    except FileNotFoundError as error:
        if not own:
            raise
        raise FileNotFoundError(
            f"The data of {argument_of(ckpt_path)} are not here: {error} Data in other folders "
            "are given by --data to evaluate, and by --inliers to ood."
        ) from error
    return data


def _data_of_run(
    name: str, ckpt_path: Path | GenerativeModule, trust: Names
) -> LightningDataModule:
    r"""Returns the data module of a model's run, as it is before its preparation.

    Arguments:
        name: The name of the argument that gives other data, for errors.
        ckpt_path: The checkpoint, or the live model.
        trust: The packages besides this one whose classes the run may name.

    Raises:
        ValueError: If a live model has no trainer with a data module.
    """
    if not isinstance(ckpt_path, GenerativeModule):
        return run_data(run_of(ckpt_path), trust)
    data = getattr(ckpt_path._trainer, "datamodule", None)
    if data is None:
        raise ValueError(
            f"{name!r} should be given for this {type(ckpt_path).__name__}, which has no trainer "
            "with a data module."
        )
    return data


def held_out_samples(data: TensorDataModule, n: int, seed: int) -> tuple[Tensor, Tensor | None]:
    r"""Returns `n` random held-out samples, images in [-1, 1], and their labels, if any."""
    order = keyed_subset(data.length("val"), n, seed, "features")
    y, label = zip(*data.loader("val", order.split(EVALUATION_BATCH)), strict=True)
    return data.to_samples(torch.cat(y)), None if label[0] is None else torch.cat(label)


def data_name(spec: Mapping[str, Any] | None) -> str:
    r"""Returns the name of described data: their class, or the folder if the data are one's own.

    Arguments:
        spec: The class path and the arguments, as in a `config.json`, or `None`.

    Returns:
        The name, `""` if there is no description.
    """
    if spec is None:
        return ""
    name = str(spec["class_path"]).rpartition(".")[2]
    options = spec.get("init_args")
    root = options.get("root") if isinstance(options, Mapping) else None
    if name in _FOLDERS and isinstance(root, str):
        return Path(root).name or name
    return name
