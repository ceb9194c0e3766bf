r"""Pictures, or lines of text, of samples while a model trains."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from ..characters import read_lines
from ..checks import check_count
from ..data import TensorDataModule
from ..files import write_text
from ..functional.langevin import Field
from ..methods import GenerativeModule
from ..plots.figures import write_picture
from ..plots.images import image_grid
from ..plots.plane import field_picture
from ..storage.training_directory import run_directory


class SamplePictures(Callback):
    r"""Writes samples as `samples/step_00001000.png`, and to loggers that accept images.

    A last picture is written at the end of training. The latents are the same at every step.
    Images are drawn on a grid, points in the plane as a scatter, with the learned potential if the
    model has one, and with real points: held-out ones of the data module, or those of the last
    batch of a loader. Samples of text are lines: they are written as `step_00001000.txt`, and to
    loggers that accept text.

    Arguments:
        every_n_steps: The number of steps between two pictures.
        n: The number of samples.
        seed: The seed of the latents.

    Raises:
        ValueError: If `every_n_steps` or `n` is not positive.
    """

    def __init__(self, every_n_steps: int = 1000, n: int = 64, seed: int = 0) -> None:
        check_count("every_n_steps", every_n_steps)
        check_count("n", n)
        self.every_n_steps, self.n, self.seed = every_n_steps, n, seed
        self.directory = Path("samples")
        self.drawn_step = -1
        self.batch: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.directory = run_directory(trainer) / "samples"

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *args: object
    ) -> None:
        self.batch = batch
        if trainer.global_step % self.every_n_steps == 0:
            self.draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.drawn_step != trainer.global_step:
            self.draw(trainer, pl_module)

    def draw(self, trainer: Trainer, pl_module: GenerativeModule) -> None:
        r"""Draws samples of the current step, in the first process."""
        self.drawn_step = trainer.global_step
        if not trainer.is_global_zero:
            return
        name = f"step_{trainer.global_step:08d}"
        if pl_module.vocabulary:
            text = samples_text(pl_module, self.n, self.seed)
            write_text(text, self.directory / f"{name}.txt")
            for logger in trainer.loggers:
                _log_text(logger, "samples", text, trainer.global_step)
        else:
            data = trainer.datamodule
            if not isinstance(data, TensorDataModule):
                if self.batch is None:
                    return  # The run was stopped before its first step.
                # A loader of the user's own can not be read without changing what it gives next.
                data = SimpleNamespace(val_dataloader=lambda: [self.batch])
            picture = samples_picture(pl_module, data, self.n, self.seed)
            write_picture(picture, self.directory / f"{name}.png")
            for logger in trainer.loggers:
                _log_picture(logger, "samples", picture, trainer.global_step)


def samples_text(model: GenerativeModule, n: int, seed: int = 0) -> str:
    r"""Returns samples of a model of text, a line each.

    Arguments:
        model: The model.
        n: The number of samples.
        seed: The seed of the latents.
    """
    x = model.sample(n, random=torch.Generator(model.device).manual_seed(seed))
    return "".join(f"{line}\n" for line in read_lines(x, model.vocabulary))


def samples_picture(
    model: GenerativeModule, data: LightningDataModule | None, n: int, seed: int = 0
) -> Image.Image:
    r"""Returns a picture of a model's samples: a grid of images, or points in the plane.

    Arguments:
        model: The model.
        data: The data module, whose held-out points are drawn with samples in the plane, or `None`
            for samples alone.
        n: The number of samples.
        seed: The seed of the latents.

    Raises:
        ValueError: If samples are neither images nor points in the plane.
    """
    x = model.sample(n, random=torch.Generator(model.device).manual_seed(seed))
    if x.ndim == 4:
        return image_grid(x)
    if x.ndim == 2 and x.shape[1] == 2:
        real = x[:0] if data is None else model.read_batch(next(iter(data.val_dataloader())))[0]
        return field_picture(_potential_on_cpu(model), real.cpu(), x.cpu())
    raise ValueError(
        f"Pictures are made of images and of points in the plane, not of {tuple(x.shape)}."
    )


def _potential_on_cpu(model: GenerativeModule) -> Field | None:
    r"""Returns the one potential of all points, or `None`: some fields have none."""
    if not model.supports("potential_at") or model.potential_needs_label:
        return None
    try:
        potential = model.potential_function()
    except ValueError:
        return None
    return lambda a: potential(a.to(model.device)).cpu()


def _log_text(logger: Logger, name: str, text: str, step: int) -> None:
    r"""Logs lines, if the logger accepts text."""
    lines = text.splitlines()
    if hasattr(logger, "log_text"):
        logger.log_text(name, columns=["line"], data=[[line] for line in lines], step=step)
    elif isinstance(logger, TensorBoardLogger):
        # Markdown shows lines with four spaces before them as they are.
        logger.experiment.add_text(name, "\n".join(f"    {line}" for line in lines), step)


def _log_picture(logger: Logger, name: str, picture: Image.Image, step: int) -> None:
    r"""Logs a picture, if the logger accepts images."""
    if hasattr(logger, "log_image"):
        logger.log_image(name, [picture], step=step)
    elif isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, pil_to_tensor(picture), step)
