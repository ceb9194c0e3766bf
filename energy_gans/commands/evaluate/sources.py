r"""The samples, the real images and the output file of an evaluation, opened and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...checks import Names
from ...data.base import TensorDataModule
from ...methods import GenerativeModule
from ...metrics.features import FeatureExtractor
from ...metrics.reference import broadcast_from_first
from ...metrics.statistics import rank_and_world_size
from ...storage.export import is_export
from ...storage.saved_run import run_of
from ..inputs import Convert, Images, ModelSamples, Samples, open_samples
from ..models import open_model
from ..outputs import Output, check_writable
from ..real_data import RunData, load_data

SAMPLES = 10_000
COLOURS = {1: "grey", 3: "RGB"}


def output_path(
    out: Output, ckpt_path: Path | GenerativeModule | None, samples: Images | None
) -> Path | None:
    r"""Returns the file of the numbers after checking that it can be written.

    Raises:
        ValueError: If it is a folder, or `"auto"` for a live model or an array.
        PermissionError: If its folder can not be written.
    """
    if out is None:
        return None
    if out != "auto":
        path = Path(out)
    elif isinstance(
        ckpt_path if samples is None else samples, (GenerativeModule, Tensor, np.ndarray)
    ):
        raise ValueError("'out' = 'auto' is the place beside a file: give a path.")
    elif ckpt_path is not None:
        name = "" if ckpt_path.stem == "last" or is_export(ckpt_path) else f".{ckpt_path.stem}"
        path = run_of(ckpt_path) / f"metrics{name}.json"
    else:
        path = Path(samples).resolve()
        path = path.with_name(f"{path.stem if path.is_file() else path.name}.metrics.json")
    if path.is_dir():
        raise ValueError(f"'out' = {str(path)!r} can not be written: it is a folder.")
    check_writable(path)
    return path


def check_inputs(
    names: list[str], extractor: FeatureExtractor, data: TensorDataModule, reference: str
) -> None:
    r"""Raises a `ValueError` for what would fail after the pass over all images."""
    extractor.stamp()
    if "is" in names and extractor.num_classes is None:
        raise ValueError(f"'measures' has 'is', and {extractor.name} has no classifier.")
    check_split(data, reference)


def check_split(data: TensorDataModule, reference: str) -> None:
    r"""Raises a `ValueError` unless `reference` is a split of the data."""
    if reference not in data.splits:
        raise ValueError(
            f"'reference' should be one of {', '.join(map(repr, data.splits))}, got {reference!r}."
        )


def check_left_out(given: dict[str, object]) -> None:
    r"""Raises a `ValueError` for arguments that have no meaning for text."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name!r} should be left out for text, got {value!r:.100}.")


def open_data(
    ckpt_path: Path | GenerativeModule | None,
    samples: Images | None,
    data: RunData,
    trust: Names,
) -> TensorDataModule:
    r"""Returns the data with which samples are compared, prepared."""
    if data is None and samples is not None:
        raise ValueError("'data' should be given for 'samples', such as --data FashionMNIST.")
    # The first process alone may download the data.
    opened = load_data(ckpt_path, trust, data, prepare=rank_and_world_size()[0] == 0)
    broadcast_from_first(None)
    return opened


def open_source(
    ckpt_path: Path | GenerativeModule | None,
    samples: Images | None,
    data: TensorDataModule,
    n: int | None,
    seed: int,
    device: torch.device,
    trust: Names,
    convert: Convert | None,
) -> Samples:
    r"""Returns samples, whose images are of the size and the colours of the data."""
    if len(data.shape) != 3:
        raise ValueError(
            f"'data' should be images for these measures, got samples of shape {data.shape}: "
            "`energy-gans report` measures points."
        )
    if samples is not None:
        source = open_samples(samples, n, data.shape[0], convert)
    else:
        model = open_model(ckpt_path, trust)
        # A live model stays where it is.
        model = model if model is ckpt_path else model.to(device)
        source = ModelSamples(model, n or SAMPLES, seed, ckpt_path, convert)
    shape = tuple(source.batch(0).shape[1:])
    if shape[0] != data.shape[0]:
        ours, theirs = (COLOURS[channels] for channels in (shape[0], data.shape[0]))
        raise ValueError(
            f"The samples are {ours}, and 'data' is {theirs}: --convert {theirs.lower()} makes "
            f"them {theirs}."
        )
    if shape != tuple(data.shape):
        raise ValueError(
            f"The samples have shape {shape}, and 'data' has {tuple(data.shape)}: they should be "
            "of one size, such as --data.size gives."
        )
    return source
