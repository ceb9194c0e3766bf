r"""Tests that commands and callbacks work with a GPU, a pretended one, as on the CPU."""

import csv
import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from torch import Tensor
from torch.testing import assert_close

from energy_gans import callbacks, commands
from energy_gans.cli import main
from energy_gans.commands.results import Result
from energy_gans.data import EmbeddedDigits, Ring
from energy_gans.methods import GenerativeModule
from energy_gans.metrics.features import Pixels
from energy_gans.plots.plane import Plane
from energy_gans.storage.checkpoint import load_model

from ..methods.test_contracts import Arguments
from ..storage.old_checkpoints import FOLDER
from .pretend import PretendTensor, needs_pretence, pretend

pytestmark = needs_pretence
Command = Callable[[GenerativeModule, Path], Result]
digits = partial(EmbeddedDigits, digits="8x8", size=8)


def pixels() -> Pixels:
    return Pixels((1, 8, 8))


CALLS: dict[str, tuple[str, Command]] = {
    "sample": ("CoulombGAN", lambda m, _: commands.sample(m, n=4)),
    "interpolate": ("CoulombGAN", lambda m, _: commands.interpolate(m, n=2, steps=3)),
    "interpolate, flow": ("VAPO", lambda m, _: commands.interpolate(m, n=2, steps=3)),
    "synthesize": (
        "MultigridGCN",
        lambda m, _: commands.synthesize(m, steps=2, n=4, data=digits()),
    ),
    "synthesize, flow": ("VAPO", lambda m, _: commands.synthesize(m, n=4, data=Ring(samples=64))),
    "inpaint": (
        "InpaintingGGCN",
        lambda m, _: commands.inpaint(m, n=4, steps=2, data=digits(), extractor=pixels()),
    ),
    "ood": ("InpaintingGGCN", lambda m, _: commands.ood(m, inliers=digits(), n=20)),
    "ood, gradient": (
        "InpaintingGGCN",
        lambda m, _: commands.ood(m, inliers=digits(), n=20, score="gradient"),
    ),
    "evaluate": (
        "MultigridGCN",
        lambda m, folder: commands.evaluate(
            m,
            data=digits(),
            n=20,
            reference_n=30,
            extractor=pixels(),
            measures="fd,kid,pr,neighbours",
            cache=str(folder),
        ),
    ),
    "export": ("CoulombGAN", lambda m, folder: commands.export(m, folder / "export")),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_command_takes_a_model_on_the_gpu(name: str, tmp_path: Path) -> None:
    method, call = CALLS[name]
    model = load_model(FOLDER / method / "last.ckpt")
    expected = call(model, tmp_path / "cpu")
    with pretend():
        found = call(model.to("cuda"), tmp_path / "gpu")
        assert not any(isinstance(value, PretendTensor) for value in vars(found).values())
        text = str(found)
    assert text.replace("gpu", "cpu") == str(expected)


def test_a_landscape_shows_the_potential_and_the_course_of_the_gpu() -> None:
    def drawn(plane: Plane, course: dict[float, Tensor], *more: Any) -> list[Tensor]:
        surface = plane.surface(1.0)
        return [surface.u, surface.phi, surface.force, *course.values()]

    def shown(device: str) -> Any:
        model = load_model(FOLDER / "VAPO" / "last.ckpt").to(device)
        return commands.landscape(model, data=Ring(samples=64), n=20).picture

    module = importlib.import_module("energy_gans.commands.landscape")
    with mock.patch.object(module, "landscape_picture", drawn):
        with pretend():
            found = shown("cuda")
        assert not any(isinstance(value, PretendTensor) for value in found)
        assert_close(found, shown("cpu"))


@pytest.mark.filterwarnings("ignore:SampleMeasures")
def test_every_callback_works_on_the_gpu(tiny: Arguments, tmp_path: Path) -> None:
    common = [
        "--trainer.accelerator=gpu",
        "--trainer.max_steps=2",
        "--trainer.val_check_interval=2",
        "--trainer.log_every_n_steps=1",
        "--trainer.limit_val_batches=1",
        "--trainer.callbacks+=TrainingClock",
        "--trainer.callbacks+=DivergenceGuard",
        "--trainer.callbacks+=SamplePictures",
        "--trainer.callbacks.every_n_steps=2",
    ]
    on_images = [
        "--trainer.callbacks+=SampleMeasures",
        "--trainer.callbacks.measures=fd,pr",
        "--trainer.callbacks.n=20",
        "--trainer.callbacks.reference_n=30",
        f"--trainer.callbacks.cache={tmp_path}",
        "--trainer.callbacks.extractor=energy_gans.metrics.features.Pixels",
        "--trainer.callbacks.extractor.shape=[1,8,8]",
        "--trainer.callbacks+=ResponseCurve",
        "--trainer.callbacks.filters=discriminator.layers.0",
    ]
    on_points = ["--trainer.callbacks+=MixtureCoverage"]
    for points, more in ((True, on_points), (False, on_images)):
        with pretend():
            main(tiny(*common, *more, points=points, name=f"{points}"))
        with (tmp_path / f"{points}/version_0/metrics.csv").open() as file:
            names = {name for row in csv.DictReader(file) for name, value in row.items() if value}
        assert names > ({"val/modes"} if points else {"val/fd_20", "val/response"})
    used = {"DivergenceGuard", "MixtureCoverage", "ResponseCurve", "TextMeasures"}
    used |= {"SampleMeasures", "SamplePictures", "TrainingClock", "EMA", "Checkpoints"}
    # These see no tensors, are in every run, or call a compiler that knows no pretended GPU.
    others = {"Compile", "CurvesPicture", "NonFiniteGuard", "SampleWriter", "StepProgress"}
    assert used | others == set(callbacks.__all__)


def test_text_is_measured_and_written_on_the_gpu(tmp_path: Path) -> None:
    networks, sizes = ("generator", "discriminator"), ("length=8", "width=4", "blocks=1")
    options = [
        *("trainer.accelerator=gpu", "trainer.max_steps=2", "trainer.val_check_interval=2"),
        *("trainer.limit_val_batches=1", "trainer.logger.save_dir=" + str(tmp_path)),
        *("data.length=8", "data.batch_size=8"),
        *("trainer.callbacks.TextMeasures.n=20", "trainer.callbacks.TextMeasures.orders=[2]"),
        *("trainer.callbacks.SamplePictures.n=3", "trainer.callbacks.Checkpoints.monitor=null"),
        *(f"model.{network}.{size}" for network in networks for size in sizes),
        *(f"model.{network}_optimizer.fused=false" for network in networks),
    ]
    with pretend():
        main(["fit", "--config", "coulomb/text_help", *(f"--{option}" for option in options)])
    run = tmp_path / "coulomb_text_help" / "version_0"
    with (run / "metrics.csv").open() as file:
        values = [row["val/js_2_20"] for row in csv.DictReader(file) if row["val/js_2_20"]]
    assert 0 < float(values[0]) <= 1
    assert len((run / "samples" / "step_00000002.txt").read_text().splitlines()) == 3
