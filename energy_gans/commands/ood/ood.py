r"""`energy-gans ood`: how well a model's potential tells real images from outliers.

A potential is high where real data is. Held-out images of the model's data, the inliers, should
score above outliers: images of other data sets, and synthetic images
(:mod:`energy_gans.commands.ood.outliers`).

The baseline is a score of image statistics, which learns nothing
(:mod:`energy_gans.commands.ood.scores`). A model that is no better detects brightness and contrast
at most. The row with training images as inliers and held-out images as outliers reveals
over-fitting.

Energy-based models with classes are refused: their potential belongs to a class and is defined up
to a constant for each class, and outliers have no class. A flow with classes uses its
unconditional potential.

References:
    Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based Generative
    Modelling (Loo et al., 2024), Appendix C, https://arxiv.org/abs/2407.15238
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...checks import Names, check_choice
from ...files import atomic_write, write_text
from ...functional import potential_gradient
from ...functional.langevin import Field
from ...methods import GenerativeModule
from ...plots.figures import write_picture
from ...plots.histograms import TRAINING, histograms_picture
from ...storage.stamps import package_versions
from ...terminal import progress_bar
from ..devices import resolve_device
from ..models import (
    Checkpoint,
    argument_of,
    find_model,
    load_supporting,
    model_origin,
    potential_field,
)
from ..outputs import Output, check_output, check_output_and_numbers
from ..real_data import RealData, as_data_module, load_data
from ..results import Result
from .outliers import ImageSet, open_sets, parse_outliers
from .scores import (
    BASELINE,
    STATISTICS,
    compare_scores,
    image_statistics,
    scores_table,
    statistics_score,
)

SCORES = {"potential": "potential", "gradient": "minus the norm of the gradient"}


@dataclass(frozen=True, repr=False, eq=False)
class OutlierDetection(Result):
    r"""How well scores of a model tell real images from outliers.

    Arguments:
        measures: For each set of outliers, the name of its inliers, `"inliers"`, and for each
            score its `auroc`, `aupr` and `fpr95`, all in [0, 1].
        scores: The scores of the images, with shape :math:`(N)`, by the name of the score (that
            of the model first, then the baseline's) and the name of the set.
        counts: The number of images in each set.
        protocol: What the numbers depend on: the scores, and the sets with their origin.
        origin: The checkpoint with its SHA-256, the seed, the device and the versions.
        path: The histograms that were written, with the numbers as `.json` beside them, or `None`.
        raw: The file of the scores that was written, or `None`.
    """

    measures: dict[str, dict[str, str | dict[str, float]]]
    scores: dict[str, dict[str, Tensor]]
    counts: dict[str, int]
    protocol: dict[str, Any]
    origin: dict[str, Any]
    path: Path | None
    raw: Path | None

    @property
    def table(self) -> str:
        r"""The measures in Markdown, a row for each set of outliers."""
        return scores_table(self.measures, self.counts)

    @cached_property
    def picture(self) -> Image.Image:
        r"""Histograms of the model's scores."""
        name, scores = next(iter(self.scores.items()))
        areas = {key: row[name]["auroc"] for key, row in self.measures.items()}
        return histograms_picture(scores, areas, SCORES[name])

    def __str__(self) -> str:
        places = [] if self.path is None else [self.path, self.path.with_suffix(".json")]
        places += [] if self.raw is None else [self.raw]
        return f"{self.table}{chr(10).join(map(str, places))}".rstrip("\n")


def ood(
    ckpt_path: Checkpoint,
    outliers: Names = "interpolated,noise,constant",
    outlier_data: list[RealData] | None = None,
    inliers: RealData | None = None,
    score: Literal["potential", "gradient"] = "potential",
    n: int = 10_000,
    seed: int = 0,
    out: Output = None,
    device: str = "auto",
    overwrite: bool = False,
    trust: Names = "",
    raw: str | None = None,
) -> OutlierDetection:
    r"""Measures how well a model's potential tells held-out images from outliers.

    The measures are also written as `.json` beside the histograms.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run, or that folder: then its last one.
        outliers: Sets of outliers, separated by commas or in a list: interpolated, noise,
            constant, folders of pictures, and .npz, .npy or .pt files; empty for none.
        outlier_data: Data modules whose held-out images are outliers, or tensors of outliers:
            --outlier_data+ SVHN --outlier_data.root data, repeated for more.
        inliers: The data module of inliers, or samples, of which every tenth is held out; the data
            of the checkpoint's run by default.
        score: The score: potential, or gradient for minus the norm of its gradient, which is high
            where the potential is flat.
        n: The number of random images of each set; all if there are fewer. There are at most half
            as many interpolated images as held-out ones.
        seed: The seed of the choice of images and of synthetic images.
        out: The histograms, as `.png`.
        device: The device that computes; a GPU by default, if there is one.
        overwrite: Whether files may exist.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.
        raw: A `.npz` file for the scores themselves: an array for each set, such as
            potential/held-out, and for its baseline, such as image statistics/held-out.

    Returns:
        The area under the ROC curve and other measures of each set, and the scores themselves.

    Raises:
        ValueError: If an argument is out of its range or does not fit the model.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    path = check_output_and_numbers(out, overwrite)
    raw_path = None if raw is None else check_output(raw, overwrite, (".npz",), "raw")
    if path is not None and path.suffix != ".png":
        raise ValueError(f"'out' should end in .png, got {str(out)!r}.")
    if n < 2:
        raise ValueError(f"'n' should be at least 2, got {n}.")
    check_choice("score", score, SCORES)
    names, where = parse_outliers(outliers), resolve_device(device)
    if not isinstance(outlier_data, (list, tuple, NoneType)):
        raise ValueError(f"'outlier_data' should be a list, got {type(outlier_data).__name__}.")
    others = [as_data_module("outlier_data", d, held_out_only=True) for d in outlier_data or ()]
    ckpt_path = find_model(ckpt_path)
    model = _load_detector(ckpt_path, trust)
    shape = model.sample_shape
    data = load_data(ckpt_path, trust, inliers, name="inliers")
    sets = open_sets(names, others, data, shape, n, seed)
    # A live model stays where it is.
    where = str(model.device) if model is ckpt_path else where
    phi = _score_function(potential_field(model.to(where)), score)
    found = {name: _score_images(s, phi, where, name) for name, s in sets.items()}
    plain = statistics_score(found[TRAINING][1])
    scores = {
        score: {name: s for name, (s, _) in found.items()},
        BASELINE: {name: plain(u) for name, (_, u) in found.items()},
    }
    counts = {name: s.n for name, s in sets.items()}
    protocol = {"score": score, BASELINE: STATISTICS}
    protocol |= {"sets": {name: {"n": s.n} | s.about for name, s in sets.items()}}
    known = package_versions() | {"scikit-learn": importlib.metadata.version("scikit-learn")}
    origin = model_origin(ckpt_path) | {"seed": seed, "device": where, "versions": known}
    measures = compare_scores(scores)
    made = OutlierDetection(measures, scores, counts, protocol, origin, path, raw_path)
    if path is not None:
        write_picture(made.picture, path)
        _write_numbers(made, path.with_suffix(".json"))
    if raw_path is not None:
        _write_scores(scores, raw_path)
    return made


def _load_detector(ckpt_path: Checkpoint, trust: Names = "") -> GenerativeModule:
    r"""Returns the model of a checkpoint after checking that it has a potential of images.

    Raises:
        ValueError: If it has none, if its potential needs a class, or if its samples are no
            images.
    """
    model = load_supporting(ckpt_path, "potential_at", trust)
    shape = model.sample_shape
    if len(shape) != 3:
        raise ValueError(
            f"{argument_of(ckpt_path)} should hold a model of images, got one of samples of shape "
            f"{shape}."
        )
    if model.potential_needs_label:
        raise ValueError(
            f"{argument_of(ckpt_path)} should hold a model without classes, got a "
            f"{type(model).__name__} with {model.classes}: its potential is that of a class, and "
            "outliers have none."
        )
    return model


def _score_function(potential: Field, score: str) -> Field:
    r"""Returns a score of images, from :math:`(B, C, H, W)` to :math:`(B)`, high for inliers.

    Arguments:
        potential: The potential.
        score: `"potential"`, or `"gradient"` for minus the norm of the gradient.
    """
    if score == "potential":
        return potential
    gradient = potential_gradient(potential)
    return lambda y: -gradient(y).flatten(1).norm(dim=1)


@torch.no_grad()
def _score_images(images: ImageSet, score: Field, device: str, name: str) -> tuple[Tensor, Tensor]:
    r"""Returns the scores of images, with shape :math:`(N)`, and their statistics, :math:`(N, 3)`.

    Raises:
        ValueError: If a score is not finite.
    """
    scores, statistics = [], []
    with progress_bar(images.n, "images", name) as bar:
        for y in images.batches():
            scores.append(score(y.to(device)).cpu())
            statistics.append(image_statistics(y))
            bar.update(len(y))
    s = torch.cat(scores)
    if not s.isfinite().all():
        raise ValueError(
            f"The model's scores of {int((~s.isfinite()).sum())} of {len(s)} {name} images are "
            "not finite: its training went wrong."
        )
    return s, torch.cat(statistics)


def _write_scores(scores: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
    r"""Writes scores as an `.npz`, whole or not at all: an array `SCORE/SET` for each set."""
    arrays = {
        f"{name}/{key}": s.numpy() for name, found in scores.items() for key, s in found.items()
    }
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)


def _write_numbers(made: OutlierDetection, path: Path) -> None:
    r"""Writes measures, the mean and the spread of scores, the protocol and the origin as JSON."""
    spread = {
        name: {key: {"mean": s.mean().item(), "std": s.std().item()} for key, s in found.items()}
        for name, found in made.scores.items()
    }
    content = {"measures": made.measures, "scores": spread, "protocol": made.protocol}
    content |= {"origin": made.origin}
    write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", path)
