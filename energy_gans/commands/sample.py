r"""`energy-gans sample`: samples of a checkpoint, as a picture or as an array."""

from __future__ import annotations

from ..checks import check_count
from ..plots.figures import write_picture
from ..plots.images import image_grid
from ..plots.plane import field_picture
from ..storage.arrays import write_samples
from ..storage.checkpoint import load_model
from .models import draw_samples
from .outputs import check_output


def sample(
    ckpt_path: str,
    n: int = 64,
    out: str = "samples.png",
    seed: int = 0,
    batch_size: int = 500,
    overwrite: bool = False,
    trust: str = "",
) -> None:
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
    """
    path = check_output(out, overwrite)
    check_count("n", n)
    check_count("batch_size", batch_size)
    x = draw_samples(load_model(ckpt_path, trust), n, seed, batch_size)
    if path.suffix == ".npz":
        write_samples(x, path)
    elif x.ndim == 4:
        write_picture(image_grid(x), path)
    elif x.ndim == 2 and x.shape[1] == 2:
        write_picture(field_picture(None, x[:0], x), path)
    else:
        raise ValueError(f"'out' should end in .npz for samples of shape {tuple(x.shape[1:])}.")
    print(f"{n} samples: {path}")
