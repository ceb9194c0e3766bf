r"""`energy-gans evaluate`: how far a model's samples, or any program's, are from real data.

Features of every sample are computed once and shared by all measures. Those of the reference are
kept on disk: a second evaluation makes no pass over the data. Beside each number stands what real
samples that are not in the reference give, as many as there are at most: the floor that no model
can be expected to go below. Started by `torchrun`, all processes share the work.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from tqdm import tqdm

from ..callbacks.pictures import write_picture
from ..functional.checks import check_count
from ..metrics.features import EfficientNetLite0, FeatureExtractor
from ..metrics.measures import chosen, measure
from ..metrics.reference import default_cache, reference_statistics, shared
from ..metrics.statistics import PAIRED, Statistics, gather, processes
from .checkpoint import load_model
from .joining import joined
from .lookalikes import duplicates_picture, neighbours_picture
from .runs import Run
from .samples import ModelSamples, Samples, open_samples
from .stamps import shown, stamped, write_metrics

SAMPLES = 10_000
FID_SAMPLES = 50_000


def evaluate(
    ckpt_path: str | None = None,
    samples: str | None = None,
    data: LightningDataModule | None = None,
    measures: str = "fd,is,kid,pr,dc,support,neighbours",
    n: int | None = None,
    extractor: FeatureExtractor | None = None,
    reference: str = "train",
    reference_n: int = 50_000,
    seed: int = 0,
    out: str | None = None,
    cache: str | None = None,
    device: str = "auto",
) -> None:
    r"""Measures a checkpoint's samples, or those in a folder of pictures or an .npz file.

    Arguments:
        ckpt_path: The checkpoint.
        samples: A folder of pictures, or an .npz file, instead of a checkpoint.
        data: The data module; that of the checkpoint's run by default.
        measures: Which measures: fd, is, kid, pr (precision and recall), dc (density and
            coverage), support (birthday test) and neighbours (nearest real images).
        n: The number of samples: 10,000 of a checkpoint by default, else all there are.
        extractor: The features: EfficientNetLite0, which comes with the package, by default.
        reference: The split that samples are compared with.
        reference_n: How many images of it; all, if there are fewer.
        seed: The seed of a checkpoint's latents.
        out: Where the numbers are written; metrics.json in the run's directory, or
            SAMPLES.metrics.json, by default. Pictures stand beside it.
        cache: The folder that keeps the reference's statistics; ~/.cache/energy-gans by default.
        device: The device that computes; a GPU by default, if there is one.
    """
    if (ckpt_path is None) == (samples is None):
        raise ValueError("Either 'ckpt_path' or 'samples' should be given, and not both.")
    if n is not None:
        check_count("n", n)
    check_count("reference_n", reference_n)
    names = chosen(measures)
    with joined(device) as where:
        source, data = opened(ckpt_path, samples, data, n, seed, where)
        if processes()[0] == 0:
            data.prepare_data()
        shared(None)
        extractor = (extractor or EfficientNetLite0()).to(where)
        folder = Path(cache) if cache else default_cache()
        held_out = "val" if reference == "train" else "train"
        y, z = (
            reference_statistics(data, split, k, keep, extractor, folder, where)
            for split, k, keep in (
                (reference, reference_n, reference_n),
                (held_out, source.n, PAIRED),
            )
        )
        x = gather(extractor, progress(source), min(source.n, PAIRED), where)
        if processes()[0] > 0:
            return
        warn_if_few(x, extractor)
        about = {"data": type(data).__name__, "fingerprint": data.fingerprint(reference)}
        numbers = numbers_of(names, (x, y, z), extractor, about | {"split": reference})
        path = Path(out) if out else beside(ckpt_path, samples)
        write_metrics(numbers, source.origin() | {"device": where.type}, path)
        print(f"{table(numbers)}\n{path}")
        drawn = {"support": lambda: duplicates_picture(x, y, source)}
        drawn["neighbours"] = lambda: neighbours_picture(x, y, source, data, reference)
        for name in [name for name in names if name in drawn]:
            picture = path.with_name(f"{path.stem}.{name}.png")
            write_picture(drawn[name](), picture)
            print(picture)


def numbers_of(
    names: list[str],
    statistics: tuple[Statistics, Statistics, Statistics],
    extractor: FeatureExtractor,
    reference: dict[str, str],
) -> dict[str, dict[str, Any]]:
    r"""Returns stamped numbers by name.

    Arguments:
        names: The names of the measures.
        statistics: Those of the samples, of the reference and of held-out real samples.
        extractor: The extractor.
        reference: What the reference is, for the stamps.
    """
    x, y, held_out = statistics
    numbers, real = measure(names, x, y, held_out), measure(names, held_out, y, held_out)
    if getattr(extractor, "standard", False) and x.n >= FID_SAMPLES and "fd" in numbers:
        numbers["fid"], real["fid"] = numbers.pop("fd"), real.pop("fd")
    return {
        name: stamped(number, real[name], extractor, reference) for name, number in numbers.items()
    }


def table(numbers: dict[str, dict[str, Any]]) -> str:
    r"""Returns numbers as a table in Markdown, with what real samples give."""
    lines = ["| measure | samples | n | real | n |", "|---|---|---|---|---|"]
    for name, number in numbers.items():
        n, real = number["protocol"]["n"], number["real"]
        lines.append(f"| {name} | {shown(number)} | {n} | {shown(real)} | {real['n']} |")
    return "\n".join(lines)


def progress(samples: Samples) -> Iterator[tuple[Tensor, Tensor]]:
    r"""Yields this process's share of samples, with a progress bar in the first process."""
    rank, world_size = processes()
    # None: no bar where there is no terminal.
    bar = tqdm(total=samples.n, unit=" samples", disable=True if rank else None, leave=False)
    with bar:
        for x, index in samples.share(rank, world_size):
            yield x, index
            bar.update(min(len(x) * world_size, samples.n - bar.n))


