r"""Wrong arguments of the Python functions: one sentence that names the argument, and no traceback
of a library."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import energy_gans
from energy_gans import CoulombGAN, data, networks
from energy_gans.fields import ParticleField, PlummerField, SumOfFields
from energy_gans.methods import (
    GCN,
    EIEGGenerator,
    FieldGenerator,
    GenerativeModule,
    ScatteringGAN,
    baselines,
)

DETECTOR = GCN(networks.DCGANDiscriminator(1, 8, 4), [1, 8, 8])
MODEL = CoulombGAN(networks.MLP(2, 2), networks.MLP(2, 1), latent_dim=2)
IMAGES = torch.zeros(20, 1, 8, 8)


def train(dataset: object, **options: object) -> None:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    given = data.FromDataset(dataset, **{"batch_size": 4, **options})
    Trainer(max_steps=1, accelerator="cpu", enable_model_summary=False, **quiet).fit(MODEL, given)


class Flat(ParticleField):
    def velocity(self, a: Tensor, *others: object) -> Tensor:
        return torch.zeros(len(a))


class Divided(ParticleField):
    def velocity(self, a: Tensor, y: Tensor, *others: object) -> Tensor:
        return (y - a) / (y - a).norm(dim=1, keepdim=True)


def reciprocal(a: Tensor, b: Tensor) -> Tensor:
    return 1 / torch.cdist(a, b)


def train_on(model: GenerativeModule) -> None:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    options = {"limit_val_batches": 0, "enable_model_summary": False, "accelerator": "cpu"}
    Trainer(max_steps=1, **options, **quiet).fit(model, data.Ring(batch_size=4, samples=100))


def train_classes(model: GenerativeModule) -> None:
    labelled = TensorDataset(IMAGES, torch.arange(20) % 10)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    options = {"limit_val_batches": 0, "enable_model_summary": False, "accelerator": "cpu"}
    Trainer(max_steps=1, **options, **quiet).fit(model, data.FromDataset(labelled, batch_size=4))


def images_of(classes: int) -> torch.nn.Module:
    return networks.DCGANGenerator(latent_dim=4, channels=1, size=8, width=4, classes=classes)


def potential_of(classes: int) -> torch.nn.Module:
    sizes = {"widths": [4, 4], "kernels": [3, 3], "strides": [2, 2], "hidden": 4}
    return networks.ConvDescriptor(channels=1, size=8, classes=classes, **sizes)


class Forgetful(CoulombGAN):
    def update(self, y: Tensor, label: Tensor | None) -> None:
        super().update(y, label)


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
    "a measure that is no text": (
        lambda: energy_gans.evaluate(samples=IMAGES, data=IMAGES, measures=["fd", 1]),
        r"'measures' should be a list of names, .*, got \['fd', 1\]",
    ),
    "an unknown measure in a list": (
        lambda: energy_gans.evaluate(samples=IMAGES, data=IMAGES, measures=["fd", "fdd"]),
        "'measures' should be of fd,is",
    ),
    "outliers that are no list": (
        lambda: energy_gans.ood(MODEL, outliers=3),
        "'outliers' should be a list of names, .*, got 3",
    ),
    "no generator": (
        lambda: CoulombGAN(None, networks.MLP(2, 1), latent_dim=2),
        "'generator' should be a network, a torch.nn.Module, got NoneType",
    ),
    "the class of a discriminator": (
        lambda: CoulombGAN(networks.MLP(2, 2), networks.MLP, latent_dim=2),
        "'discriminator' should be .*, got the class MLP, which has to be called",
    ),
    "a function as a descriptor": (
        lambda: GCN(lambda a: a.sum(1), shape=[2]),
        "'descriptor' should be a network, a torch.nn.Module, got function",
    ),
    "a list as a tracker": (
        lambda: ScatteringGAN(networks.MLP(2, 2), [networks.MLP(2, 2)], 2),
        "'tracker' should be a network, a torch.nn.Module, got list",
    ),
    "a name as a decoder": (
        lambda: baselines.MMDGAN(networks.MLP(2, 2), networks.MLP(2, 2), 2, decoder="mlp"),
        "'decoder' should be a network, a torch.nn.Module, got str",
    ),
    "a function among features": (
        lambda: FieldGenerator(networks.MLP(2, 2), 2, features=[torch.flatten]),
        "'features' should be a network, a torch.nn.Module, got builtin",
    ),
    "the class of features": (
        lambda: FieldGenerator(networks.MLP(2, 2), 2, features=torch.nn.Flatten),
        "'features' should be .*, got the class Flatten",
    ),
    "no latents": (
        lambda: CoulombGAN(networks.MLP(2, 2), networks.MLP(2, 1), latent_dim=0),
        "'latent_dim' should be at least 1, got 0",
    ),
    "a negative length": (
        lambda: CoulombGAN(networks.MLP(2, 2), networks.MLP(2, 1), 2, epsilon=-1.0),
        "'epsilon' should be positive and finite, got -1.0",
    ),
    "text for a number": (lambda: MODEL.sample("3"), "'n' should be an integer, got '3'"),
    "no number": (
        lambda: CoulombGAN(networks.MLP(2, 2), networks.MLP(2, 1), 2, epsilon=None),
        "'epsilon' should be a number, got None",
    ),
    "half a sample": (lambda: MODEL.sample(2.5), "'n' should be an integer, got 2.5"),
    "fewer than no samples": (lambda: MODEL.sample(-1), "'n' should be at least 1, got -1"),
    "a path of no kind": (
        lambda: energy_gans.interpolate(MODEL, path="curvy"),
        "'path' should be one of 'linear', 'spherical', got 'curvy'",
    ),
    "a score of no kind": (
        lambda: energy_gans.ood(MODEL, score="slope"),
        "'score' should be one of 'potential', 'gradient', got 'slope'",
    ),
    "a start of no kind": (
        lambda: energy_gans.synthesize(MODEL, start="nois"),
        "'start' should be one of 'noise', 'data', 'generator', got 'nois'",
    ),
    "colours of no kind": (
        lambda: energy_gans.evaluate(samples=IMAGES, data=IMAGES, convert="blue"),
        "'convert' should be one of 'grey', 'rgb', got 'blue'",
    ),
    "a loader as data": (
        lambda: energy_gans.landscape(MODEL, data=DataLoader(torch.zeros(100, 2))),
        "'data' should be a tensor, an array, .*, got DataLoader: pass data.dataset, or use .*",
    ),
    "a module of loaders as data": (
        lambda: energy_gans.landscape(MODEL, data=data.FromLoader([torch.zeros(100, 2)])),
        "'data' should be a tensor of samples, or a data module such as .*, got FromLoader",
    ),
    "a class as data": (
        lambda: energy_gans.particles(data.Ring),
        "'data' should be a tensor of samples, or a data module such as .*, got the class Ring",
    ),
    "a number as inliers": (
        lambda: energy_gans.ood(DETECTOR, inliers=3),
        "'inliers' should be a tensor, an array, .*, got int",
    ),
    "a folder as outliers": (
        lambda: energy_gans.ood(DETECTOR, inliers=IMAGES, outlier_data=["pictures"]),
        "'outlier_data' should be a tensor, .*, got str: energy_gans.data.ImageFolder reads .*",
    ),
    "no list of outliers": (
        lambda: energy_gans.ood(DETECTOR, inliers=IMAGES, outlier_data=IMAGES),
        "'outlier_data' should be a list, got Tensor",
    ),
    "a trusted module": (
        lambda: energy_gans.load("coulomb-ring", trust=[energy_gans]),
        "'trust' should be a list of names, or a text with commas between them, got ",
    ),
    "a class of fields": (
        lambda: FieldGenerator(networks.MLP(2, 2), 2, field=PlummerField),
        "'field' should be a ParticleField, such as",
    ),
    "the name of a field": (
        lambda: energy_gans.particles(data.Ring(), field="Plummer"),
        "'field' should be a ParticleField, such as .*, got 'Plummer'",
    ),
    "one field as a sum": (
        lambda: SumOfFields(PlummerField()),
        "'fields' should be a list of at least one field, got PlummerField",
    ),
    "a sum of numbers": (
        lambda: SumOfFields([1]),
        "'fields' should be a ParticleField, such as .*, got 1",
    ),
    "a field of another shape": (
        lambda: train_on(FieldGenerator(networks.MLP(2, 2), 2, field=Flat())),
        r"'model.init_args.field' should be .* shape of its points, .*, got",
    ),
    "a field without a value at 0": (
        lambda: train_on(FieldGenerator(networks.MLP(2, 2), 2, field=Divided())),
        "'model.init_args.field' should be finite, also where points coincide",
    ),
    "a kernel without a value at 0": (
        lambda: train_on(EIEGGenerator(networks.MLP(2, 2), 2, kernel=reciprocal)),
        "'model.init_args.kernel' should be finite, also where points coincide",
    ),
    "a kernel and its parameters": (
        lambda: CoulombGAN(
            networks.MLP(2, 2), networks.MLP(2, 1), 2, kernel=torch.cdist, power=2.0
        ),
        "'power' should be left out",
    ),
    "images for a model of points": (lambda: train(IMAGES), "should map"),
    "a generator of fewer classes": (
        lambda: train_classes(FieldGenerator(images_of(classes=3), 4, classes=10)),
        r"'model.init_args.generator' should map .*, with labels from 0 to 9, .*, but it fails",
    ),
    "a descriptor of fewer classes": (
        lambda: train_classes(GCN(potential_of(classes=3), shape=[1, 8, 8], classes=10)),
        "'model.init_args.descriptor' should map .*, but it fails: index",
    ),
    "an update without losses": (
        lambda: train_on(Forgetful(networks.MLP(2, 2), networks.MLP(2, 1), latent_dim=2)),
        "'update' of Forgetful should return a dictionary of losses by name, got NoneType",
    ),
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
