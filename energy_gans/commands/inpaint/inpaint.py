r"""`energy-gans inpaint`: held-out images with holes, filled by Langevin chains or a generator.

Langevin chains sample the density of the hole's pixels given the known pixels:

.. math:: x' = x + \frac{\delta^2}{2} \, s \big( m y + (1 - m) x \big) + \delta \epsilon

with the original :math:`y`, the score :math:`s` and the mask :math:`m`, which is 1 where a pixel
is known. The known pixels of :math:`x` move as well, but the score and the result use those of
:math:`y`. So the chain is the same as one that resets the known pixels after every step.

Holes start from noise. The holes of an inpainting GGCN start from its generator's output, which is
the result unless `steps` is given.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Section 5.6, https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...checks import Names, check_count
from ...data.batches import EVALUATION_BATCH
from ...files import write_text
from ...functional import keyed_generator
from ...methods import GenerativeModule
from ...metrics.features import EfficientNetLite0, FeatureExtractor
from ...metrics.images import to_uint8
from ...metrics.measures import few_images_warnings
from ...metrics.statistics import Statistics
from ...plots.figures import write_picture
from ...plots.images import side_by_side
from ...storage.arrays import write_samples
from ...storage.stamps import package_versions
from ..models import (
    Checkpoint,
    argument_of,
    class_labels,
    find_model,
    load_supporting,
    model_origin,
)
from ..outputs import Output, check_output_and_numbers, warn
from ..real_data import RunData, held_out_samples, load_data
from ..results import Result
from .baselines import RANGE, fill_by_baselines, fill_statistics, measure_fills, measures_table
from .masks import choose_mask

# The largest number of rows of the picture.
ROWS = 8


@dataclass(frozen=True, repr=False, eq=False)
class Inpainting(Result):
    r"""Held-out images with filled holes, and their measures.

    Arguments:
        x: The images filled by the model, in [-1, 1], with shape :math:`(N, C, H, W)`.
        y: The originals, in [-1, 1], with shape :math:`(N, C, H, W)`.
        known: The masks, 1 where a pixel is known, with shape :math:`(N, 1, H, W)`.
        sets: The filled images by the name of what fills them: the model, and two baselines;
            each in [-1, 1], with shape :math:`(N, C, H, W)`.
        measures: The measures of these, by the same names, for pixels in [-1, 1]: `mse`, `psnr` in
            decibels, `ssim`, `hole_mse`, `hole_psnr` and, if there are enough images, `fd`; `None`
            for infinity.
        protocol: What the numbers depend on: the holes, the numbers of images and steps, the data.
        origin: Where the samples come from: the checkpoint with its SHA-256, the seed, versions.
        path: The picture or the array that was written, with the numbers as `.json` beside it, or
            `None`.
    """

    x: Tensor
    y: Tensor
    known: Tensor
    sets: dict[str, Tensor]
    measures: dict[str, dict[str, float | None]]
    protocol: dict[str, Any]
    origin: dict[str, Any]
    path: Path | None

    @property
    def table(self) -> str:
        r"""The measures in Markdown, a row for each way to fill holes."""
        return measures_table(self.measures)

    @cached_property
    def picture(self) -> Image.Image:
        r"""The first images: originals, holes, and each way to fill them."""
        panels = {"original": self.y, "masked": self.known * self.y, **self.sets}
        rows = {name: to_uint8(images[:ROWS])[:, None] for name, images in panels.items()}
        return side_by_side(rows, rows="one held-out image")

    def __str__(self) -> str:
        places = "" if self.path is None else f"{self.path}\n{self.path.with_suffix('.json')}"
        return f"{self.table}{places}".rstrip("\n")


def inpaint(
    ckpt_path: Checkpoint,
    mask: str = "square",
    square: int | None = None,
    spots: float | None = None,
    n: int = 64,
    steps: int | None = None,
    label: int | None = None,
    extractor: FeatureExtractor | None = None,
    seed: int = 0,
    out: Output = None,
    overwrite: bool = False,
    trust: Names = "",
    data: RunData = None,
) -> Inpainting:
    r"""Fills holes in held-out images with a model and measures the result.

    Two baselines fill the same holes: the mean training image and the nearest one. The measures
    are also written as `.json` beside `out`.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run, or that folder: then its last one.
        mask: The holes: square, in the middle; spot, random spots in each image; both; or the path
            of a picture of the images' size, black in the hole.
        square: The width of the square hole, in pixels; half of the image's by default.
        spots: The share of pixels in spots; 0.25 by default.
        n: The number of images; all held-out images if there are fewer.
        steps: The number of steps of the chains; by default the number used in training, and 0 for
            an inpainting GGCN.
        label: The class of all images, for class-conditional models; their own by default.
        extractor: The features of the Fréchet distance; EfficientNetLite0 by default, if there are
            at least as many images as features.
        seed: The seed of the choice of images, of the spots and of the noise.
        out: The picture, as `.png`, or the filled images as `.npz`, float32.
        overwrite: Whether files may exist.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.
        data: The data module, or samples, of which every tenth is held out; the data of the
            model's run by default.

    Returns:
        The images, in [-1, 1], with shape :math:`(n, C, H, W)`, their masks, and the measures.

    Raises:
        ValueError: If an argument is out of its range or does not fit the model.
        FileExistsError: If `out` exists, unless `overwrite` is true.
    """
    path = check_output_and_numbers(out, overwrite)
    check_count("n", n)
    ckpt_path = find_model(ckpt_path)
    model = _load_image_model(ckpt_path, trust)
    steps = _chain_steps(model, steps)
    random = keyed_generator(seed, "mask")
    known = choose_mask(mask, square, spots, model.sample_shape[1:], n, random)
    data = load_data(ckpt_path, trust, data)
    y, own = held_out_samples(data, n, seed)
    known = known[: len(y)].expand(len(y), -1, -1, -1)
    labels = class_labels(label, model, len(y), random, own)
    real = _reference_features(y, extractor)
    x = _fill_holes(model, y, known, labels, steps, seed)
    way = "chains of " if steps > 0 else ""
    sets = {f"{way}{type(model).__name__}": x} | fill_by_baselines(y, known, data)
    measures = {name: measure_fills(a, y, known, real) for name, a in sets.items()}
    about = {"data": type(data).__name__, "fingerprint": data.fingerprint("val"), "split": "val"}
    protocol = {"mask": mask, "hole": 1 - known.mean().item(), "n": len(y), "steps": steps}
    protocol |= {"data_range": RANGE, "extractor": real and real[0].stamp(), "reference": about}
    origin = model_origin(ckpt_path) | {"seed": seed, "versions": package_versions()}
    made = Inpainting(x, y, known, sets, measures, protocol, origin, path)
    if path is not None:
        _write_output(made, path)
    return made


def _chain_steps(model: GenerativeModule, steps: int | None) -> int:
    r"""Returns the number of steps of the chains, by default that of the model.

    Raises:
        ValueError: If it is not positive, except for 0 if the model fills holes without chains.
    """
    if steps is None:
        return model.fill_steps
    if not steps == model.fill_steps == 0:
        check_count("steps", steps)
    return steps


def _load_image_model(ckpt_path: Checkpoint, trust: Names = "") -> GenerativeModule:
    r"""Returns the model of a checkpoint after checking that it fills holes of images."""
    model = load_supporting(ckpt_path, "fill", trust)
    if len(model.sample_shape) != 3:
        raise ValueError(
            f"{argument_of(ckpt_path)} should hold a model of images, in which there can be "
            f"holes, got one of samples of shape {model.sample_shape}."
        )
    return model


def _fill_holes(
    model: GenerativeModule, y: Tensor, known: Tensor, labels: Tensor | None, steps: int, seed: int
) -> Tensor:
    r"""Returns images in [-1, 1] with filled holes, with shape :math:`(N, C, H, W)`.

    Arguments:
        model: The model.
        y: The originals, with shape :math:`(N, C, H, W)`.
        known: The masks, with shape :math:`(N, 1, H, W)`.
        labels: The classes of the images, with shape :math:`(N)`, or `None`.
        steps: The number of steps.
        seed: The seed of the noise.

    Raises:
        ValueError: If the result is not finite.
    """
    parts = []
    for j, index in enumerate(torch.arange(len(y)).split(EVALUATION_BATCH)):
        label = None if labels is None else labels[index].to(model.device)
        random = keyed_generator(seed, "inpaint", j, device=model.device)
        given = (part[index].to(model.device) for part in (y, known))
        parts.append(model.fill(*given, label, steps, random).cpu())
    x = torch.cat(parts)
    if not x.isfinite().all():
        raise ValueError("The chains are not finite at last: the training went wrong.")
    return x


def _reference_features(
    y: Tensor, extractor: FeatureExtractor | None
) -> tuple[FeatureExtractor, Statistics] | None:
    r"""Returns the extractor of the Fréchet distance and the statistics of the originals.

    Arguments:
        y: The originals, with shape :math:`(N, C, H, W)`.
        extractor: The extractor. If it is `None`, the default is EfficientNetLite0, or no Fréchet
            distance (`None` is returned) if there are too few images for that.
    """
    if extractor is None and len(y) < EfficientNetLite0.num_features:
        return None
    extractor = extractor or EfficientNetLite0()
    real = fill_statistics(y, extractor)
    for said in few_images_warnings(["fd"], {"images": len(y)}, {}, extractor.num_features, None):
        warn(said)
    return extractor, real


def _write_output(made: Inpainting, path: Path) -> None:
    r"""Writes the filled images as an array or as a picture, and the numbers beside it."""
    if path.suffix == ".npz":
        write_samples(made.x, path)
    else:
        write_picture(made.picture, path)
    content = {"measures": made.measures, "protocol": made.protocol, "origin": made.origin}
    write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", path.with_suffix(".json"))
