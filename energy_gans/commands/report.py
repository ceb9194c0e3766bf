r"""`energy-gans report`: samples of a run, its curves, and their distance from the data.

The distance is the energy distance

.. math:: \mathcal{E}^2 = 2 \mathbb{E} \|y - x\| - \mathbb{E} \|y - y'\| - \mathbb{E} \|x - x'\|

which has no parameters, so that values of all methods can be compared. It is zero for equal
distributions. The table gives it for the run's samples, for as many real training samples, and for
Gaussian noise with the mean and the standard deviation of the data. It hardly tells lines of text
from such noise, so the table also gives the Jensen-Shannon divergence of their n-grams from those
of the held-out lines.

References:
    Energy Statistics: A Class of Statistics Based on Distances (Székely and Rizzo, 2013)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..callbacks.sample_pictures import samples_picture, samples_text
from ..characters import to_codes
from ..checks import Names
from ..data.base import to_unit_range
from ..files import write_text
from ..functional import energy_distance
from ..metrics import ModeCoverage
from ..metrics.ngram_divergence import text_measures
from ..plots.curves import curves_picture
from ..plots.figures import write_picture
from ..plots.images import caption, stacked
from ..storage.checkpoint import load_checkpoint, load_model
from ..storage.curves import Curves
from ..storage.export import is_export
from ..storage.saved_run import SavedRun
from .models import draw_samples
from .outputs import Output, check_writable, markdown_table
from .results import Result

# The number of samples in a batch of the energy distance.
SAMPLES = 500
# The lengths of the n-grams of text, as in the papers.
_ORDERS = (4, 6)


@dataclass(frozen=True, repr=False, eq=False)
class Report(Result):
    r"""A run's samples and curves, and the distance of the samples from the data.

    Arguments:
        checkpoint: The checkpoint.
        step: Its step.
        measures: The squared energy distance, in data units, the divergence of n-grams of text,
            and the coverage of modes if the data has some, of the samples, of real training
            samples and of noise.
        curves: The steps and the values of all logged numbers, by name.
        pictures: The pictures `"samples.png"`, unless samples are text, and, if the run has
            curves, `"curves.png"`.
        run: The run's directory.
        folder: The folder of the files that were written, or `None`.
        text: Samples of text, a line each; `""` for other samples.
    """

    checkpoint: Path
    step: int
    measures: dict[str, dict[str, float]]
    curves: Curves
    pictures: dict[str, Image.Image]
    run: Path
    folder: Path | None
    text: str = ""

    @property
    def table(self) -> str:
        r"""The measures in Markdown, a row for each set of samples."""
        return _table(self.measures)

    @property
    def picture(self) -> Image.Image | None:
        r"""The samples above the curves, or what there is of them."""
        return stacked(list(self.pictures.values())) if self.pictures else None

    def __str__(self) -> str:
        text = f"{self.checkpoint} at step {self.step}\n\n{self.table}"
        lines = ["samples.txt"] if self.text else []
        names = [] if self.folder is None else [*lines, *self.pictures, "report.md"]
        text += "".join(f"{self.folder / name}\n" for name in names)
        if not self.curves and self.folder is not None:
            text += (
                f"No curves.png: {self.run} has no metrics.csv with numbers. Only a CSVLogger "
                "writes that file."
            )
        return text.rstrip("\n")


def report(
    run: str | os.PathLike,
    checkpoint: str = "last",
    seed: int = 0,
    trust: Names = "",
    out: Output = None,
) -> Report:
    r"""Draws a run's samples and curves and measures how far the samples are from the data.

    Writes samples.png, or samples.txt for text, curves.png and report.md. The curves come from the
    metrics.csv of a CSVLogger.

    Arguments:
        run: The run's directory, a directory of runs (then the run that was trained last), or a
            checkpoint of the run.
        checkpoint: The checkpoint in the directory, `last` or `best`.
        seed: The seed of the latents, and of the choice of training samples.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.
        out: The folder of the files; auto is the run's directory, which an exported model has not.

    Returns:
        The measures, the curves and the pictures.

    Raises:
        ValueError: If an argument is out of its range.
        OSError: If there is no such run, or the folder can not be written.
    """
    found = SavedRun(run)
    if out == "auto" and is_export(found.found):
        raise ValueError(
            f"'run' = {str(run)!r} is an exported model, whose folder stays as it was written: "
            "'out' should be a folder for the report."
        )
    folder = found.directory if out == "auto" else None if out is None else Path(out)
    if folder is not None:
        check_writable(folder / "report.md")
    path = found.checkpoint(checkpoint)
    curves, step = found.curves(), load_checkpoint(path)["global_step"]
    # Data modules take the seed of their order from torch.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, data = load_model(path, trust), found.data(trust)
        n = 100 if len(data.shape) > 1 else 4000
        text = f"{n:,} samples of {type(model).__name__} at step {step:,}"
        pictures, lines = {}, ""
        if model.vocabulary:
            lines = samples_text(model, n, seed)
        else:
            pictures = {"samples.png": caption(samples_picture(model, data, n, seed), text)}
        measures = _measure(draw_samples(model, 10 * SAMPLES, seed)[0], data)
    if curves:
        pictures["curves.png"] = curves_picture(curves)
    made = Report(path, step, measures, curves, pictures, found.directory, folder, lines)
    if folder is not None:
        if lines:
            write_text(lines, folder / "samples.txt")
        for name, picture in pictures.items():
            write_picture(picture, folder / name)
        write_text(f"{path.name} at step {step}\n\n{made.table}", folder / "report.md")
    return made


def _measure(x: Tensor, data: object) -> dict[str, dict[str, float]]:
    r"""Returns the measures of samples, of real training samples and of noise, by name.

    Arguments:
        x: The generated samples, with shape :math:`(N, *)`.
        data: The data module, set up.
    """
    to_samples = getattr(data, "to_samples", to_unit_range)
    y = _first_samples(data.val_dataloader(), len(x), to_samples)
    train = _first_samples(data.train_dataloader(), len(x), to_samples)
    noise = y.mean(0) + y.std(0) * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    rows = {"samples": x, "real (train)": train, "noise": noise}
    measures = {name: {"energy distance": _mean_distance(y, rows[name])} for name in rows}
    if getattr(data, "vocabulary", ""):
        n = min(map(len, rows.values()))
        sets = [to_codes(points[:n]) for points in rows.values()]
        orders = [k for k in _ORDERS if k <= y.shape[2]]
        found = text_measures(sets, to_codes(y), orders, None)
        for row, values in zip(rows, found, strict=True):
            measures[row] |= {f"{k} (n={n})": value.item() for k, value in values.items()}
    if hasattr(data, "means"):
        for name, points in rows.items():
            coverage = ModeCoverage(data.means, data.std, data.weights)
            coverage.update(points)
            measures[name] |= {k: v.item() for k, v in coverage.compute().items()}
    return measures


def _mean_distance(y: Tensor, x: Tensor) -> float:
    r"""Returns the energy distance to real samples, averaged over batches of 500 samples."""
    parts = list(zip(y.split(SAMPLES), x.split(SAMPLES), strict=False))
    return sum(energy_distance(b, a).item() for b, a in parts) / len(parts)


def _first_samples(loader: object, n: int, to_samples: Callable[[Tensor], Tensor]) -> Tensor:
    r"""Returns the first samples of a loader, images in [-1, 1], with shape :math:`(n, *)`.

    Arguments:
        loader: The loader.
        n: The number of samples.
        to_samples: The map from stored values to samples.
    """
    parts: list[Tensor] = []
    for y, _ in loader:
        parts.append(to_samples(y))
        if sum(map(len, parts)) >= n:
            break
    return torch.cat(parts)[:n]


def _table(measures: dict[str, dict[str, float]]) -> str:
    r"""Returns a table in Markdown, a row for each set of samples."""
    names = list(next(iter(measures.values())))
    rows = [[row, *(f"{values[name]:.4g}" for name in names)] for row, values in measures.items()]
    return markdown_table([["", *names], *rows])
