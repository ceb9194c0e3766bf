r"""Wrong arguments of the Python functions: one sentence that names the argument, and no traceback
of a library."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

import energy_gans
from energy_gans import CoulombGAN, data, networks

MODEL = CoulombGAN(networks.MLP(2, 2), networks.MLP(2, 1), latent_dim=2)
IMAGES = torch.zeros(20, 1, 8, 8)


def train(dataset: object, **options: object) -> None:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    given = data.FromDataset(dataset, **{"batch_size": 4, **options})
    Trainer(max_steps=1, accelerator="cpu", enable_model_summary=False, **quiet).fit(MODEL, given)


CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "load nothing": (lambda: energy_gans.load("nowhere"), "'ckpt_path' should be a checkpoint"),
    "load a folder": (lambda: energy_gans.load("."), "is a folder without a checkpoint"),
    "no samples": (lambda: energy_gans.sample(MODEL, 0), "'n' should be at least 1, got 0"),
    "no batch": (lambda: energy_gans.sample(MODEL, 1, batch_size=0), "'batch_size' should be"),
    "a label": (lambda: energy_gans.sample(MODEL, 1, label=3), "'label' should be left out"),
    "an ending": (lambda: energy_gans.sample(MODEL, 1, out="x.jpg"), "should end in .png or .npz"),
    "a checkpoint as a model": (lambda: energy_gans.sample("x.ckpt"), "should be a checkpoint"),
    "nothing to evaluate": (lambda: energy_gans.evaluate(), "'ckpt_path' or 'samples'"),
    "points to evaluate": (
        lambda: energy_gans.evaluate(samples=np.zeros((20, 2)), data=IMAGES),
        "should hold",
    ),
    "a measure": (
        lambda: energy_gans.evaluate(samples=IMAGES, data=IMAGES, measures="fdd"),
        "'fdd'.* Did you mean 'fd'|'measures' should",
    ),
    "a config": (lambda: energy_gans.fit("coulomb/rin"), "did you mean coulomb/ring"),
    "a key": (
        lambda: energy_gans.fit("coulomb/ring", {"model.epsilom": 1}),
        "Did you mean '(--model.)?epsilon'",
    ),
    "a value": (
        lambda: energy_gans.fit("coulomb/ring", {"trainer.max_steps": "many"}),
        "trainer.max_steps: Expected an int",
    ),
    "an object as a value": (
        lambda: energy_gans.fit("coulomb/ring", {"model.generator": networks.MLP(2, 2)}),
        "should have a plain value, as in a config, got a MLP",
    ),
    "a class": (lambda: energy_gans.explain("ColombGAN"), "CoulombGAN"),
    "a shipped config": (lambda: _copy("coulomb/rin"), "is no shipped config; did you mean"),
    "no latents": (
        lambda: CoulombGAN(networks.MLP(2, 2), networks.MLP(2, 1), latent_dim=0),
        "'latent_dim' should be at least 1, got 0",
    ),
    "a negative length": (
        lambda: CoulombGAN(networks.MLP(2, 2), networks.MLP(2, 1), 2, epsilon=-1.0),
        "'epsilon' should be positive and finite, got -1.0",
    ),
    "a kernel and its parameters": (
        lambda: CoulombGAN(
            networks.MLP(2, 2), networks.MLP(2, 1), 2, kernel=torch.cdist, power=2.0
        ),
        "'power' should be left out",
    ),
    "images for a model of points": (lambda: train(IMAGES), "should map"),
    "numbers that are not finite": (
        lambda: train(torch.full((20, 2), torch.nan)),
        "Samples should be finite, got NaN",
    ),
    "images beyond the range": (lambda: train(IMAGES + 255.0), r"should be .* in \[-1, 1\]"),
    "too few samples": (lambda: train(torch.zeros(3, 2)), "'train'|'val'"),
    "text as data": (lambda: train("pictures"), "ImageFolder reads a folder"),
}


def _copy(name: str) -> object:
    from energy_gans.commands import configs

    return configs.copy(name)


@pytest.mark.parametrize(("call", "said"), CALLS.values(), ids=CALLS)
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_argument_is_one_sentence(
    call: Callable[[], object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=said) as error:
        call()
    assert "\n" not in str(error.value).strip()
    assert not list(tmp_path.glob("*.png")) + list(tmp_path.glob("runs/*"))
