r"""`energy-gans interpolate`: what lies between two samples of a generator, in its latent space.

Latents on the way from one to another make samples that change bit by bit. A generator that has
learned its data by heart jumps instead. The GGCN's paper shows straight lines between latents that
are clipped to [-1, 1]; for other methods the default is the great circle, on which standard normal
latents keep their norm (:mod:`energy_gans.functional.interpolation`).
"""

from __future__ import annotations

from typing import Literal

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from ..checks import check_count
from ..data.batches import EVALUATION_BATCH
from ..functional import keyed_generator, lerp, slerp
from ..methods import GenerativeModule
from ..metrics.images import to_uint8
from ..plots.figures import render, write_picture
from ..plots.images import film_picture
from ..storage.arrays import write_samples
from ..storage.checkpoint import load_model
from .models import class_labels
from .outputs import check_output

PATHS = {"linear": lerp, "spherical": slerp}
# What a picture has room for.
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
        clip: The size that latents at the ends are clipped to, or 0 to leave them as they are; 1 for
            a GGCN and 0 for other methods by default.
        label: The class of all samples, for class-conditional models; one drawn for each pair by
            default.
        seed: The seed of the latents and of the classes.
        out: A picture with a row for each of the first 16 pairs, or paths of points in the plane, as
            `.png`, or the array `samples` as `.npz`, float32, with shape (n, steps, *).
        overwrite: Whether `out` may exist.
        trust: The packages whose classes the run's files may name besides this one, with commas
            between them: that of an own network, say. Their code is run.
    """
    place = check_output(out, overwrite)
    check_counts(n, steps, place.suffix == ".png")
    model = load_model(ckpt_path, trust)
    check_latents(model, ckpt_path)
    usual_path, usual_clip = model.latent_path
    path, clip = path or usual_path, usual_clip if clip is None else clip
    if not clip >= 0:
        raise ValueError(f"'clip' should not be negative, got {clip!r}.")
    random = keyed_generator(seed, "interpolate", device=model.device)
    z = torch.randn(n, 2, model.latent_dim, generator=random, device=random.device)
    labels = class_labels(label, model, n, random)
    t = torch.linspace(0, 1, steps, device=z.device)
    z = z.clamp(-clip, clip) if clip else z
    x = decoded(model, PATHS[path](*z.unbind(1), t), labels)
    if place.suffix == ".npz":
        write_samples(x, place)
    else:
        write_picture(paths_picture(x, t), place)
    size = f", latents clipped to {clip:g}" if clip else ""
    print(f"{n} {path} paths of {steps} samples{size}: {place}")


def check_counts(n: int, steps: int, pictured: bool) -> None:
    r"""Raises a `ValueError` unless there are two ends, and columns that a picture has room for."""
    check_count("n", n)
    if steps < 2:
        raise ValueError(f"'steps' should be at least 2, the ends, got {steps}.")
    if pictured and steps > COLUMNS:
        raise ValueError(
            f"'steps' should be at most {COLUMNS} for a picture, got {steps}: 'out' may end in .npz."
        )


def check_latents(model: GenerativeModule, ckpt_path: str) -> None:
    r"""Raises a `ValueError` unless a model has latents."""
    if model.latent_network is None:
        raise ValueError(
            f"'ckpt_path' = {ckpt_path!r} holds a {type(model).__name__}, which has no latents: it "
            "should be of a method with a generator."
        )


def decoded(model: GenerativeModule, z: Tensor, labels: Tensor | None) -> Tensor:
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


def paths_picture(x: Tensor, t: Tensor) -> Image.Image:
    r"""Returns images with a row for each path and a column for each time, or lines in the plane.

    Arguments:
        x: The samples, with shape :math:`(n, T, *)`.
        t: The times, with shape :math:`(T)`.

    Raises:
        ValueError: If they are neither images nor points in the plane.
    """
    if x.ndim == 5:
        columns = to_uint8(x[:ROWS].flatten(0, 1)).unflatten(0, (-1, len(t))).unbind(1)
        return film_picture({f"{s:.2f}": y for s, y in zip(t.tolist(), columns, strict=True)})
    if x.ndim != 3 or x.shape[2] != 2:
        raise ValueError(f"'out' should end in .npz for samples of shape {tuple(x.shape[2:])}.")
    figure = Figure(figsize=(5.5, 5.4), layout="constrained")
    axis = figure.subplots()
    for line in x:
        axis.plot(*line.T, ".-", markersize=4, linewidth=1)
    axis.scatter(*x[:, [0, -1]].flatten(0, 1).T, s=30, c="k", zorder=3)
    axis.set(aspect="equal", title="samples along paths of latents, black at the ends")
    return render(figure)
