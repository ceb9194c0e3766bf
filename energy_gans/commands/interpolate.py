r"""`energy-gans interpolate`: samples of latents between two latents of a generator.

Samples along a path of latents should change gradually. A generator that has memorised its data
jumps from one training image to another. The GGCN's paper shows straight lines between latents
clipped to [-1, 1]. For other methods the default is the great circle, on which standard normal
latents keep their norm (:mod:`energy_gans.functional.interpolation`).
"""

from __future__ import annotations

from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from ..checks import check_count
from ..data.batches import EVALUATION_BATCH
from ..functional import keyed_generator, lerp, slerp
from ..methods import GenerativeModule
from ..metrics.images import to_uint8
from ..plots.figures import write_picture
from ..plots.images import film_picture
from ..plots.points import paths_picture
from ..storage.arrays import write_samples
from ..storage.checkpoint import load_model
from .models import class_labels
from .outputs import check_output

PATHS = {"linear": lerp, "spherical": slerp}
# The largest number of rows and columns of a picture.
ROWS, COLUMNS = 16, 20


def interpolate(
    ckpt_path: str,
    n: int = 8,
    steps: int = 10,
    path: Literal["linear", "spherical"] | None = None,
    clip: float | None = None,
    label: int | None = None,
    seed: int = 0,
    out: str = "interpolation.png",
    overwrite: bool = False,
    trust: str = "",
) -> None:
    r"""Decodes latents on paths between pairs of latents, a row of samples for each pair.

    Arguments:
        ckpt_path: The checkpoint, or the folder of a run: then its last one.
        n: The number of pairs.
        steps: The number of latents on a path, both ends included.
        path: Straight lines, linear, or great circles, spherical; linear for a GGCN and spherical
            for other methods by default.
        clip: The largest absolute value of a latent's elements at the ends of a path, or 0 for no
            limit; 1 for a GGCN and 0 for other methods by default.
        label: The class of all samples, for class-conditional models; a random class for each pair
            by default.
        seed: The seed of the latents and of the classes.
        out: The picture as `.png`, with a row for each of the first 16 pairs, or a line for each
            pair for points in the plane; or the array `samples` as `.npz`, float32, with shape (n,
            steps, *).
        overwrite: Whether `out` may exist.
        trust: Other packages whose classes the run's files may name, separated by commas, such as
            the package of your own network. Their code is run.
    """
    place = check_output(out, overwrite)
    _check_counts(n, steps, place.suffix == ".png")
    model = load_model(ckpt_path, trust)
    _check_latents(model, ckpt_path)
    usual_path, usual_clip = model.latent_path
    path, clip = path or usual_path, usual_clip if clip is None else clip
    if not clip >= 0:
        raise ValueError(f"'clip' should not be negative, got {clip!r}.")
    random = keyed_generator(seed, "interpolate", device=model.device)
    z = torch.randn(n, 2, model.latent_dim, generator=random, device=random.device)
    labels = class_labels(label, model, n, random)
    t = torch.linspace(0, 1, steps, device=z.device)
    z = z.clamp(-clip, clip) if clip else z
    x = _decode_paths(model, PATHS[path](*z.unbind(1), t), labels)
    if place.suffix == ".npz":
        write_samples(x, place)
    else:
        write_picture(_picture(x, t), place)
    size = f", latents clipped to {clip:g}" if clip else ""
    print(f"{n} {path} paths of {steps} samples{size}: {place}")


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


def _check_latents(model: GenerativeModule, ckpt_path: str) -> None:
    r"""Raises a `ValueError` unless a model has latents."""
    if model.latent_network is None:
        raise ValueError(
            f"'ckpt_path' = {ckpt_path!r} holds a {type(model).__name__}, which has no latents: "
            "it should be of a method with a generator."
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


def _picture(x: Tensor, t: Tensor) -> Image.Image:
    r"""Returns images with a row for each path and a column for each time, or lines in the plane.

    Arguments:
        x: The samples, with shape :math:`(n, T, *)`.
        t: The positions on a path in [0, 1], with shape :math:`(T)`.

    Raises:
        ValueError: If the samples are neither images nor points in the plane.
    """
    if x.ndim == 5:
        columns = to_uint8(x[:ROWS].flatten(0, 1)).unflatten(0, (-1, len(t))).unbind(1)
        images = {f"{s:.2f}": y for s, y in zip(t.tolist(), columns, strict=True)}
        return film_picture(images, "position on the path of latents", "one pair of latents")
    if x.ndim != 3 or x.shape[2] != 2:
        raise ValueError(f"'out' should end in .npz for samples of shape {tuple(x.shape[2:])}.")
    return paths_picture(x)
