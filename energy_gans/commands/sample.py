r"""`energy-gans sample`: samples of a checkpoint, as a picture, as lines of text, or an array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..characters import read_lines
from ..checks import Names, check_count
from ..files import write_text
from ..plots.figures import write_picture
from ..plots.images import image_grid
from ..plots.plane import field_picture
from ..storage.arrays import write_samples
from .models import Checkpoint, draw_samples, open_model
from .outputs import Output, check_output
from .results import Result

_ENDINGS = (".png", ".npz", ".txt")


@dataclass(frozen=True, repr=False, eq=False)
class DrawnSamples(Result):
    r"""Samples of a model.

    Arguments:
        x: The samples, float32 on the CPU, with shape :math:`(n, *)`, images in [-1, 1].
        label: Their classes, with shape :math:`(n)`, or `None` for models without classes.
        path: The file that was written, or `None`.
        vocabulary: The characters of the channels of text, `""` for other samples.
    """

    x: Tensor
    label: Tensor | None
    path: Path | None
    vocabulary: str = ""

    @cached_property
    def lines(self) -> list[str]:
        r"""The lines of samples of text, `[]` for other samples."""
        return read_lines(self.x, self.vocabulary) if self.vocabulary else []

    @cached_property
    def picture(self) -> Image.Image | None:
        r"""A grid of images, or a scatter of points in the plane; `None` for other samples."""
        if self.x.ndim == 4:
            return image_grid(self.x)
        if self.x.ndim == 2 and self.x.shape[1] == 2:
            return field_picture(None, self.x[:0], self.x)
        return None

    def __str__(self) -> str:
        where = f"shape {tuple(self.x.shape[1:])}" if self.path is None else self.path
        return f"{len(self.x)} samples: {where}"


def sample(
    ckpt_path: Checkpoint,
    n: int = 64,
    out: Output = None,
    seed: int = 0,
    batch_size: int = 500,
    overwrite: bool = False,
    trust: Names = "",
    label: int | None = None,
) -> DrawnSamples:
    r"""Draws samples from a model and writes them as a picture, as text, or as an array.

    Arguments:
        ckpt_path: The checkpoint, or the folder of a run: then its last one.
        n: The number of samples.
        out: The samples: a grid of images or a scatter of points as `.png`, lines of text as
            `.txt`, or the array `samples` as `.npz`, float32, images in [-1, 1]. auto is
            samples.txt for text, and samples.png for others.
        seed: The seed of the latents.
        batch_size: The number of samples in a batch.
        overwrite: Whether `out` may exist.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.
        label: The class of all samples, for class-conditional models; random classes by default.

    Returns:
        The samples, with shape :math:`(n, *)`, images in [-1, 1], and their labels.

    Raises:
        ValueError: If an argument is out of its range or does not fit the model.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    check_count("n", n)
    check_count("batch_size", batch_size)
    path = None if out == "auto" else check_output(out, overwrite, _ENDINGS)
    model = open_model(ckpt_path, trust)
    if out == "auto":
        name = "samples.txt" if model.vocabulary else "samples.png"
        path = check_output(name, overwrite, _ENDINGS)
    drawn = DrawnSamples(*draw_samples(model, n, seed, batch_size, label), path, model.vocabulary)
    if path is not None:
        _write(drawn, path)
    return drawn


def _write(drawn: DrawnSamples, path: Path) -> None:
    r"""Writes samples to a file.

    Raises:
        ValueError: If the ending of the file does not fit the samples.
    """
    if path.suffix == ".npz":
        write_samples(drawn.x, path)
    elif path.suffix == ".txt" and drawn.lines:
        write_text("\n".join([*drawn.lines, ""]), path)
    elif path.suffix == ".png" and drawn.picture is not None:
        write_picture(drawn.picture, path)
    else:
        fitting = ".txt or .npz" if drawn.lines else ".png or .npz" if drawn.picture else ".npz"
        raise ValueError(
            f"'out' should end in {fitting} for samples of shape {tuple(drawn.x.shape[1:])}."
        )
