r"""`energy-gans report`: what a run drew, how it learned, and how far it is from the data.

The distance is the energy distance

.. math:: \mathcal{E}^2 = 2 \mathbb{E} \|y - x\| - \mathbb{E} \|y - y'\| - \mathbb{E} \|x - x'\|

which has no parameters and so means the same for every method. It is zero for equal distributions;
a row for real training samples shows what that is at the same number of samples, a row for noise
what it is for a model that knows the data's mean and spread only.

References:
    Energy Statistics: A Class of Statistics Based on Distances (Székely and Rizzo, 2013)
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..callbacks.sample_pictures import samples_picture
from ..data.base import to_unit_range
from ..files import write_text
from ..functional import energy_distance
from ..metrics import ModeCoverage
from ..plots.curves import curves_picture
from ..plots.figures import write_picture
from ..storage.checkpoint import load_checkpoint, load_model
from ..storage.run import Run
from .models import draw_samples

SAMPLES = 500


def report(run: str, checkpoint: str = "last", seed: int = 0, trust: str = "") -> None:
    r"""Draws a run's samples and curves and measures how far the samples are from the data.

    Curves are drawn of the metrics.csv that a CSVLogger leaves.

    Arguments:
        run: The run's directory, or one above it: then the run that was trained last. It may be a
            checkpoint of the run, too.
        checkpoint: Which checkpoint of a directory to look at, `last` or `best`.
        seed: The seed of the latents, and of which training samples are compared.
        trust: The packages whose classes the run's files may name besides this one, with commas
            between them: that of an own network, say. Their code is run.
    """
    found = Run(run)
    path = found.checkpoint(checkpoint)
    torch.manual_seed(seed)
    model, data = load_model(path, trust), found.data(trust)
    curves = found.curves()
    pictures = {
        "samples.png": samples_picture(model, data, 100 if len(data.shape) > 1 else 4000, seed)
    }
    if curves:
        pictures["curves.png"] = curves_picture(curves)
    for name, picture in pictures.items():
        write_picture(picture, found.directory / name)
    table = markdown(measure(draw_samples(model, 10 * SAMPLES, seed), data))
    step = load_checkpoint(path)["global_step"]
    write_text(f"{path.name} at step {step}\n\n{table}", found.directory / "report.md")
    print(f"{path} at step {step}\n\n{table}")
    for name in [*pictures, "report.md"]:
        print(f"{found.directory / name}")
    if not curves:
        print(
            f"No curves.png: {found.directory} has no metrics.csv with numbers, which a CSVLogger "
            "writes; those of another logger are where it put them."
        )


def measure(x: Tensor, data: object) -> dict[str, dict[str, float]]:
    r"""Returns the measures of samples, of real training samples and of noise, by name.

    Arguments:
        x: The generated samples, with shape :math:`(N, *)`.
        data: The data module, set up.
    """
    y = gathered(data.val_dataloader(), len(x))
    train = gathered(data.train_dataloader(), len(x))
    noise = y.mean(0) + y.std(0) * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    rows = {"samples": x, "real (train)": train, "noise": noise}
    measures = {name: {"energy distance": mean_distance(y, rows[name])} for name in rows}
    if hasattr(data, "means"):
        for name, points in rows.items():
            coverage = ModeCoverage(data.means, data.std, data.weights)
            coverage.update(points)
            measures[name] |= {k: v.item() for k, v in coverage.compute().items()}
    return measures


def mean_distance(y: Tensor, x: Tensor) -> float:
    r"""Returns the energy distance to real samples, averaged over parts of 500 samples."""
    parts = list(zip(y.split(SAMPLES), x.split(SAMPLES), strict=False))
    return sum(energy_distance(b, a).item() for b, a in parts) / len(parts)


def gathered(loader: object, n: int) -> Tensor:
    r"""Returns the first `n` samples of a loader, images in [-1, 1], with shape :math:`(n, *)`."""
    parts: list[Tensor] = []
    for y, _ in loader:
        parts.append(to_unit_range(y))
        if sum(map(len, parts)) >= n:
            break
    return torch.cat(parts)[:n]


def markdown(measures: dict[str, dict[str, float]]) -> str:
    r"""Returns a table in Markdown, a row for each set of samples."""
    names = list(next(iter(measures.values())))
    lines = [["", *names], ["---"] * (len(names) + 1)]
    lines += [
        [row, *(f"{values[name]:.4g}" for name in names)] for row, values in measures.items()
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
