r"""Tiny trained models that several tests of commands share."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from energy_gans.cli import main

CHAINS = {"steps": 3, "step_size": 0.1, "bound": 1.0}


def part(name: str, **arguments: object) -> dict[str, Any]:
    r"""Returns a class of the package and its arguments, as in a config."""
    return {"class_path": f"energy_gans.{name}", "init_args": arguments}


def descriptor(classes: int | None = None) -> dict[str, Any]:
    sizes = {"widths": [8, 8], "kernels": [3, 3], "strides": [2, 2], "hidden": 8}
    return part("networks.ConvDescriptor", channels=1, size=8, classes=classes, **sizes)


def generator(classes: int | None = None) -> dict[str, Any]:
    if classes is None:
        return part("networks.DCGANGenerator", latent_dim=4, channels=1, size=8, width=4)
    sizes = {"latent_dim": 4, "channels": 1, "size": 8, "width": 8}
    return part("networks.GGCNGenerator", classes=classes, **sizes)


def ggcn(classes: int | None = None) -> dict[str, Any]:
    networks = {"descriptor": descriptor(classes), "generator": generator(classes)}
    energy = {"shape": [1, 8, 8], "chains": CHAINS, "buffer_size": 100, "classes": classes}
    return part("methods.GGCN", latent_dim=4, **networks, **energy)


def gcn(network: dict[str, Any], shape: list[int]) -> dict[str, Any]:
    return part("methods.GCN", descriptor=network, shape=shape, chains=CHAINS, buffer_size=100)


def vapo(network: dict[str, Any], shape: list[int], **arguments: Any) -> dict[str, Any]:
    flow = {"solver": "euler", "steps": 3}
    return part("methods.VAPO", descriptor=network, shape=shape, flow=flow, **arguments)


def fourier(**arguments: Any) -> dict[str, Any]:
    return part("networks.FourierMLP", hidden_features=[16], frequencies=8, **arguments)


WIDE = {"channels": 1, "size": 8, "width": 4, "multipliers": [1, 1], "blocks": 1}
MODELS = {
    "gcn": gcn(descriptor(), [1, 8, 8]),
    "ggcn": ggcn(),
    "grids": part(
        "methods.MultigridGCN",
        descriptor=part("networks.MultigridDescriptors", channels=1, grids=[1, 4, 8], width=2),
        shape=[1, 8, 8],
        chains=CHAINS,
    ),
    "classes": ggcn(10),
    "autoencoder": part(
        "methods.InpaintingGGCN",
        descriptor=descriptor(),
        generator=part("networks.ResNetAutoencoder", channels=1, size=8, width=4),
        shape=[1, 8, 8],
        chains=CHAINS,
    ),
    "points": gcn(part("networks.MLP", in_features=2, out_features=1, hidden_features=[8]), [2]),
    "coulomb": part(
        "methods.CoulombGAN",
        latent_dim=4,
        generator=generator(),
        discriminator=part("networks.DCGANDiscriminator", channels=1, size=8, width=4),
    ),
    "eieg": part(
        "methods.EIEGGAN",
        latent_dim=4,
        generator=generator(),
        discriminator=part(
            "networks.DCGANDiscriminator", channels=1, size=8, width=4, out_features=2
        ),
    ),
    "plane": part(
        "methods.CoulombGAN",
        latent_dim=2,
        generator=part("networks.MLP", in_features=2, out_features=2, hidden_features=[8]),
        discriminator=part("networks.MLP", in_features=2, out_features=1, hidden_features=[8]),
    ),
    "vapo": vapo(part("networks.WideResNet", **WIDE), [1, 8, 8]),
    "vapo_plane": vapo(fourier(), [2]),
    "vapo_time": vapo(fourier(time_conditioned=True), [2], time_conditioned=True),
    "vapo_classes": vapo(part("networks.WideResNet", classes=11, **WIDE), [1, 8, 8], classes=10),
}
PLANE = ("points", "plane", "vapo_plane", "vapo_time")
DIGITS = part("data.EmbeddedDigits", digits="8x8", size=8, batch_size=100)
RING = part("data.Ring", samples=256, batch_size=100)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    r"""Returns the checkpoint of a tiny model by name, trained for two steps at first use."""

    @cache
    def checkpoint(name: str) -> str:
        folder = tmp_path_factory.mktemp(name)
        logger = {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": str(folder), "name": "run"},
        }
        trainer = {"max_steps": 2, "accelerator": "cpu", "logger": logger}
        trainer |= {"enable_progress_bar": False, "enable_model_summary": False}
        trainer |= {"log_every_n_steps": 1, "limit_val_batches": 0}
        trainer["callbacks"] = [
            part("callbacks.EMA", decay=0.5),
            part("callbacks.Checkpoints", every_n_steps=1, monitor=None),
        ]
        data = RING if name in PLANE else DIGITS
        config = {"seed_everything": 3, "model": MODELS[name], "data": data, "trainer": trainer}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        main(["fit", "--config", str(folder / "config.yaml")])
        return str(folder / "run" / "version_0" / "checkpoints" / "last.ckpt")

    return checkpoint


@pytest.fixture
def refused(
    trained: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    r"""Returns a function that checks that a command fails in one sentence and writes nothing."""

    def check(command: str, name: str, arguments: list[str], told: str) -> None:
        path = trained(name)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit, match=told):
            main([command, "--ckpt_path", path, *arguments])
        assert not list(tmp_path.iterdir())

    return check
