r"""`energy-gans export`: a model as a folder to share.

The folder holds the model without the state of its training (:mod:`energy_gans.storage.export`), a
model card, pictures or lines of text, and of a run its config, curves and stamped numbers. All
commands take the folder in place of a checkpoint.
"""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ...callbacks.sample_pictures import samples_picture, samples_text
from ...checks import Names
from ...files import atomic_folder, write_text
from ...methods import GenerativeModule
from ...methods.parts.recent_samples import RecentSamples
from ...plots.curves import curves_picture
from ...plots.figures import write_picture
from ...storage.curves import read_curves
from ...storage.export import CONFIG, WEIGHTS, write_export
from ...storage.stamps import read_metrics
from ..models import Checkpoint
from ..outputs import check_writable
from ..results import Result
from .card import Card
from .half_weights import rounded_weights
from .onnx_files import check_onnx, write_onnx
from .source import ExportSource, open_source

CARD, TRAINING, NUMBERS, LOGGED = "README.md", "config.yaml", "metrics.json", "metrics.csv"
LINES = "samples.txt"
# What an exported folder may hold: a folder that holds anything else is not replaced.
_OWN = {CONFIG, WEIGHTS, CARD, TRAINING, NUMBERS, LOGGED, LINES}
_ENDINGS = {".png", ".onnx"}
_CAPTIONS = {"samples.png": "Samples", "curves.png": "Curves of the training"}
# The numbers of images and of points in the picture of samples, and of lines of text.
_IMAGES, _POINTS, _LINES = 64, 1000, 16


@dataclass(frozen=True, repr=False)
class ExportedModel(Result):
    r"""An exported model.

    Arguments:
        folder: The folder.
        files: The size in bytes of each file, by name.
        left_out: A sentence for each thing that could not be exported.
    """

    folder: Path
    files: dict[str, int]
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        files = ", ".join(f"{name} ({_size(size)})" for name, size in self.files.items())
        return "\n".join([f"{self.folder}: {files}", *self.left_out])


def export(
    ckpt_path: Checkpoint,
    out: str | os.PathLike,
    onnx: bool = False,
    overwrite: bool = False,
    half_weights: bool = False,
    seed: int = 0,
    trust: Names = "",
) -> ExportedModel:
    r"""Writes a model as a folder to share: weights, description, model card and pictures.

    Commands take the folder in place of a checkpoint, and `load_model` returns its model. It holds
    no state of the training, so `fit` can not continue from it.

    Arguments:
        ckpt_path: The checkpoint, the folder of a run, then its last one, or an exported folder.
        out: The folder to write.
        onnx: Whether to add sampler.onnx, potential.onnx, of a flow field.onnx and of a model that
            fills holes fill.onnx, for any batch size. What can not be converted is left out, and
            named.
        overwrite: Whether `out` may be an exported folder, which is replaced.
        half_weights: Whether matrices, filters and stored samples are written as float16 numbers.
            The file is half as large; 64 samples may change by at most 1/255 of their range, and
            text not at all.
        seed: The seed of the samples in the pictures.
        trust: Other packages whose classes the run's files may name, separated by commas or in a
            list, such as the package of your own network. Their code is run.

    Returns:
        The folder, its files with their sizes in bytes, and what was left out.

    Raises:
        ValueError: If `out` can not be such a folder, or the model can not be exported, or its
            samples change too much with float16 weights.
        FileExistsError: If `out` exists and is no exported folder, or `overwrite` is false.
    """
    folder = _check_folder(str(out), overwrite)
    source = open_source(ckpt_path, trust)
    if onnx:
        check_onnx(source.model)
    rounding = rounded_weights(source.model, seed) if half_weights else nullcontext()
    with rounding as change, atomic_folder(folder) as part:
        left_out = _write(part, source, folder.name, seed, onnx, change)
        files = {path.name: path.stat().st_size for path in sorted(part.iterdir())}
    return ExportedModel(Path(out), files, tuple(left_out))


