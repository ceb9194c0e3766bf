r"""`energy-gans evaluate`: how far a model's samples, or any program's, are from real data.

All measures share one pass of the extractor over the samples. The statistics of the reference are
kept on disk, so that a second evaluation makes no pass over the data. Each measure is also
computed for as many real images outside the reference: a floor that no model is expected to go
below (:mod:`energy_gans.metrics.floor`). If `torchrun` starts several processes, they share the
work.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from ...checks import Names, check_choice, check_count
from ...data import TensorDataModule
from ...metrics.features import EfficientNetLite0, FeatureExtractor
from ...metrics.floor import choose_floor
from ...metrics.measures import MEASURES, parse_measures
from ...metrics.reference import default_cache
from ...metrics.statistics import rank_and_world_size
from ...plots.figures import write_picture
from ...storage.stamps import Comparison, comparisons, format_number, write_metrics
from ..devices import process_group
from ..inputs import Convert, Images, Samples
from ..models import Checkpoint, find_model
from ..outputs import Output, markdown_table
from ..real_data import RealData
from ..results import Result
from .pictures import duplicates_picture, neighbours_picture
from .sets import (
    Sets,
    compute_measures,
    drop_measures_with_few_images,
    gather_sets,
    warn_of_few_images,
)
from .sources import (
    check_inputs,
    check_left_out,
    check_split,
    open_data,
    open_source,
    output_path,
)
from .text import TextSamples, measure_text, open_text_samples, parse_text_measures

HEADINGS = ("measure", "samples", "real", "n", "reference n")
MATCHED = (
    "A measure has a second row if there are fewer real images than samples: the second row "
    "compares fewer samples, or a part of the reference."
)


@dataclass(frozen=True, repr=False, eq=False)
class Evaluation(Result):
    r"""Measures of samples, with their stamps.

    Arguments:
        measures: The stamped numbers by the name of the measure, such as `"fd"`, as metrics.json
            holds them: `value` (`None` for infinity), `std` or `low` and `high` if the measure
            has them, `protocol`, and `real`, the same measure of real images.
        origin: Where the samples come from: checkpoint or file with its SHA-256, seed, device.
        path: The file of the numbers, or `None` if nothing was written.
        pictures: The pictures that were written, `"support"` and `"neighbours"`, by name.
    """

    measures: dict[str, dict[str, Any]]
    origin: dict[str, Any]
    path: Path | None
    pictures: dict[str, Path]

    @property
    def values(self) -> dict[str, float | None]:
        r"""The numbers of the samples alone, by name; `None` for infinity."""
        return {name: number["value"] for name, number in self.measures.items()}

    @property
    def table(self) -> str:
        r"""The measures of the samples and of real images as a table in Markdown."""
        found = [chain for n in self.measures.values() for chain in n.get("markov", ())]
        chains = list(dict.fromkeys(found))
        rows = [
            _row(c) + [_chain(number, k, first) for k in chains]
            for name, number in self.measures.items()
            for first, c in zip((True, False), comparisons(name, number), strict=False)
        ]
        note = f"\n{MATCHED}\n" if len(rows) > len(self.measures) else ""
        return markdown_table([[*HEADINGS, *(f"Markov, {k}" for k in chains)], *rows]) + note

    def __str__(self) -> str:
        places = [] if self.path is None else [self.path, *self.pictures.values()]
        return f"{self.table}{chr(10).join(map(str, places))}".rstrip("\n")


def evaluate(
    ckpt_path: Checkpoint | None = None,
    samples: Images | None = None,
    data: RealData | None = None,
    measures: Names | None = None,
    n: int | None = None,
    extractor: FeatureExtractor | None = None,
    reference: str = "train",
    reference_n: int = 50_000,
    seed: int = 0,
    out: Output = None,
    cache: str | None = None,
    device: str = "auto",
    trust: Names = "",
    convert: Convert | None = None,
) -> Evaluation | None:
    r"""Measures samples of a model, a folder or a file: FD, IS, KID, n-grams and others.

    In all processes of `torchrun` but the first one, the function returns `None`.

    Arguments:
        ckpt_path: The checkpoint, or the folder of a run: then its last one.
        samples: A folder of pictures, or an .npz, .npy or .pt file, instead of a checkpoint. Files
            hold uint8, or floats in [-1, 1], with shape (N, C, H, W) or (N, H, W, C). Samples of
            text are a text file.
        data: The data module, or samples, of which every tenth is held out; the data of the
            checkpoint's run by default.
        measures: The measures, separated by commas or in a list, by default all: fd, is, kid, pr
            (precision and recall), dc (density and coverage), support (birthday test) and
            neighbours (nearest real images) of images; js (divergence of n-grams) and seen
            (12-grams of the reference) of text.
        n: The number of samples: by default 10,000 of a checkpoint, 640 of one of text, or all in
            a folder or a file.
        extractor: The features; by default EfficientNetLite0, which comes with the package.
        reference: The split that samples are compared with.
        reference_n: The number of images in the reference; all if the split has fewer.
        seed: The seed of the latents of a checkpoint's samples.
        out: The file of the numbers, with pictures beside it. auto is metrics.json in the run's
            directory for its last checkpoint, metrics.best.json for its best checkpoint, and
            SAMPLES.metrics.json for samples.
        cache: The folder that keeps the reference's statistics; ~/.cache/energy-gans by default.
        device: The device that computes; a GPU by default, if there is one.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.
        convert: Converts the samples to the data's colours: grey, or rgb.

    Returns:
        The measures and their protocols, what was measured, and the files that were written.

    Raises:
        ValueError: If an argument is out of its range or does not fit the samples.
        OSError: If a file can not be read or written.
    """
    if (ckpt_path is None) == (samples is None):
        raise ValueError("Either 'ckpt_path' or 'samples' should be given, and not both.")
    if n is not None:
        check_count("n", n)
    check_count("reference_n", reference_n)
    if convert is not None:
        check_choice("convert", convert, get_args(Convert))
    ckpt_path = None if ckpt_path is None else find_model(ckpt_path)
    _check_measures(measures)
    path = output_path(out, ckpt_path, samples)
    with process_group(device) as where:
        data = open_data(ckpt_path, samples, data, trust)
        if getattr(data, "vocabulary", ""):
            given = {"extractor": extractor, "convert": convert, "cache": cache}
            check_left_out(given)
            if rank_and_world_size()[0] > 0:
                return None
            text = open_text_samples(ckpt_path, samples, data, n, seed, where, trust)
            return _evaluate_text(text, data, measures, reference, reference_n, path)
        names = parse_measures([*MEASURES] if measures is None else measures)
        source = open_source(ckpt_path, samples, data, n, seed, where, trust, convert)
        extractor = (extractor or EfficientNetLite0()).to(where)
        check_inputs(names, extractor, data, reference)
        splits = reference, "val" if reference == "train" else "train"
        reference_n, other = min(reference_n, data.length(reference)), data.length(splits[1])
        floor = choose_floor(source.n, reference_n, data.length(reference), other)
        names = drop_measures_with_few_images(names, source.n, reference_n, floor)
        warn_of_few_images(names, source.n, reference_n, floor, extractor)
        extractor(source.batch(0)[:1].to(where))
        folder = Path(cache) if cache else default_cache()
        sets = gather_sets(source, data, splits, reference_n, floor, extractor, folder, where)
        if rank_and_world_size()[0] > 0:
            return None
        numbers = compute_measures(names, sets, extractor, *_describe_data(data, splits))
        origin = source.origin() | ({"convert": convert} if convert else {})
        origin |= {"device": where.type}
        if path is None:
            return Evaluation(numbers, origin, None, {})
        write_metrics(numbers, origin, path)
        pictures = _write_pictures(names, sets, source, data, reference, path)
        return Evaluation(numbers, origin, path, pictures)


def _check_measures(measures: Names | None) -> None:
    r"""Raises a `ValueError` for unknown measures, before any data are opened."""
    if measures is not None:
        try:
            parse_text_measures(measures)
        except ValueError:
            parse_measures(measures)


def _evaluate_text(
    text: TextSamples,
    data: TensorDataModule,
    measures: Names | None,
    reference: str,
    reference_n: int,
    path: Path | None,
) -> Evaluation:
    r"""Returns the measures of text, which are written to a file if there is a path."""
    names = parse_text_measures(measures)
    check_split(data, reference)
    splits = reference, "val" if reference == "train" else "train"
    about = _describe_data(data, splits)
    numbers = measure_text(names, text.codes, data, splits, reference_n, about)
    if path is not None:
        write_metrics(numbers, text.origin, path)
    return Evaluation(numbers, text.origin, path, {})


def _describe_data(data: TensorDataModule, splits: tuple[str, str]) -> list[dict[str, str]]:
    r"""Returns the class and the fingerprint of splits of data, for stamps."""
    name = type(data).__name__
    return [{"data": name, "fingerprint": data.fingerprint(s), "split": s} for s in splits]


def _chain(number: dict[str, Any], chain: str, first: bool) -> str:
    r"""Returns a Markov chain's cell in a row, empty in the second row of a measure."""
    return f"{number['markov'][chain]:.4g}" if first and "markov" in number else ""


def _row(comparison: Comparison) -> list[str]:
    r"""Returns a row of the table."""
    n, reference_n = comparison.counts()
    pair = comparison.samples, comparison.real
    cells = [format_number(number) if number else "" for number in pair]
    return [comparison.label, *cells, str(n), "" if reference_n is None else str(reference_n)]


def _write_pictures(
    names: list[str],
    sets: Sets,
    source: Samples,
    data: TensorDataModule,
    reference: str,
    path: Path,
) -> dict[str, Path]:
    r"""Writes pictures beside the numbers, and removes those of an earlier evaluation."""
    x, y = sets.samples, sets.reference
    pictures = {
        "support": partial(duplicates_picture, x, y, source),
        "neighbours": partial(neighbours_picture, x, y, source, data, reference),
    }
    places = {name: path.with_name(f"{path.stem}.{name}.png") for name in pictures}
    for name, picture in pictures.items():
        places[name].unlink(missing_ok=True)
        if name in names:
            write_picture(picture(), places[name])
    return {name: place for name, place in places.items() if name in names}
