r"""`energy-gans evaluate`: how far a model's samples, or any program's, are from real data.

All measures share one pass of the extractor over the samples. The statistics of the reference are
kept on disk, so that a second evaluation makes no pass over the data. Each measure is also
computed for as many real images outside the reference: a floor that no model is expected to go
below (:mod:`energy_gans.metrics.floor`). If `torchrun` starts several processes, they share the
work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule

from ...checks import check_count
from ...metrics.features import EfficientNetLite0, FeatureExtractor
from ...metrics.floor import choose_floor
from ...metrics.measures import parse_measures
from ...metrics.reference import broadcast_from_first, default_cache
from ...metrics.statistics import Statistics, rank_and_world_size
from ...plots.figures import write_picture
from ...storage.checkpoint import load_model
from ...storage.export import is_export
from ...storage.saved_run import find_checkpoint, run_data, run_of
from ...storage.stamps import Comparison, comparisons, format_number, write_metrics
from ..devices import process_group
from ..inputs import Convert, ModelSamples, Samples, open_samples
from ..outputs import check_writable, markdown_table
from .pictures import duplicates_picture, neighbours_picture
from .sets import compute_measures, drop_measures_with_few_images, gather_sets, warn_of_few_images

SAMPLES = 10_000
HEADINGS = ("measure", "samples", "real", "n", "reference n")
MATCHED = (
    "A measure has a second row if there are fewer real images than samples: the second row "
    "compares fewer samples, or a part of the reference."
)
COLOURS = {1: "grey", 3: "RGB"}


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
    trust: str = "",
    convert: Convert | None = None,
) -> None:
    r"""Measures samples of a model, a folder or a file: FD, IS, KID, precision and others.

    Arguments:
        ckpt_path: The checkpoint, or the folder of a run: then its last one.
        samples: A folder of pictures, or an .npz, .npy or .pt file, instead of a checkpoint. Files
            hold uint8, or floats in [-1, 1], with shape (N, C, H, W) or (N, H, W, C).
        data: The data module; that of the checkpoint's run by default.
        measures: The measures: fd, is, kid, pr (precision and recall), dc (density and
            coverage), support (birthday test) and neighbours (nearest real images).
        n: The number of samples: by default 10,000 of a checkpoint, or all in a folder or a file.
        extractor: The features; by default EfficientNetLite0, which comes with the package.
        reference: The split that samples are compared with.
        reference_n: The number of images in the reference; all if the split has fewer.
        seed: The seed of the latents of a checkpoint's samples.
        out: The file of the numbers, with pictures beside it. By default metrics.json in the run's
            directory for its last checkpoint, metrics.best.json for its best checkpoint, and
            SAMPLES.metrics.json for samples.
        cache: The folder that keeps the reference's statistics; ~/.cache/energy-gans by default.
        device: The device that computes; a GPU by default, if there is one.
        trust: Other packages whose classes the run's files may name, separated by commas, such as
            the package of your own network. Their code is run.
        convert: Converts the samples to the data's colours: grey, or rgb.
    """
    if (ckpt_path is None) == (samples is None):
        raise ValueError("Either 'ckpt_path' or 'samples' should be given, and not both.")
    if n is not None:
        check_count("n", n)
    check_count("reference_n", reference_n)
    if ckpt_path is not None:
        ckpt_path = str(find_checkpoint(ckpt_path))
    names, path = parse_measures(measures), _output_path(out, ckpt_path, samples)
    with process_group(device) as where:
        source, data = _open_inputs(ckpt_path, samples, data, n, seed, where, trust, convert)
        extractor = (extractor or EfficientNetLite0()).to(where)
        _check_inputs(names, extractor, data, reference)
        splits = reference, "val" if reference == "train" else "train"
        reference_n, other = min(reference_n, data.length(reference)), data.length(splits[1])
        floor = choose_floor(source.n, reference_n, data.length(reference), other)
        names = drop_measures_with_few_images(names, source.n, reference_n, floor)
        warn_of_few_images(names, source.n, reference_n, floor, extractor)
        extractor(source.batch(0)[:1].to(where))
        folder = Path(cache) if cache else default_cache()
        sets = gather_sets(source, data, splits, reference_n, floor, extractor, folder, where)
        if rank_and_world_size()[0] > 0:
            return
        about = [
            {"data": type(data).__name__, "fingerprint": data.fingerprint(split), "split": split}
            for split in splits
        ]
        numbers = compute_measures(names, sets, extractor, *about)
        origin = source.origin() | ({"convert": convert} if convert else {})
        write_metrics(numbers, origin | {"device": where.type}, path)
        print(f"{_measures_table(numbers)}{path}")
        _write_pictures(names, sets.samples, sets.reference, source, data, reference, path)


def _measures_table(numbers: dict[str, dict[str, Any]]) -> str:
    r"""Returns the measures of samples and of real images as a table in Markdown."""
    rows = [_row(c) for name, number in numbers.items() for c in comparisons(name, number)]
    note = f"\n{MATCHED}\n" if len(rows) > len(numbers) else ""
    return markdown_table([HEADINGS, *rows]) + note


def _row(comparison: Comparison) -> list[str]:
    r"""Returns a row of the table."""
    n, reference_n = comparison.counts()
    pair = comparison.samples, comparison.real
    cells = [format_number(number) if number else "" for number in pair]
    return [comparison.label, *cells, str(n), "" if reference_n is None else str(reference_n)]


def _write_pictures(
    names: list[str],
    x: Statistics,
    y: Statistics,
    source: Samples,
    data: LightningDataModule,
    reference: str,
    path: Path,
) -> None:
    r"""Writes pictures beside the numbers, and removes those of an earlier evaluation."""
    pictures = {
        "support": lambda: duplicates_picture(x, y, source),
        "neighbours": lambda: neighbours_picture(x, y, source, data, reference),
    }
    for name, picture in pictures.items():
        place = path.with_name(f"{path.stem}.{name}.png")
        place.unlink(missing_ok=True)
        if name in names:
            write_picture(picture(), place)
            print(place)


def _output_path(out: str | None, ckpt_path: str | None, samples: str | None) -> Path:
    r"""Returns the file of the numbers after checking that it can be written.

    Raises:
        ValueError: If it is a folder.
        PermissionError: If its folder can not be written.
    """
    if out is not None:
        path = Path(out)
    elif ckpt_path is not None:
        stem = Path(ckpt_path).stem
        name = "" if stem == "last" or is_export(ckpt_path) else f".{stem}"
        path = run_of(ckpt_path) / f"metrics{name}.json"
    else:
        path = Path(samples).resolve()
        path = path.with_name(f"{path.stem if path.is_file() else path.name}.metrics.json")
    if path.is_dir():
        raise ValueError(f"'out' = {str(path)!r} can not be written: it is a folder.")
    check_writable(path)
    return path


def _check_inputs(
    names: list[str], extractor: FeatureExtractor, data: LightningDataModule, reference: str
) -> None:
    r"""Raises a `ValueError` for what would fail after the pass over all images."""
    extractor.stamp()
    if "is" in names and extractor.num_classes is None:
        raise ValueError(f"'measures' has 'is', and {extractor.name} has no classifier.")
    if reference not in data.splits:
        raise ValueError(
            f"'reference' should be one of {', '.join(map(repr, data.splits))}, got {reference!r}."
        )


def _open_inputs(
    ckpt_path: str | None,
    samples: str | None,
    data: LightningDataModule | None,
    n: int | None,
    seed: int,
    device: torch.device,
    trust: str,
    convert: Convert | None,
) -> tuple[Samples, LightningDataModule]:
    r"""Returns the samples and the data with which they are compared."""
    if data is None and samples is not None:
        raise ValueError("'data' should be given for 'samples', such as --data FashionMNIST.")
    data = data or run_data(run_of(ckpt_path), trust)
    if rank_and_world_size()[0] == 0:
        data.prepare_data()
    broadcast_from_first(None)
    if len(data.shape) != 3:
        raise ValueError(
            f"'data' should be images for these measures, got samples of shape {data.shape}: "
            "`energy-gans report` measures points."
        )
    if samples is not None:
        source = open_samples(samples, n, data.shape[0], convert)
    else:
        model = load_model(ckpt_path, trust).to(device)
        source = ModelSamples(model, n or SAMPLES, seed, Path(ckpt_path), convert)
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
    return source, data
