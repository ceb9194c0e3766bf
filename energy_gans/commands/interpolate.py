r"""`energy-gans interpolate`: samples of latents between two latents of a generator.

Samples along a path of latents should change gradually. A generator that has memorised its data
jumps from one training image to another. The GGCN's paper shows straight lines between latents
clipped to [-1, 1]. For other methods the default is the great circle, on which standard normal
latents keep their norm (:mod:`energy_gans.functional.interpolation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from ..checks import Names, check_choice, check_count
from ..data.batches import EVALUATION_BATCH
from ..functional import keyed_generator, lerp, slerp
from ..methods import GenerativeModule
from ..metrics.images import to_uint8
from ..plots.figures import write_picture
from ..plots.images import film_picture
from ..plots.points import paths_picture
from ..storage.arrays import write_samples
from .models import Checkpoint, argument_of, class_labels, open_model
from .outputs import Output, check_output
from .results import Result

PATHS = {"linear": lerp, "spherical": slerp}
# The largest number of rows and columns of a picture.
ROWS, COLUMNS = 16, 20


@dataclass(frozen=True, repr=False, eq=False)
class Interpolation(Result):
    r"""Samples of latents on paths.

    Arguments:
        x: The samples, on the CPU, with shape :math:`(n, T, *)`: pairs and positions.
        t: The positions on a path in [0, 1], with shape :math:`(T)`.
        label: The class of each path, with shape :math:`(n)`, or `None` without classes.
        kind: The kind of the paths, `"linear"` or `"spherical"`.
        clip: The largest absolute value of a latent's elements, at least 0; 0 for no limit.
        path: The file that was written, or `None`.
    """

    x: Tensor
    t: Tensor
    label: Tensor | None
    kind: str
    clip: float
    path: Path | None

    @cached_property
    def picture(self) -> Image.Image | None:
        r"""Images with a row for each path, or lines in the plane; `None` for other samples."""
        if self.x.ndim == 5:
            columns = to_uint8(self.x[:ROWS].flatten(0, 1)).unflatten(0, (-1, len(self.t)))
            times = [f"{s:.2f}" for s in self.t.tolist()]
            images = dict(zip(times, columns.unbind(1), strict=True))
            return film_picture(images, "position on the path of latents", "one pair of latents")
        is_plane = self.x.ndim == 3 and self.x.shape[2] == 2
        return paths_picture(self.x) if is_plane else None

    def __str__(self) -> str:
        n, steps = self.x.shape[:2]
        size = f", latents clipped to {self.clip:g}" if self.clip else ""
        place = "" if self.path is None else f": {self.path}"
        return f"{n} {self.kind} paths of {steps} samples{size}{place}"


def interpolate(
    ckpt_path: Checkpoint,
    n: int = 8,
    steps: int = 10,
    path: Literal["linear", "spherical"] | None = None,
    clip: float | None = None,
    label: int | None = None,
    seed: int = 0,
    out: Output = None,
    overwrite: bool = False,
    trust: Names = "",
) -> Interpolation:
    r"""Decodes latents on paths between pairs of latents, a row of samples for each pair.

    Arguments:
        ckpt_path: The checkpoint, or the folder of a run: then its last one.
        n: The number of pairs.
        steps: The number of latents on a path, both ends included.
        path: Straight lines, linear, or great circles, spherical; linear for a GGCN and spherical
            for other methods by default.
        clip: The largest absolute value of a latent's elements at the ends of a path, at least 0;
            0 for no limit; 1 for a GGCN and 0 for other methods by default.
        label: The class of all samples, for class-conditional models; a random class for each pair
            by default.
        seed: The seed of the latents and of the classes.
        out: The picture as `.png`, with a row for each of the first 16 pairs, or a line for each
            pair for points in the plane; or the array `samples` as `.npz`, float32, with shape
            :math:`(n, \text{steps}, *)`.
        overwrite: Whether `out` may exist.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.

    Returns:
        The samples, with shape :math:`(n, \text{steps}, *)`, images in [-1, 1], their times in
        [0, 1], and their labels.

    Raises:
        ValueError: If an argument is out of its range or does not fit the model.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    place = check_output(out, overwrite)
    _check_counts(n, steps, place is not None and place.suffix == ".png")
    model = open_model(ckpt_path, trust)
    _check_latents(model, ckpt_path)
    usual_path, usual_clip = model.latent_path
    path, clip = path or usual_path, usual_clip if clip is None else clip
    check_choice("path", path, PATHS)
    if not clip >= 0:
        raise ValueError(f"'clip' should not be negative, got {clip!r}.")
    random = keyed_generator(seed, "interpolate", device=model.device)
    z = torch.randn(n, 2, model.latent_dim, generator=random, device=random.device)
    labels = class_labels(label, model, n, random)
    t = torch.linspace(0, 1, steps, device=z.device)
    z = z.clamp(-clip, clip) if clip else z
    x = _decode_paths(model, PATHS[path](*z.unbind(1), t), labels)
    labels = None if labels is None else labels.cpu()
    made = Interpolation(x, t.cpu(), labels, path, clip, place)
    if place is not None and place.suffix == ".npz":
        write_samples(x, place)
    elif place is not None and made.picture is None:
        raise ValueError(f"'out' should end in .npz for samples of shape {tuple(x.shape[2:])}.")
    elif place is not None:
        write_picture(made.picture, place)
    return made


def _check_counts(n: int, steps: int, pictured: bool) -> None:
    r"""Raises a `ValueError` unless paths have two ends and fit into a picture."""
    check_count("n", n)
    if steps < 2:
        raise ValueError(f"'steps' should be at least 2, the ends, got {steps}.")
    if pictured and steps > COLUMNS:
        raise ValueError(
            f"'steps' should be at most {COLUMNS} for a picture, got {steps}: 'out' may end in "
            ".npz."
        )


def _check_latents(model: GenerativeModule, ckpt_path: Checkpoint) -> None:
    r"""Raises a `ValueError` unless a model has latents."""
    if model.latent_network is None:
        raise ValueError(
            f"{argument_of(ckpt_path)} holds a {type(model).__name__}, which has no latents: it "
            "should be of a method with a generator."
        )


def _decode_paths(model: GenerativeModule, z: Tensor, labels: Tensor | None) -> Tensor:
    r"""Returns the samples of latents on paths, with shape :math:`(n, T, *)`.

    Arguments:
        model: The model.
        z: The latents, with shape :math:`(n, T, Z)`.
        labels: The class of each path, with shape :math:`(n)`, or `None`.
    """
    parts = [z.flatten(0, 1).split(EVALUATION_BATCH)]
    if labels is not None:
        parts.append(labels.repeat_interleave(z.shape[1]).split(EVALUATION_BATCH))
    x = torch.cat([model.decode(*part).cpu() for part in zip(*parts, strict=True)])
    return x.unflatten(0, z.shape[:2])
