r"""`energy-gans synthesize`: the Langevin chains or the flow of a learned potential, as a film.

Chains start from noise, at held-out real samples or at samples of the model's generator. The
printed table gives the mean potential and the mean norm of the score at each time. After a good
training, the potential rises from its value at noise to its value at real samples and stays there.
A VAPO flows from noise instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, get_args

import torch
from PIL import Image
from torch import Tensor

from ..checks import Names, check_choice, check_count
from ..data.base import TensorDataModule
from ..functional import keyed_generator
from ..methods import GenerativeModule
from ..methods.bases.capabilities import Frame
from ..metrics.images import to_uint8
from ..plots.figures import write_picture
from ..plots.images import film_picture
from ..plots.points import trajectory_picture
from ..storage.arrays import write_samples
from .models import (
    Checkpoint,
    class_labels,
    find_model,
    load_supporting,
)
from .outputs import Output, check_output
from .real_data import RunData, held_out_samples, load_data
from .results import Result
from .trajectories import follow_trajectory, trajectory_table

# The number of times that are shown by default.
FRAMES = 11
# The largest number of rows and columns of a picture.
ROWS, COLUMNS = 16, 20
# The number of real points in a picture of the plane.
REAL_POINTS = 1000

# What the columns and the rows of a film are, by the model's dynamics.
FILMS = {"chains": ("Langevin step", "one chain"), "flow": ("time of the flow", "one sample")}

Start = Literal["noise", "data", "generator"]
# Opens the data of the run.
Data = Callable[[], TensorDataModule]


@dataclass(frozen=True, repr=False, eq=False)
class Synthesis(Result):
    r"""The states of moving samples: Langevin chains, or a flow.

    Arguments:
        frames: The states in order of time: `time` (steps of chains, or the time of a flow), `x`
            with shape :math:`(n, *)`, `potential` and `speed` with shape :math:`(n)`.
        label: The classes of the samples, with shape :math:`(n)`, or `None` without classes.
        dynamics: `"chains"` or `"flow"`.
        real: Real points for the picture of samples in the plane, with shape :math:`(N, 2)`. N is
            0 for other samples, or if neither a picture nor data was asked for.
        path: The file that was written, or `None`.
    """

    frames: list[Frame]
    label: Tensor | None
    dynamics: str
    real: Tensor
    path: Path | None

    @property
    def x(self) -> Tensor:
        r"""The last states, with shape :math:`(n, *)`."""
        return self.frames[-1].x

    @property
    def table(self) -> str:
        r"""The mean potential and speed at each time, in Markdown."""
        return trajectory_table(self.dynamics, self.frames)

    @cached_property
    def picture(self) -> Image.Image | None:
        r"""A film of images, or panels of points; `None` for samples of other shapes."""
        states = {frame.time: frame.x for frame in self.frames}
        if self.x.shape[1:] == (2,):
            return trajectory_picture(states, self.real)
        if self.x.ndim != 4 or self.x.shape[1] not in (1, 3):
            return None
        images = {f"{time:,g}": to_uint8(x[:ROWS].clamp(-1, 1)) for time, x in states.items()}
        return film_picture(images, *FILMS[self.dynamics])

    def __str__(self) -> str:
        return self.table.rstrip("\n") if self.path is None else str(self.path)


def synthesize(
    ckpt_path: Checkpoint,
    start: Start = "noise",
    steps: int | None = None,
    n: int = 8,
    every: int | None = None,
    label: int | None = None,
    seed: int = 0,
    out: Output = None,
    overwrite: bool = False,
    trust: Names = "",
    data: RunData = None,
) -> Synthesis:
    r"""Runs a model's Langevin chains or its flow and draws the samples on their way.

    Chains have the step size, the noise and the bounds of the training. A multi-grid ConvNet runs
    the chains of its finest grid.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run if chains start at data.
        start: Where chains start: from noise, at held-out data, or at samples of the generator.
        steps: The number of steps; by default the number used in training.
        n: The number of chains; at most the number of held-out samples if chains start at data.
        every: The number of steps between two states that are shown; by default 11 states are
            shown.
        label: The class of all chains, for class-conditional models; by default the class of each
            held-out sample, or a random class for each chain.
        seed: The seed of the starting points and of the noise.
        out: The picture as `.png`, with a row for each of the first 16 chains, or a panel for each
            time for points in the plane; or the last states as `.npz`, float32.
        overwrite: Whether `out` may exist.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.
        data: The data module, or held-out samples; the data of the model's run by default.

    Returns:
        The states on the way, with shape :math:`(n, *)`, images in [-1, 1], and their labels.

    Raises:
        ValueError: If an argument is out of its range or does not fit the model.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    path = check_output(out, overwrite)
    check_count("n", n)
    check_choice("start", start, get_args(Start))
    ckpt_path = find_model(ckpt_path)
    model = load_supporting(ckpt_path, "trajectory", trust)
    pictured = path is not None and path.suffix == ".png"
    if pictured:
        _check_drawable(model.sample_shape)
    frames = _frames(model, start, steps, every, pictured)
    random = keyed_generator(seed, "synthesize", device=model.device)
    opened = partial(load_data, ckpt_path, trust, data, held_out_only=True)
    x, labels = _starting_points(model, opened, start, n, label, seed, random)
    states = follow_trajectory(model, x, frames, labels, random)
    real = torch.empty(0, 2)
    if (pictured or data is not None) and model.sample_shape == (2,):
        real = held_out_samples(opened(), REAL_POINTS, seed)[0]
    labels = None if labels is None else labels.cpu()
    made = Synthesis(states, labels, model.dynamics, real, path)
    if pictured:
        write_picture(made.picture, path)
    elif path is not None:
        write_samples(made.x, path)
    return made


