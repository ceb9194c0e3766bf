r"""Pictures and films of a potential in the plane: colours, lines along its gradient, and particles."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from ..files import atomic_write
from ..functional import potential_gradient
from ..functional.langevin import Field
from .figures import GENERATED, LINES, POTENTIAL, REAL, render

POINTS = 120
LEVELS = 20
# Every how many of the grid's points lines are drawn by, which is slow, and there is an arrow.
COARSE, EVERY = 3, 6
# The share of the plane, where the potential is lowest, that has one colour; the share of particles at
# each side that may be out of sight.
LOWEST, OUTSIDE = 0.25, 0.02
MARGIN = 0.15
PER_SECOND = 12
# How many frames the last one of a film stays.
REST = 12


class Surface(NamedTuple):
    r"""Creates a potential and its gradient on a grid."""

    u: Tensor
    v: Tensor
    phi: Tensor
    force: Tensor


class Plane:
    r"""Creates the part of the plane that holds real points and particles, and a potential there.

    Arguments:
        potential: Returns the potential at a time in [0, 1], from :math:`(B, 2)` to :math:`(B)`.
        y: The real points, with shape :math:`(N, 2)`.
        course: The particles on their way, with shape :math:`(M, 2)`, by time.
    """

    def __init__(
        self, potential: Callable[[float], Field], y: Tensor, course: Mapping[float, Tensor]
    ) -> None:
        self.potential, self.y = potential, y
        seen = y
        if course:
            ends = torch.tensor([OUTSIDE, 1 - OUTSIDE])
            inner = torch.stack([*course.values()]).quantile(ends, 1).flatten(0, 1)
            seen = torch.cat([y, inner])
        low, high = seen.amin(0), seen.amax(0)
        half = (0.5 + MARGIN) * (high - low).max().clamp(min=1e-6)
        self.low, self.high = (low + high) / 2 - half, (low + high) / 2 + half

    def surface(self, time: float | None) -> Surface:
        r"""Returns the potential at a time, and its gradient."""
        sides = [
            torch.linspace(a, b, POINTS)
            for a, b in zip(self.low.tolist(), self.high.tolist(), strict=True)
        ]
        u, v = torch.meshgrid(*sides, indexing="xy")
        a = torch.stack([u, v], -1).flatten(0, 1)
        phi = self.potential(1.0 if time is None else time)
        with torch.no_grad():
            values = phi(a).reshape(u.shape)
        return Surface(u, v, values, potential_gradient(phi)(a).reshape(*u.shape, 2))

    def frame(self, axis: Axes, title: str) -> None:
        r"""Gives a panel the plane's limits and a title."""
        (left, bottom), (right, top) = self.low.tolist(), self.high.tolist()
        axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
        axis.set_title(title, fontsize=10)


def field_picture(potential: Field | None, real: Tensor, generated: Tensor) -> Image.Image:
    r"""Returns a picture of points in the plane, and of the potential they move in.

    The left panel shows real and generated points, the right one the potential, light where it is high, with
    arrows in the direction of its gradient, the force on a generated point.

    Arguments:
        potential: The potential, from :math:`(B, 2)` to :math:`(B)`, or `None` for the left panel alone.
        real: The real points, with shape :math:`(N, 2)`; there may be none.
        generated: The generated points, with shape :math:`(M, 2)`.
    """
    real, generated = real.cpu(), generated.cpu()
    plane = Plane(lambda time: potential, real if len(real) else generated, {})
    figure = Figure(figsize=(11 if potential else 5.5, 5.4), layout="constrained")
    axes = figure.subplots(1, 2 if potential else 1, squeeze=False)[0]
    if len(real):
        draw_points(axes[0], real, 4, REAL).set_label("real")
    draw_points(axes[0], generated, 4, GENERATED).set_label("generated")
    axes[0].legend(loc="upper right", markerscale=4)
    plane.frame(axes[0], "samples")
    if potential:
        surface = plane.surface(None)
        figure.colorbar(draw_surface(axes[1], surface), ax=axes[1], shrink=0.85, label="potential")
        draw_arrows(axes[1], surface)
        draw_points(axes[1], generated, 3, GENERATED)
        plane.frame(axes[1], "potential and direction of the force")
    return render(figure)


