r"""`energy-gans inpaint`: held-out images with holes, which a generator or an energy's Langevin chains fill.

A hole starts from noise, or as the generator of an inpainting GGCN fills it, which is also the end
unless steps are asked for. Chains of the density of the hole given what is known climb the gradient of
the potential in the hole, at an image whose known pixels are those of the original:

.. math:: x' = x + \frac{\delta^2}{2} \, s \big( m y + (1 - m) x \big) + \delta \epsilon

with the original :math:`y`, the score :math:`s` and the mask :math:`m`, 1 where a pixel is known. That
known pixels of :math:`x` move, too, is seen by nobody: this is the chain that puts them back after
every step.

References:
    Generalizing Energy-based Generative ConvNets from Particle Evolution Perspective (Wu et al.,
    2019), Section 5.6, https://arxiv.org/abs/1910.14216
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from ...checks import check_count
from ...data.batches import EVALUATION_BATCH
from ...data.prepared.reader import file_digest
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
from ...storage.run import find_checkpoint
from ...storage.stamps import versions
from ..models import class_labels, held_out_samples, load_data, load_supporting
from ..outputs import check_output_and_numbers, warn
from .baselines import RANGE, baselines, numbers, statistics_of, table
from .masks import choose_mask

# How many images the picture shows.
ROWS = 8


def inpaint(
    ckpt_path: str,
    mask: str = "square",
    square: int | None = None,
    spots: float | None = None,
    n: int = 64,
    steps: int | None = None,
    label: int | None = None,
    extractor: FeatureExtractor | None = None,
    seed: int = 0,
    out: str = "inpainting.png",
    overwrite: bool = False,
    trust: str = "",
) -> None:
    r"""Fills holes in held-out images with a model and measures the result.

    Beside the model stand the mean training image and the nearest one in the hole. The numbers are
    printed, and written as `.json` beside `out`.

    Arguments:
        ckpt_path: The checkpoint, in the folder of its run, or that folder: then its last one.
        mask: Where holes are: a square in the middle, spot for random spots, other ones in each
            image, both, or a picture of the images' size that is black there.
        square: The width of the square hole, in pixels; half of the image's by default.
        spots: The share of pixels in spots; 0.25 by default.
        n: The number of images; all held-out ones if they are fewer.
        steps: The number of steps of the chains; by default as many as in training, and none behind
            the generator of an inpainting GGCN.
        label: The class of all images, for class-conditional models; their own by default.
        extractor: The features of the Fréchet distance; EfficientNetLite0 by default, if there are at
            least as many images as it has features.
        seed: The seed of the choice of images, of the spots and of the noise.
        out: The picture, as `.png`, or the completed images as `.npz`, float32.
        overwrite: Whether files may exist.
        trust: The packages whose classes the run's files may name besides this one, with commas
            between them: that of an own network, say. Their code is run.
    """
    path = check_output_and_numbers(out, overwrite)
    check_count("n", n)
    ckpt_path = str(find_checkpoint(ckpt_path))
    model = load_image_model(ckpt_path, trust)
    steps = chosen_steps(model, steps)
    random = keyed_generator(seed, "mask")
    known = choose_mask(mask, square, spots, model.sample_shape[1:], n, random)
    data = load_data(ckpt_path, trust)
    y, own = held_out_samples(data, n, seed)
    known = known[: len(y)].expand(len(y), -1, -1, -1)
    labels = class_labels(label, model, len(y), random, own)
    real = real_features(y, extractor)
    x = completed(model, y, known, labels, steps, seed)
    way = "chains of " if steps > 0 else ""
    sets = {f"{way}{type(model).__name__}": x} | baselines(y, known, data)
    measures = {name: numbers(a, y, known, real) for name, a in sets.items()}
    print(table(measures))
    write(x, sets, y, known, path)
    about = {"data": type(data).__name__, "fingerprint": data.fingerprint("val"), "split": "val"}
    protocol = {"mask": mask, "hole": 1 - known.mean().item(), "n": len(y), "steps": steps}
    protocol |= {"data_range": RANGE, "extractor": real and real[0].stamp(), "reference": about}
    origin = {"checkpoint": ckpt_path, "sha256": file_digest(Path(ckpt_path)), "seed": seed}
    content = {
        "measures": measures,
        "protocol": protocol,
        "origin": origin | {"versions": versions()},
    }
    write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", path.with_suffix(".json"))
    print(f"{path}\n{path.with_suffix('.json')}")


def chosen_steps(model: GenerativeModule, steps: int | None) -> int:
    r"""Returns the number of steps of the chains: 0 by default behind a generator that fills holes.

    Raises:
        ValueError: If there are none, and nothing else that would fill holes.
    """
    if steps is None:
        return model.fill_steps
    if not steps == model.fill_steps == 0:
        check_count("steps", steps)
    return steps


def load_image_model(ckpt_path: str, trust: str = "") -> GenerativeModule:
    r"""Returns the model of a checkpoint, once it is known to have an energy of images."""
    model = load_supporting(ckpt_path, "fill", trust)
    if len(model.sample_shape) != 3:
        raise ValueError(
            f"'ckpt_path' = {ckpt_path!r} should hold a model of images, in which there can be holes, "
            f"got one of samples of shape {model.sample_shape}."
        )
    return model


def completed(
    model: GenerativeModule, y: Tensor, known: Tensor, labels: Tensor | None, steps: int, seed: int
) -> Tensor:
    r"""Returns images in [-1, 1] whose holes chains have filled, with shape :math:`(N, C, H, W)`.

    Arguments:
        model: The model.
        y: The originals, with shape :math:`(N, C, H, W)`.
        known: Their masks, with shape :math:`(N, 1, H, W)`.
        labels: Their classes, with shape :math:`(N)`, or `None`.
        steps: The number of steps.
        seed: The seed of the noise.

    Raises:
        ValueError: If the chains run away.
    """
    parts = []
    for j, index in enumerate(torch.arange(len(y)).split(EVALUATION_BATCH)):
        label = None if labels is None else labels[index]
        random = keyed_generator(seed, "inpaint", j)
        parts.append(model.fill(y[index], known[index], label, steps, random))
    x = torch.cat(parts)
    if not x.isfinite().all():
        raise ValueError("The chains are not finite at last: the training went wrong.")
    return x


def real_features(
    y: Tensor, extractor: FeatureExtractor | None
) -> tuple[FeatureExtractor, Statistics] | None:
    r"""Returns the extractor of the Fréchet distance and the originals' statistics, or `None`.

    Arguments:
        y: The originals, with shape :math:`(N, C, H, W)`.
        extractor: The extractor; EfficientNetLite0 if `None` and there are enough images.
    """
    if extractor is None and len(y) < EfficientNetLite0.num_features:
        return None
    extractor = extractor or EfficientNetLite0()
    real = statistics_of(y, extractor)
    for said in few_images_warnings(["fd"], {"images": len(y)}, {}, extractor.num_features, None):
        warn(said)
    return extractor, real


def write(x: Tensor, sets: dict[str, Tensor], y: Tensor, known: Tensor, path: Path) -> None:
    r"""Writes completed images as an array, or the first ones beside the others as a picture.

    Arguments:
        x: The completed images.
        sets: Those of every way to fill holes, by name.
        y: The originals.
        known: The masks.
        path: Where to write.
    """
    if path.suffix == ".npz":
        write_samples(x, path)
        return
    panels = {"original": y, "masked": known * y, **sets}
    shown = {name: to_uint8(images[:ROWS])[:, None] for name, images in panels.items()}
    write_picture(side_by_side(shown), path)