def warn_if_few(x: Statistics, extractor: FeatureExtractor) -> None:
    r"""Warns of fewer samples than features."""
    if x.n < extractor.num_features:
        print(
            f"energy-gans: warning: 'n' = {x.n} is smaller than the {extractor.num_features} "
            "features: the covariance of the samples is singular, and the Fréchet distance far "
            "from that of many samples.",
            file=sys.stderr,
        )


def beside(ckpt_path: str | None, samples: str | None) -> Path:
    r"""Returns where the numbers of a checkpoint, or of samples, are written."""
    if ckpt_path is not None:
        return run_of(ckpt_path) / "metrics.json"
    path = Path(samples)
    return path.with_name(f"{path.stem if path.is_file() else path.name}.metrics.json")


def run_of(ckpt_path: str) -> Path:
    r"""Returns the directory of the run that a checkpoint belongs to."""
    folder = Path(ckpt_path).parent
    return folder.parent if folder.name == "checkpoints" else folder


def opened(
    ckpt_path: str | None,
    samples: str | None,
    data: LightningDataModule | None,
    n: int | None,
    seed: int,
    device: torch.device,
) -> tuple[Samples, LightningDataModule]:
    r"""Returns the samples and the data they are compared with."""
    if data is None and samples is not None:
        raise ValueError("'data' should be given for 'samples', such as --data FashionMNIST.")
    data = data or Run(str(run_of(ckpt_path))).data()
    if len(data.shape) != 3:
        raise ValueError(
            f"'data' should be images for these measures, got samples of shape {data.shape}: "
            "`energy-gans report` measures points."
        )
    if samples is not None:
        source = open_samples(samples, n, data.shape[0])
    else:
        model = load_model(ckpt_path).to(device)
        source = ModelSamples(model, n or SAMPLES, seed, Path(ckpt_path))
    shape = tuple(source.batch(0).shape[1:])
    if shape != tuple(data.shape):
        raise ValueError(
            f"The samples have shape {shape}, and 'data' has {tuple(data.shape)}: they should be of "
            "one size, such as --data.size gives."
        )
    return source, data
