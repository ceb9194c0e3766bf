r"""The palette of all pictures, and figures as images and files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from ..files import atomic_write

REAL, GENERATED, REFERENCE = "#4a4f57", "#d1495b", "#2f4b7c"
BACKGROUND, LINES = "#d9dbdf", "#4d4d4d"
# The colour map of potentials and densities: light where they are high.
FIELD = "YlGnBu_r"
# Ten colours for methods and classes, distinct for colour-blind readers and from grey.
CATEGORIES = (
    *("#0072B2", "#D55E00", "#882255", "#E69F00", "#88CCEE"),
    *("#332288", "#CC79A7", "#8C4A1E", "#DDCC77", "#000000"),
)
# The images of a film in a second, and the number of them for which it shows its last state.
PER_SECOND, REST = 12, 12
# The colours of a film.
COLOURS = 64
# Octrees keep small areas of a distinct colour, such as points.
_OCTREE = Image.Quantize.FASTOCTREE
# Five colours for the ordered values of a parameter.
ORDERED = ("#d1495b", "#e08e79", "#8a8f98", "#6f9ab8", "#2e6f95")


def render(figure: Figure) -> Image.Image:
    r"""Returns a figure as an image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")


def legend_dot(colour: str, label: str) -> Line2D:
    r"""Returns the entry of a legend for points of a colour."""
    return Line2D([], [], color=colour, linestyle="", marker="o", markersize=6, label=label)


def write_picture(image: Image.Image, path: Path) -> None:
    r"""Writes a PNG, whole or not at all."""
    with atomic_write(path) as file:
        image.save(file, format="PNG")


def write_film(images: Iterable[Image.Image], path: Path) -> None:
    r"""Writes a GIF that runs for ever and rests at its last image, whole or not at all.

    All images share one palette, without dithering: areas of one colour keep the file small.

    Arguments:
        images: The images, of one size, at least one.
        path: The path of the GIF.
    """
    images = [*images]
    palette = _sheet([images[0], images[len(images) // 2], images[-1]]).quantize(COLOURS, _OCTREE)
    first, *others = (im.quantize(palette=palette, dither=Image.Dither.NONE) for im in images)
    pause = 1000 // PER_SECOND
    times = [pause] * len(others) + [(1 + REST) * pause]
    with atomic_write(path) as file:
        first.save(file, format="GIF", save_all=True, append_images=others, duration=times, loop=0)


def _sheet(images: Sequence[Image.Image]) -> Image.Image:
    r"""Returns images of one size, one below the other."""
    width, height = images[0].size
    sheet = Image.new("RGB", (width, height * len(images)))
    for i, image in enumerate(images):
        sheet.paste(image, (0, i * height))
    return sheet