def _frames(
    model: GenerativeModule, start: Start, steps: int | None, every: int | None, pictured: bool
) -> int | list[int]:
    r"""Returns the steps at which chains are shown, or a flow's number of states after its start.

    Raises:
        ValueError: If an argument of chains is given for a flow, or :func:`_chain_times` refuses.
    """
    if model.dynamics == "chains":
        return _chain_times(model.chains.steps if steps is None else steps, every, pictured)
    for name, given in (("start", start != "noise"), ("steps", steps), ("every", every)):
        if given:
            raise ValueError(
                f"{name!r} is of chains, and a {type(model).__name__} flows from noise, as its "
                "solver goes: leave it out."
            )
    return FRAMES - 1


def _chain_times(steps: int, every: int | None, pictured: bool) -> list[int]:
    r"""Returns the steps at which chains are shown: the first, the last, and evenly between.

    Raises:
        ValueError: If `steps` or `every` is not positive, or a picture has no room for all of
            them.
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


def _check_drawable(shape: tuple[int, ...]) -> None:
    r"""Raises a `ValueError` unless samples of a shape are images or points in the plane."""
    if not (len(shape) == 3 and shape[0] in (1, 3)) and shape != (2,):
        raise ValueError(f"'out' should end in .npz for samples of shape {shape}.")


def _starting_points(
    model: GenerativeModule,
    data: Data,
    start: Start,
    n: int,
    label: int | None,
    seed: int,
    random: torch.Generator,
) -> tuple[Tensor, Tensor | None]:
    r"""Returns the starting points, with shape :math:`(n, *)`, and their classes or `None`.

    Raises:
        ValueError: If `start` needs a generator that the model lacks, or `label` is no class of
            it.
    """
    if start == "data":
        x, own = held_out_samples(data(), n, seed)
        own = None if own is None else own.to(model.device)
        return x.to(model.device), class_labels(label, model, len(x), random, own)
    labels = class_labels(label, model, n, random)
    return model.starting_points(n, labels, random, start), labels
