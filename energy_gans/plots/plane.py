r"""Pictures and films of a potential in the plane: colours, its gradient, and particles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from ..functional import potential_gradient
from ..functional.langevin import Field
from .figures import FIELD, GENERATED, LINES, REAL, legend_dot, render
from .points import COORDINATES, draw_points, set_limits, square_limits, time_heading

POINTS = 120
LEVELS = 20
# Stream lines use every third point of the grid, because they are slow. An arrow is drawn at every
# sixth.
COARSE, EVERY = 3, 6
# Colours do not resolve the lowest quarter of the potential. Limits leave out 2% of particles on
# each side.
LOWEST, OUTSIDE = 0.25, 0.02


class _Surface(NamedTuple):
    r"""A potential and its gradient on a grid."""

    u: Tensor
    v: Tensor
    phi: Tensor
    force: Tensor


class Plane:
    r"""The part of the plane that holds real points and particles, and a potential there.

    Arguments:
        potential: Returns the potential at a time in [0, 1], from :math:`(B, 2)` to :math:`(B)`.
        y: The real points, with shape :math:`(N, 2)`.
        course: The particles' positions, with shape :math:`(M, 2)`, by time.
    """

    def __init__(
        self, potential: Callable[[float], Field], y: Tensor, course: Mapping[float, Tensor]
    ) -> None:
        self.potential, self.y = potential, y
        points = y
        if course:
            ends = torch.tensor([OUTSIDE, 1 - OUTSIDE])
            inner = torch.stack([*course.values()]).quantile(ends, 1).flatten(0, 1)
            points = torch.cat([y, inner])
        self.low, self.high = square_limits(points)

    def surface(self, time: float | None) -> _Surface:
        r"""Returns the potential and its gradient at a time, 1 if `None`."""
        sides = [
            torch.linspace(a, b, POINTS)
            for a, b in zip(self.low.tolist(), self.high.tolist(), strict=True)
        ]
        u, v = torch.meshgrid(*sides, indexing="xy")
        a = torch.stack([u, v], -1).flatten(0, 1)
        phi = self.potential(1.0 if time is None else time)
        with torch.no_grad():
            values = phi(a).reshape(u.shape)
        return _Surface(u, v, values, potential_gradient(phi)(a).reshape(*u.shape, 2))

    def frame(self, axis: Axes, title: str, labelled: bool = True) -> None:
        r"""Sets the limits and the title of a panel, and labels its axes if there is room."""
        set_limits(axis, (self.low, self.high))
        axis.set_title(title, fontsize=10)
        if labelled:
            axis.set_xlabel(COORDINATES[0], fontsize=9)
            axis.set_ylabel(COORDINATES[1], fontsize=9)
            axis.tick_params(labelsize=8)
        else:
            axis.set(xticks=[], yticks=[])


def field_picture(potential: Field | None, real: Tensor, generated: Tensor) -> Image.Image:
    r"""Returns a picture of points in the plane and of their potential.

    The left panel shows real and generated points. The right panel shows the potential, light
    where it is high, with arrows along its gradient: the force on a generated point.

    Arguments:
        potential: The potential, from :math:`(B, 2)` to :math:`(B)`, or `None` for the left panel
            only.
        real: The real points, with shape :math:`(N, 2)`; N may be 0.
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
        figure.colorbar(
            _draw_surface(axes[1], surface), ax=axes[1], shrink=0.85, label="potential"
        )
        _draw_arrows(axes[1], surface)
        draw_points(axes[1], generated, 3, GENERATED)
        plane.frame(axes[1], "potential, direction of the force, and generated points")
    return render(figure)