def landscape_picture(
    plane: Plane,
    course: Mapping[float, Tensor],
    times: Mapping[float, float | None],
    time: float,
) -> Image.Image:
    r"""Returns a picture of a potential and its gradient, and beside it of particles, a panel a time.

    Arguments:
        plane: The plane.
        course: The particles, with shape :math:`(M, 2)`, by the time or the step.
        times: The time that the potential knows at each, or `None` if it knows none.
        time: The time of the potential alone.
    """
    columns = math.ceil(len(course) / 2) if len(course) > 1 else 1
    rows = math.ceil(len(course) / columns)
    size = 2.9 if rows > 1 else 5.4
    figure = Figure(figsize=(6.4 + size * columns, 5.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[6.4, size * columns])
    axis = left.subplots()
    timed = next(iter(times.values())) is not None
    surface = plane.surface(time)
    left.colorbar(draw_surface(axis, surface), ax=axis, shrink=0.75, ticks=MaxNLocator(8))
    draw_lines(axis, surface)
    draw_points(axis, plane.y, 4, REAL)
    plane.frame(axis, "potential, its gradient, and real points" + f", time {time:g}" * timed)
    for axis in (axes := right.subplots(rows, columns, squeeze=False).flatten()):
        axis.set_visible(False)
    for axis, (t, x) in zip(axes, course.items(), strict=False):
        axis.set_visible(True)
        draw_surface(axis, plane.surface(times[t]))
        draw_points(axis, plane.y, 1, REAL)
        draw_points(axis, x, 5 if rows > 1 else 8, GENERATED)
        plane.frame(axis, heading(t) if len(course) > 1 else "samples")
    return render(figure)


def landscape_film(
    plane: Plane,
    course: Mapping[float, Tensor],
    times: Mapping[float, float | None],
    path: Path,
) -> None:
    r"""Writes particles in motion as a GIF, whole or not at all.

    Arguments:
        plane: The plane.
        course: The particles, as for :func:`landscape_picture`.
        times: The time that the potential knows at each, or `None` if it knows none.
        path: The path of the GIF.
    """
    with tempfile.TemporaryDirectory() as scratch:
        film = Path(scratch) / "film.gif"
        draw_film(plane, course, times, film)
        with atomic_write(path) as file:
            file.write(film.read_bytes())


def draw_film(
    plane: Plane,
    course: Mapping[float, Tensor],
    times: Mapping[float, float | None],
    path: Path,
) -> None:
    r"""Draws the frames of :func:`landscape_film` into a GIF."""
    figure = Figure(figsize=(5.2, 5.4), layout="constrained")
    axis = figure.subplots()
    writer = PillowWriter(PER_SECOND)
    drawn: tuple[float | None] | None = None
    with writer.saving(figure, path, 100):
        for t, x in course.items():
            if drawn != (times[t],):
                axis.clear()
                surface = plane.surface(times[t])
                draw_surface(axis, surface)
                draw_arrows(axis, surface)
                draw_points(axis, plane.y, 2, REAL)
                drawn = (times[t],)
            dots = draw_points(axis, x, 9, GENERATED)
            plane.frame(axis, heading(t))
            writer.grab_frame()
            if t == max(course):
                for _ in range(REST):
                    writer.grab_frame()
            dots.remove()


def heading(time: float) -> str:
    r"""Returns a time, or a step if it is a whole number, in words."""
    return f"step {time:,}" if isinstance(time, int) else f"time {time:.2f}"


def draw_surface(axis: Axes, surface: Surface) -> ContourSet:
    r"""Draws a potential as colours, light where it is high."""
    low, high = surface.phi.quantile(LOWEST).item(), surface.phi.max().item()
    if not low < high:
        low, high = low - 0.5, high + 0.5
    levels = MaxNLocator(LEVELS).tick_values(low, high)
    return axis.contourf(*surface[:3], levels, cmap=POTENTIAL, extend="min", alpha=0.6)


def draw_lines(axis: Axes, surface: Surface) -> None:
    r"""Draws lines along a gradient."""
    every = (slice(None, None, COARSE), slice(None, None, COARSE))
    places = (surface.u[every].numpy(), surface.v[every].numpy())
    along = (f.numpy() for f in surface.force[every].unbind(-1))
    style = {"density": 1.2, "color": LINES, "linewidth": 0.5, "arrowsize": 0.7}
    axis.streamplot(*places, *along, **style)


def draw_arrows(axis: Axes, surface: Surface) -> None:
    r"""Draws arrows of one length along a gradient, in a fraction of the time of lines."""
    every = (slice(EVERY // 2, None, EVERY), slice(EVERY // 2, None, EVERY))
    along = torch.nn.functional.normalize(surface.force[every], dim=-1)
    places = surface.u[every], surface.v[every]
    style = {"color": LINES, "alpha": 0.6, "scale": 32, "width": 2e-3, "pivot": "mid"}
    axis.quiver(*places, *along.unbind(-1), **style)


def draw_points(axis: Axes, x: Tensor, size: float, colour: str) -> PathCollection:
    r"""Draws points as dots."""
    return axis.scatter(*x.T, s=size, c=colour, linewidths=0, alpha=0.8, zorder=3)
