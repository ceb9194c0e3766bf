r"""`energy-gans features picture`: real and generated samples in a method's feature space.

A method that matches distributions of features has a map :math:`D` from samples to :math:`n`
features. Two features are the coordinates of the picture. More are laid out in the plane by t-SNE,
those of real and generated samples together. t-SNE keeps neighbours, but neither distances nor
scale, and so hides a collapse of the features to a point or a line. The printed table shows such a
collapse.

References:
    Visualizing Data using t-SNE (van der Maaten and Hinton, 2008)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from sklearn.manifold import TSNE
from torch import Tensor

from ...checks import Names, check_count
from ...data.base import TensorDataModule
from ...data.batches import EVALUATION_BATCH
from ...functional.evaluation.feature_spread import extent, separation, share_of_dimensions
from ...methods import GenerativeModule
from ...methods.parts.networks import evaluation_mode
from ...metrics.features import FeatureExtractor
from ...metrics.images import to_uint8
from ...plots.figures import write_picture
from ...plots.points import classes_picture
from ...storage.checkpoint import load_checkpoint
from ..models import (
    Checkpoint,
    draw_samples,
    find_model,
    load_supporting,
)
from ..outputs import Output, check_output, markdown_table
from ..real_data import RunData, held_out_samples, load_data
from ..results import Result

# The perplexity of t-SNE: the effective number of neighbours of a point.
NEIGHBOURS = 30.0


@dataclass(frozen=True, repr=False, eq=False)
class FeatureSpace(Result):
    r"""Features of real and generated samples, and their layout in the plane.

    Arguments:
        real: The features of held-out samples, with shape :math:`(N, d)`.
        generated: The features of generated samples, with shape :math:`(n, d)`.
        label: The labels of the held-out samples, with shape :math:`(N)`, or `None`.
        predicted: The classes that the classifier predicts for generated samples, with shape
            :math:`(n)`, or `None` without a classifier.
        layout: The coordinates of real and then generated samples, with shape :math:`(N + n, 2)`.
        classes: The names of the classes.
        title: The title of the picture.
        path: The picture that was written, or `None`.
    """

    real: Tensor
    generated: Tensor
    label: Tensor | None
    predicted: Tensor | None
    layout: Tensor
    classes: list[str]
    title: str
    path: Path | None

    @property
    def table(self) -> str:
        r"""The spread of the features in Markdown, a row for each set of samples."""
        sets = {"real": (self.real, self.label), "generated": (self.generated, self.predicted)}
        return _spread_table(sets)

    @cached_property
    def picture(self) -> Image.Image:
        r"""The layout of real and of generated samples, side by side."""
        count = len(self.real)
        panels = {
            f"{count:,} held-out samples": (self.layout[:count], self.label),
            f"{len(self.generated):,} generated samples": (self.layout[count:], self.predicted),
        }
        name = "feature" if self.real.shape[1] <= 2 else "t-SNE"
        return classes_picture(panels, self.classes, self.title, (f"{name} 1", f"{name} 2"))

    def __str__(self) -> str:
        return f"{self.table}{self.path or ''}".rstrip("\n")


def picture(
    ckpt_path: Checkpoint,
    n: int = 2000,
    out: Output = None,
    classifier: FeatureExtractor | None = None,
    seed: int = 0,
    overwrite: bool = False,
    trust: Names = "",
    data: RunData = None,
) -> FeatureSpace:
    r"""Draws a model's feature space and measures how its features are spread.

    Real held-out samples are coloured by label, generated samples by the class that a classifier
    predicts.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run, or that folder: then its last one.
        n: The number of generated samples, and of real held-out samples if there are so many.
        out: The picture, as `.png`.
        classifier: A classifier of the data's classes, such as DomainClassifier. Without one,
            generated samples have a single colour.
        seed: The seed of the latents, of the choice of real samples and of t-SNE.
        overwrite: Whether `out` may exist.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.
        data: The data module, or held-out samples; the data of the model's run by default.

    Returns:
        The features of real and of generated samples, with shape :math:`(N, D)`, and their places
        in the plane.

    Raises:
        ValueError: If an argument is out of its range or does not fit the model.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    path = check_output(out, overwrite)
    if path is not None and path.suffix != ".png":
        raise ValueError(f"'out' should end in .png, got {str(out)!r}.")
    check_count("n", n)
    ckpt_path = find_model(ckpt_path)
    model = load_supporting(ckpt_path, "features", trust)
    data = load_data(ckpt_path, trust, data, held_out_only=True)
    _check_classifier(classifier, data)
    y, label = held_out_samples(data, n, seed)
    x, _ = draw_samples(model, n, seed)
    seen = None if classifier is None else _predict_classes(x, classifier)
    u, v = (_features_of(model, a) for a in (y, x))
    layout, title = _plane_layout(torch.cat([u, v]), seed), _title(model, u, ckpt_path)
    made = FeatureSpace(u, v, label, seen, layout, data.classes, title, path)
    if path is not None:
        write_picture(made.picture, path)
    return made


