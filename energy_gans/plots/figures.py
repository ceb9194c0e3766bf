r"""The palette of all pictures, and figures as images and files."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from ..files import atomic_write

REAL, GENERATED, REFERENCE = "#4a4f57", "#d1495b", "#2f4b7c"
BACKGROUND, LINES = "#d9dbdf", "#4d4d4d"
# Potentials are light where they are high.
POTENTIAL = "YlGnBu_r"
# Ten colours for methods and classes that the colour-blind can tell apart, and from grey.
CATEGORIES = (
    *("#0072B2", "#D55E00", "#882255", "#E69F00", "#88CCEE"),
    *("#332288", "#CC79A7", "#8C4A1E", "#DDCC77", "#000000"),
)


def render(figure: Figure) -> Image.Image:
    r"""Returns a figure as an image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")


def write_picture(image: Image.Image, path: Path) -> None:
    r"""Writes a PNG, whole or not at all."""
    with atomic_write(path) as file:
        image.save(file, format="PNG")
