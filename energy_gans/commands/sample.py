r"""`energy-gans sample`: samples of a checkpoint, as a picture or as an array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..checks import check_count
from ..plots.figures import write_picture
from ..plots.images import image_grid
from ..plots.plane import field_picture
from ..storage.arrays import write_samples
from .models import Checkpoint, draw_samples, open_model
from .outputs import Output, check_output
from .results import Result


@dataclass(frozen=True, repr=False, eq=False)
class DrawnSamples(Result):
    r"""Samples of a model.

    Arguments:
        x: The samples, float32 on the CPU, with shape :math:`(n, *)`, images in [-1, 1].
        label: Their classes, with shape :math:`(n)`, or `None` for models without classes.
        path: The file that was written, or `None`.
    """

    x: Tensor
    label: Tensor | None
    path: Path | None

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
    trust: str = "",
    label: int | None = None,
) -> DrawnSamples:
    r"""Draws samples from a model and writes them as a picture or an array.

    Arguments:
        ckpt_path: The checkpoint, or the folder of a run: then its last one.
        n: The number of samples.
        out: The samples: a grid of images or a scatter of points as `.png`, or the array `samples`
            as `.npz`, float32, images in [-1, 1].
        seed: The seed of the latents.
        batch_size: The number of samples in a batch.
        overwrite: Whether `out` may exist.
        trust: Other packages whose classes the run's files may name, separated by commas, such as
            the package of your own network. Their code is run.
        label: The class of all samples, for class-conditional models; random classes by default.

    Returns:
        The samples, with shape :math:`(n, *)`, images in [-1, 1], and their labels.

    Raises:
        ValueError: If an argument is out of its range or does not fit the model.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    path = check_output(out, overwrite)
    check_count("n", n)
    check_count("batch_size", batch_size)
    drawn = DrawnSamples(
        *draw_samples(open_model(ckpt_path, trust), n, seed, batch_size, label), path
    )
    if path is None:
        return drawn
    if path.suffix == ".npz":
        write_samples(drawn.x, path)
    elif drawn.picture is None:
        raise ValueError(
            f"'out' should end in .npz for samples of shape {tuple(drawn.x.shape[1:])}."
        )
    else:
        write_picture(drawn.picture, path)
    return drawn
