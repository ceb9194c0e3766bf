r"""`energy-gans sample`: samples of a checkpoint, as a picture or as an array."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..checks import check_count
from ..methods import GenerativeModule
from ..plots.figures import write_picture
from ..plots.images import image_grid
from ..plots.plane import field_picture
from ..storage.arrays import write_samples
from ..storage.checkpoint import load_model


def sample(
    ckpt_path: str,
    n: int = 64,
    out: str = "samples.png",
    seed: int = 0,
    batch_size: int = 500,
    overwrite: bool = False,
    trust: str = "",
) -> None:
    r"""Draws samples from a checkpoint's model.

    Arguments:
        ckpt_path: The checkpoint, or the folder of a run: then its last one.
        n: The number of samples.
        out: Where to write them: a grid of images or a scatter of points as `.png`, or the array
            `samples` as `.npz`, float32, images in [-1, 1].
        seed: The seed of the latents.
        batch_size: The number of samples that are drawn at a time.
        overwrite: Whether `out` may exist.
        trust: The packages whose classes the run's files may name besides this one, with commas
            between them: that of an own network, say. Their code is run.
    """
    path = checked_output(out, overwrite)
    check_count("n", n)
    check_count("batch_size", batch_size)
    x = draw(load_model(ckpt_path, trust), n, seed, batch_size)
    if path.suffix == ".npz":
        write_samples(x, path)
    elif x.ndim == 4:
        write_picture(image_grid(x), path)
    elif x.ndim == 2 and x.shape[1] == 2:
        write_picture(field_picture(None, x[:0], x), path)
    else:
        raise ValueError(f"'out' should end in .npz for samples of shape {tuple(x.shape[1:])}.")
    print(f"{n} samples: {path}")


def draw(model: GenerativeModule, n: int, seed: int, batch_size: int = 500) -> torch.Tensor:
    r"""Returns `n` samples drawn in batches, with shape :math:`(n, *)`.

    Arguments:
        model: The model.
        n: The number of samples.
        seed: The seed of the latents.
        batch_size: The number of samples that are drawn at a time.
    """
    random = torch.Generator(model.device).manual_seed(seed)
    sizes = [min(batch_size, n - i) for i in range(0, n, batch_size)]
    return torch.cat([model.sample(size, random=random).cpu() for size in sizes])


def checked_output(
    out: str, overwrite: bool, endings: tuple[str, ...] = (".png", ".npz"), argument: str = "out"
) -> Path:
    r"""Returns the path of an output, once it is known that it can be written.

    Arguments:
        out: The path.
        overwrite: Whether the file may exist.
        endings: The endings that it may have.
        argument: The argument that gave the path.

    Raises:
        ValueError: If it has no known ending.
        FileExistsError: If it exists and may not be overwritten.
        PermissionError: If its folder can not be written.
    """
    path = Path(out)
    if path.suffix not in endings:
        raise ValueError(f"{argument!r} should end in {' or '.join(endings)}, got {out!r}.")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{argument!r} = {out!r} exists: choose another name, or add --overwrite true."
        )
    check_writable(path, argument)
    return path


def check_writable(path: Path, argument: str = "out") -> None:
    r"""Makes the folder of an output, before anything is computed for it.

    Arguments:
        path: The path.
        argument: The argument that gave it.

    Raises:
        PermissionError: If its folder can not be made or written.
    """
    name = f"{argument!r} = {str(path)!r}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(f"{name} can not be written: {error}.") from error
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{name} can not be written: {path.parent} is read-only.")
