r"""`energy-gans synthesize`: Langevin chains, or the flow, of a learned potential, as a film.

Chains start from noise, at held-out real samples or at those of the model's generator, and climb.
The table beside the film shows the potential and the length of the score at each time: if training
went well the one rises from noise on to what it is at real samples, and stays there. Of a method whose
samples flow, the film shows the flow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from ..checks import check_count
from ..data.base import TensorDataModule
from ..functional import keyed_generator
from ..methods import GenerativeModule
from ..metrics.images import to_uint8
from ..plots.figures import write_picture
from ..plots.images import film_picture
from ..plots.points import plane_picture
from ..storage.arrays import write_samples
from ..storage.run import find_checkpoint
from .models import class_labels, follow, held_out_samples, load_data, load_supporting
from .outputs import check_output

# Times that are shown by default, and what a picture has room for.
FRAMES = 11
ROWS, COLUMNS = 16, 20
# How many real points a picture of the plane shows.
REAL_POINTS = 1000

Start = Literal["noise", "data", "generator"]
# Opens the data of the run.
Data = Callable[[], TensorDataModule]


def synthesize(
    ckpt_path: str,
    start: Start = "noise",
    steps: int | None = None,
    n: int = 8,
    every: int | None = None,
    label: int | None = None,
    seed: int = 0,
    out: str = "synthesis.png",
    overwrite: bool = False,
    trust: str = "",
) -> None:
    r"""Runs a model's Langevin chains or its flow and draws the samples on their way.

    Chains have the step size, the noise and the bounds of the training. Those of a multi-grid ConvNet
    are of its finest grid.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run if chains start at data.
        start: Where chains start: from noise, at held-out data, or at samples of the generator.
        steps: The number of steps; as many as in training by default.
        n: The number of chains; at most as many as there are held-out samples, if they start there.
        every: After how many steps chains are shown, and at the end; at 11 times by default.
        label: The class of all chains, for class-conditional models; by default those of the data,
            or one drawn for each chain.
        seed: The seed of the starts and of the noise.
        out: A picture with a row for each of the first 16 chains, or a panel a time for points in the
            plane, as `.png`, or the last states as `.npz`, float32.
        overwrite: Whether `out` may exist.
        trust: The packages whose classes the run's files may name besides this one, with commas
            between them: that of an own network, say. Their code is run.
    """
    path = check_output(out, overwrite)
    check_count("n", n)
    ckpt_path = str(find_checkpoint(ckpt_path))
    model = load_supporting(ckpt_path, "trajectory", trust)
    if path.suffix == ".png":
        check_picturable(model.sample_shape)
    frames = shown_frames(model, start, steps, every, path.suffix == ".png")
    random = keyed_generator(seed, "synthesize", device=model.device)
    data = partial(load_data, ckpt_path, trust)
    x, labels = started(model, data, start, n, label, seed, random)
    states = follow(model, x, frames, labels, random)
    write_frames({frame.time: frame.x for frame in states}, data, seed, path)


def shown_frames(
    model: GenerativeModule, start: Start, steps: int | None, every: int | None, pictured: bool
) -> int | list[int]:
    r"""Returns the number of states of a flow after its start, or the steps after which chains are shown.

    Raises:
        ValueError: If a flow is asked for what only chains have, or :func:`shown_times` refuses.
    """
    if model.dynamics == "chains":
        return shown_times(model.chains.steps if steps is None else steps, every, pictured)
    for name, given in (("start", start != "noise"), ("steps", steps), ("every", every)):
        if given:
            raise ValueError(
                f"{name!r} is of chains, and a {type(model).__name__} flows from noise, as its solver "
                "goes: leave it out."
            )
    return FRAMES - 1


def write_frames(frames: dict[float, Tensor], data: Data, seed: int, path: Path) -> None:
    r"""Writes the last states as an array, or states on their way as a picture."""
    last = frames[max(frames)]
    if path.suffix == ".npz":
        write_samples(last, path)
    elif last.ndim == 4:
        write_picture(film(frames), path)
    else:
        real = held_out_samples(data(), REAL_POINTS, seed)[0]
        write_picture(plane_picture(frames, real), path)
    print(path)


def shown_times(steps: int, every: int | None, pictured: bool) -> list[int]:
    r"""Returns the steps after which chains are shown: at first and at last, and evenly between.

    Raises:
        ValueError: If there are no steps, or more of them than a picture has room for.
    """
    check_count("steps", steps)
    if every is None:
        return sorted({round(steps * i / (FRAMES - 1)) for i in range(FRAMES)})
    check_count("every", every)
    times = sorted({*range(0, steps, every), steps})
    if pictured and len(times) > COLUMNS:
        raise ValueError(
            f"'every' should be at least {-(-steps // (COLUMNS - 1))} for a picture of {steps} "
            f"steps, got {every}."
        )
    return times


def check_picturable(shape: tuple[int, ...]) -> None:
    r"""Raises a `ValueError` unless samples of a shape are images or points in the plane."""
    if not (len(shape) == 3 and shape[0] in (1, 3)) and shape != (2,):
        raise ValueError(f"'out' should end in .npz for samples of shape {shape}.")


def started(
    model: GenerativeModule,
    data: Data,
    start: Start,
    n: int,
    label: int | None,
    seed: int,
    random: torch.Generator,
) -> tuple[Tensor, Tensor | None]:
    r"""Returns where samples start, with shape :math:`(n, *)`, and their classes, if there are any.

    Raises:
        ValueError: If the model has no generator to start at, or no such class.
    """
    if start == "data":
        x, own = held_out_samples(data(), n, seed)
        return x, class_labels(label, model, len(x), random, own)
    labels = class_labels(label, model, n, random)
    return model.starting_points(n, labels, random, start), labels


def film(frames: dict[float, Tensor]) -> Image.Image:
    r"""Returns images on their way, a row each."""
    return film_picture(
        {f"{step:,g}": to_uint8(x[:ROWS].clamp(-1, 1)) for step, x in frames.items()}
    )