def _check_folder(out: str, overwrite: bool) -> Path:
    r"""Returns the path of a folder after checking that it can be written.

    Raises:
        ValueError: If it has no name.
        FileExistsError: If it exists and may not be replaced.
        PermissionError: If the folder above it can not be written.
    """
    folder = Path(out).resolve()
    if folder.name == "":
        raise ValueError(f"'out' should be a folder below others, got {out!r}.")
    if folder.exists():
        if not overwrite:
            raise FileExistsError(
                f"'out' = {out!r} exists: choose another name, or add --overwrite true."
            )
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
        for name in sorted(names):
            if name not in _OWN and (Path(name).suffix not in _ENDINGS or CONFIG not in names):
                raise FileExistsError(
                    f"'out' = {out!r} can not be replaced: it holds {name!r}, which `export` did "
                    "not write."
                )
    check_writable(folder)
    return folder


def _write(
    folder: Path, source: ExportSource, name: str, seed: int, onnx: bool, change: float | None
) -> list[str]:
    r"""Writes all files of an exported model, and returns a sentence for each that is left out.

    Arguments:
        folder: The folder, which exists.
        source: The model.
        name: The name that the folder is going to have.
        seed: The seed of the samples in the pictures.
        onnx: Whether to write ONNX files.
        change: The largest change of a sample by float16 weights, as a share of the range of
            samples; `None` if weights are not rounded.

    Returns:
        The sentences.
    """
    config = write_export(
        folder, source.model, source.checkpoint, source.origin, change is not None
    )
    for own, path in (
        (TRAINING, source.file(TRAINING)),
        (LOGGED, source.file(LOGGED)),
        (NUMBERS, source.numbers()),
    ):
        if path is not None:
            shutil.copyfile(path, folder / own)
    pictures, left_out = _pictures(source, seed)
    for title, picture in pictures.items():
        write_picture(picture, folder / title)
    text = ""
    if source.model.vocabulary:
        text = samples_text(source.model, _LINES, seed)
        write_text(text, folder / LINES)
    functions, missing = write_onnx(source.model, folder) if onnx else ({}, [])
    training, numbers = folder / TRAINING, folder / NUMBERS
    card = Card(
        name,
        source.model,
        config,
        training.read_text() if training.is_file() else None,
        read_metrics(str(numbers)) if numbers.is_file() else {},
        {title: _CAPTIONS[title] for title in pictures},
        text.splitlines(),
        _real_samples(source.model),
        functions,
        change,
    )
    write_text(str(card), folder / CARD)
    return left_out + missing


def _real_samples(model: GenerativeModule) -> int:
    r"""Returns the number of samples of the training data that a model stores."""
    charges = model.carried_state().get("charges")
    stores = [m for m in model.modules() if isinstance(m, RecentSamples)]
    stored = sum(min(int(store.seen), len(store.samples)) for store in stores)
    return stored + (0 if charges is None else len(charges[0]))


def _pictures(source: ExportSource, seed: int) -> tuple[dict[str, Image.Image], list[str]]:
    r"""Returns pictures by file name, and a sentence for each part that is left out."""
    pictures, left_out, data = {}, [], None
    shape = source.model.sample_shape
    if shape == (2,):
        try:
            data = source.data()
            data.prepare_data()
            data.setup("validate")
        except (OSError, ValueError) as error:
            left_out.append(f"samples.png shows no real points: {error}")
            data = None
    if len(shape) == 3 or shape == (2,):
        n = _IMAGES if len(shape) == 3 else _POINTS
        pictures["samples.png"] = samples_picture(source.model, data, n, seed)
    if (logged := source.file(LOGGED)) is not None and (curves := read_curves(logged)):
        # A palette halves the file.
        pictures["curves.png"] = curves_picture(curves).quantize(256, dither=Image.Dither.NONE)
    return pictures, left_out


def _size(size: int) -> str:
    r"""Returns a number of bytes as text."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