def _check_classifier(classifier: FeatureExtractor | None, data: TensorDataModule) -> None:
    r"""Raises a `ValueError` unless an extractor classifies the classes of the data."""
    if classifier is None:
        return
    if len(data.shape) != 3:
        raise ValueError(f"'classifier' reads images, and the data has shape {tuple(data.shape)}.")
    if classifier.num_classes != len(data.classes):
        raise ValueError(
            f"'classifier' should tell the {len(data.classes)} classes of the data, got "
            f"{classifier.name} with {classifier.num_classes or 'no'} classes."
        )


@torch.no_grad()
def _predict_classes(x: Tensor, classifier: FeatureExtractor) -> Tensor:
    r"""Returns the predicted classes of images in [-1, 1], with shape :math:`(N)`."""
    return torch.cat(
        [classifier(part)[1].argmax(1) for part in to_uint8(x).split(EVALUATION_BATCH)]
    )


@torch.no_grad()
def _features_of(model: GenerativeModule, a: Tensor) -> Tensor:
    r"""Returns the features of samples, with shape :math:`(N, n)`.

    Raises:
        ValueError: If a feature is not finite.
    """
    with evaluation_mode(model):
        parts = a.split(EVALUATION_BATCH)
        u = torch.cat([model.features(part.to(model.device)).cpu() for part in parts])
    if not u.isfinite().all():
        raise ValueError(
            f"The model's features of {int((~u.isfinite().all(1)).sum())} of {len(u)} samples are "
            "not finite: its training went wrong."
        )
    return u


def _plane_layout(u: Tensor, seed: int) -> Tensor:
    r"""Returns points in the plane: the features themselves if there are at most two, or a t-SNE.

    Arguments:
        u: The features, with shape :math:`(N, n)`.
        seed: The seed of t-SNE.
    """
    if u.shape[1] <= 2 or not (u != u[0]).any():
        return torch.nn.functional.pad(u[:, :2], (0, 2 - min(u.shape[1], 2)))
    perplexity = min(NEIGHBOURS, (len(u) - 1) / 3)
    layout = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    return torch.from_numpy(layout.fit_transform(u.numpy()))


def _spread_table(sets: dict[str, tuple[Tensor, Tensor | None]]) -> str:
    r"""Returns the spread of sets of features as a table in Markdown, a row for each set.

    Arguments:
        sets: The features, with shape :math:`(N, n)`, and the classes, or `None`, by name.
    """
    rows = [["features", "standard deviation", "dimensions in use", "distance of classes"]]
    for name, (u, label) in sets.items():
        apart = math.nan if label is None else separation(u, label).item()
        cells = [f"{extent(u):.4g}", f"{share_of_dimensions(u):.2%} of {u.shape[1]}"]
        rows.append([name, *cells, "" if math.isnan(apart) else f"{apart:.4g}"])
    return markdown_table(rows)


def _title(model: GenerativeModule, u: Tensor, ckpt_path: Path | GenerativeModule) -> str:
    r"""Returns the title of the picture."""
    n = u.shape[1]
    layout = "" if n <= 2 else ", laid out by t-SNE"
    at = "" if model is ckpt_path else f" at step {load_checkpoint(ckpt_path)['global_step']:,}"
    return f"{type(model).__name__}{at}: {n} features{layout}"