def landscape_picture(
    plane: Plane,
    course: Mapping[float, Tensor],
    times: Mapping[float, float | None],
    time: float,
) -> Image.Image:
    r"""Returns a picture of a potential, its gradient, and particles in a panel for each time.

    Arguments:
        plane: The plane.
        course: The particles, with shape :math:`(M, 2)`, by time or step.
        times: The potential's time for each of these, or `None` for a potential without time.
        time: The time of the potential in the left panel.
    """
    columns = math.ceil(len(course) / 2) if len(course) > 1 else 1
    rows = math.ceil(len(course) / columns)
    size = 2.9 if rows > 1 else 5.6
    figure = Figure(figsize=(6.8 + size * columns, 5.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[6.8, size * columns])
    axis = left.subplots()
    timed = next(iter(times.values())) is not None
    shown = time if timed else None
    surfaces = {t: plane.surface(t) for t in dict.fromkeys([shown, *times.values()])}
    surface = surfaces[shown]
    colours = _draw_surface(axis, surface)
    left.colorbar(colours, ax=axis, shrink=0.75, ticks=_ticks(colours), label="potential")
    _draw_lines(axis, surface)
    draw_points(axis, plane.y, 4, REAL)
    _draw_legend(axis)
    plane.frame(axis, "potential, its gradient, and real points" + f", time {time:g}" * timed)
    for axis in (axes := right.subplots(rows, columns, squeeze=False).flatten()):
        axis.set_visible(False)
    for axis, (t, x) in zip(axes, course.items(), strict=False):
        axis.set_visible(True)
        _draw_surface(axis, surfaces[times[t]])
        draw_points(axis, plane.y, 1, REAL)
        draw_points(axis, x, 5 if rows > 1 else 8, GENERATED)
        plane.frame(axis, time_heading(t) if len(course) > 1 else "samples", len(course) == 1)
    return render(figure)


def landscape_film(
    plane: Plane, course: Mapping[float, Tensor], times: Mapping[float, float | None]
) -> Iterator[Image.Image]:
    r"""Yields the images of moving particles. The potential is redrawn if its time has changed.

    Arguments:
        plane: The plane.
        course: The particles, as for :func:`landscape_picture`.
        times: The potential's times, as for :func:`landscape_picture`.
    """
    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    axis = figure.subplots()
    drawn: tuple[float | None] | None = None
    for t, x in course.items():
        if drawn != (times[t],):
            axis.clear()
            surface = plane.surface(times[t])
            _draw_surface(axis, surface)
            _draw_arrows(axis, surface)
            draw_points(axis, plane.y, 2, REAL)
            _draw_legend(axis)
            drawn = (times[t],)
        dots = draw_points(axis, x, 7, GENERATED)
        plane.frame(axis, time_heading(t), labelled=False)
        yield render(figure)
        dots.remove()


def _draw_legend(axis: Axes) -> None:
    dots = [legend_dot(REAL, "real"), legend_dot(GENERATED, "generated")]
    axis.legend(handles=dots, loc="upper right", fontsize=8)


def _draw_surface(axis: Axes, surface: _Surface) -> ContourSet:
    r"""Draws a potential as colours, light where it is high."""
    low, high = surface.phi.quantile(LOWEST).item(), surface.phi.max().item()
    if not low < high:
        low, high = low - 0.5, high + 0.5
    levels = MaxNLocator(LEVELS).tick_values(low, high)
    return axis.contourf(*surface[:3], levels, cmap=FIELD, extend="min", alpha=0.6)


def _ticks(colours: ContourSet) -> list[float]:
    r"""Returns numbers for a colour bar that lie within its levels."""
    low, high = colours.levels[0], colours.levels[-1]
    return [t for t in MaxNLocator(8).tick_values(low, high) if low <= t <= high]


def _draw_lines(axis: Axes, surface: _Surface) -> None:
    r"""Draws stream lines of a gradient."""
    every = (slice(None, None, COARSE), slice(None, None, COARSE))
    places = (surface.u[every].numpy(), surface.v[every].numpy())
    along = (f.numpy() for f in surface.force[every].unbind(-1))
    style = {"density": 1.2, "color": LINES, "linewidth": 0.5, "arrowsize": 0.7}
    axis.streamplot(*places, *along, **style)


def _draw_arrows(axis: Axes, surface: _Surface) -> None:
    r"""Draws arrows of equal length along a gradient, which is much faster than stream lines."""
    every = (slice(EVERY // 2, None, EVERY), slice(EVERY // 2, None, EVERY))
    along = torch.nn.functional.normalize(surface.force[every], dim=-1)
    places = surface.u[every], surface.v[every]
    style = {"color": LINES, "alpha": 0.6, "scale": 32, "width": 2e-3, "pivot": "mid"}
    axis.quiver(*places, *along.unbind(-1), **style)
