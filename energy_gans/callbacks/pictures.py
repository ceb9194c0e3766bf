r"""Pictures of samples, of fields and of curves."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from ..files import atomic_write

REAL, GENERATED = "#8a8f98", "#d1495b"
LEAST_CELL = 64


def image_grid(x: Tensor) -> Image.Image:
    r"""Returns images side by side, on a square grid, small ones enlarged.

    Arguments:
        x: The images in [-1, 1], with shape :math:`(N, C, H, W)`, one or three channels.
    """
    columns = math.ceil(math.sqrt(len(x)))
    factor = max(1, round(LEAST_CELL / x.shape[-1]))
    x = x.float().cpu().clamp(-1, 1).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    return to_pil_image(make_grid((x + 1) / 2, nrow=columns, padding=2, pad_value=0.5))


def field_picture(
    potential: Callable[[Tensor], Tensor] | None, real: Tensor, generated: Tensor
) -> Image.Image:
    r"""Returns a picture of points in the plane, and of the potential they move in.

    On the left real and generated points; on the right the potential, warm where it is high, with
    arrows along its gradient, the force on a generated point.

    Arguments:
        potential: The potential, from :math:`(B, 2)` to :math:`(B)`, or `None` to leave it out.
        real: The real points, with shape :math:`(N, 2)`; there may be none.
        generated: The generated points, with shape :math:`(M, 2)`.
    """
    seen = real if len(real) else generated
    low, high = seen.amin(0), seen.amax(0)
    margin = 0.15 * (high - low).max()
    extent = [
        v for a, b in zip(low - margin, high + margin, strict=True) for v in (a.item(), b.item())
    ]
    figure = Figure(figsize=(11 if potential else 5.5, 5.4), layout="constrained")
    axes = figure.subplots(1, 2 if potential else 1, squeeze=False)[0]
    if len(real):
        axes[0].scatter(*real.cpu().T, s=3, c=REAL, alpha=0.4, linewidths=0, label="real")
    axes[0].scatter(
        *generated.cpu().T, s=3, c=GENERATED, alpha=0.6, linewidths=0, label="generated"
    )
    axes[0].legend(loc="upper right", markerscale=4)
    axes[0].set_title("samples")
    if potential:
        draw_potential(figure, axes[1], potential, extent)
        axes[1].scatter(*generated.cpu().T, s=1.5, c="k", alpha=0.25, linewidths=0)
    for axis in axes:
        axis.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    return rendered(figure)


def draw_potential(
    figure: Figure, axis: object, potential: Callable[[Tensor], Tensor], extent: Sequence[float]
) -> None:
    r"""Draws a potential in the plane as colours, and its gradient as arrows."""
    left, right, bottom, top = extent
    u, v = torch.meshgrid(
        torch.linspace(left, right, 160), torch.linspace(bottom, top, 160), indexing="xy"
    )
    points = torch.stack([u, v], -1).flatten(0, 1).requires_grad_()
    with torch.enable_grad():
        phi = potential(points)
        (force,) = torch.autograd.grad(phi.sum(), points)
    phi = phi.detach().reshape(u.shape)
    largest = phi.abs().max().item() or 1.0
    image = axis.imshow(
        phi, origin="lower", extent=extent, cmap="RdBu_r", vmin=-largest, vmax=largest
    )
    figure.colorbar(image, ax=axis, shrink=0.85)
    every = (slice(4, None, 8), slice(4, None, 8))
    arrows = force.reshape(*u.shape, 2)[every]
    axis.quiver(
        u[every], v[every], arrows[..., 0], arrows[..., 1], color="k", alpha=0.5, width=2e-3
    )
    axis.set_title("learned potential and force")


def curves_picture(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Image.Image:
    r"""Returns a picture of curves over the step, a panel each.

    Arguments:
        curves: The steps and the values of each curve, by name.
    """
    columns = min(len(curves), 3) or 1
    rows = math.ceil(len(curves) / columns) or 1
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis, (name, (steps, values)) in zip(axes, curves.items(), strict=False):
        # A single point makes no line.
        marker = "o" if sum(map(math.isfinite, values)) == 1 else None
        axis.plot(steps, values, color=GENERATED, linewidth=1.2, marker=marker, markersize=4)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
    for axis in axes[len(curves) :]:
        axis.set_visible(False)
    return rendered(figure)


def rendered(figure: Figure) -> Image.Image:
    r"""Returns a figure as an image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")


def write_picture(image: Image.Image, path: Path) -> None:
    r"""Writes a PNG, whole or not at all."""
    with atomic_write(path) as file:
        image.save(file, format="PNG")
