r"""Tests for the energy_gans.storage.construction module: models that were made in Python."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn
from torch.optim import Adam

from energy_gans.callbacks import EMA
from energy_gans.data import Ring
from energy_gans.methods import GCN, VAPO, Chains, CoulombGAN, Flow, GenerativeModule
from energy_gans.networks import MLP
from energy_gans.storage import load_checkpoint, load_model


class Mine(nn.Module):
    def __init__(self, width: int = 8, out: int = 2) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, out))

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


def save(model: GenerativeModule, folder: Path) -> Path:
    r"""Trains a model for two steps by a plain trainer and returns its checkpoint."""
    trainer = Trainer(
        max_steps=2,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        callbacks=[EMA()],
    )
    trainer.fit(model, Ring(batch_size=16, samples=64))
    trainer.save_checkpoint(folder / "a.ckpt")
    return folder / "a.ckpt"


def draw(model: GenerativeModule) -> Tensor:
    return model.sample(5, random=torch.Generator().manual_seed(3))


def gan(generator: nn.Module, **kwargs: Any) -> CoulombGAN:
    seed_everything(3, verbose=False)
    return CoulombGAN(generator, MLP(2, 1, [8], nn.SiLU), latent_dim=2, **kwargs)


METHODS: dict[str, Callable[[], GenerativeModule]] = {
    "networks of the package": lambda: gan(MLP(2, 2, [4, 5])),
    "layers of torch": lambda: gan(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))),
    "optimizers": lambda: gan(
        MLP(2, 2, [4]),
        generator_optimizer=partial(Adam, lr=1e-3),
        discriminator_optimizer=lambda p: Adam(p, lr=1e-3),
    ),
    "chains": lambda: GCN(MLP(2, 1, [4], nn.SiLU), [2], Chains(steps=3, reference_std=1.0)),
    "a flow": lambda: VAPO(MLP(2, 1, [4], nn.SiLU), [2], flow=Flow("euler", steps=3)),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_model_of_known_objects_loads_from_its_checkpoint_alone(
    tmp_path: Path, name: str
) -> None:
    model = METHODS[name]()
    path = save(model, tmp_path)
    loaded = load_model(path)
    assert torch.equal(draw(model.eval()), draw(loaded))
    again = save(loaded.train(), tmp_path / "again")
    assert (
        load_checkpoint(again)["construction"].keys()
        == load_checkpoint(path)["construction"].keys()
    )


def test_own_networks_are_given(tmp_path: Path) -> None:
    model = gan(Mine(), power=3.0)
    path = save(model, tmp_path)
    made = torch.load(path, weights_only=True)["construction"]
    assert made["class_path"] == "energy_gans.methods.CoulombGAN"
    assert made["objects"] == {"generator": f"{__name__}.Mine"}
    loaded = load_model(path, generator=Mine())
    assert loaded.power == 3.0 and not loaded.training
    assert torch.equal(draw(model.eval()), draw(loaded))
    # In place of described ones, too.
    both = {"generator": Mine(), "discriminator": MLP(2, 1, [8], nn.SiLU)}
    assert torch.equal(draw(load_model(path, **both)), draw(loaded))
    with pytest.raises(ValueError, match="should have shape .*, got") as told:
        load_model(path, generator=Mine(9))
    assert "the weight 'generator.net." in str(told.value)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a missing object": (
        {},
        r"^'generator' \(.*Mine\) of this checkpoint was given as an object: "
        r"give load\(path, generator=\.\.\.\)\.$",
    ),
    "a number": ({"power": 2.0}, "^'power' should be left out, got 2.0: it is 1.0 in the check"),
    "an unknown argument": ({"genrator": 1}, "^'genrator' should be left out: the loaded Coulomb"),
    "an optimizer": (
        {"generator_optimizer": Adam},
        "^'generator_optimizer' should be left out: .* is not trained here",
    ),
    "no object": ({"generator": 3}, "^'generator' should be an object such as a network, got 3"),
    "no network": ({"generator": len}, "^'generator' should be a torch.nn.Module, got .*len"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_object_is_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "live.ckpt"
    if not path.is_file():
        save(gan(Mine()), path.parent / "live").rename(path)
    given, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        load_model(path, **given)


def test_all_missing_objects_are_named(tmp_path: Path) -> None:
    path = save(CoulombGAN(Mine(), Mine(out=1), latent_dim=2), tmp_path)
    with pytest.raises(ValueError, match=r"load\(path, generator=\.\.\., discriminator=\.\.\.\)"):
        load_model(path)


def test_a_network_that_was_changed_is_not_made_by_its_description(tmp_path: Path) -> None:
    network = MLP(2, 2, [8])
    network[1] = nn.Tanh()
    path = save(gan(network), tmp_path)
    with pytest.raises(ValueError, match="'generator' .* was changed after its construction"):
        load_model(path)
    assert isinstance(load_model(path, generator=network).generator[1], nn.Tanh)


@pytest.mark.parametrize(
    "change",
    [
        {"class_path": "os.system"},
        {"class_path": ["os"]},
        {"init_args": {"generator": {"class_path": "os.system"}}},
        {"init_args": 3},
        {"objects": {"nothing": {}}},
        {"layers": None},
    ],
)
def test_a_checkpoint_that_names_what_it_may_not_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = save(gan(MLP(2, 2, [4])), tmp_path)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["construction"] |= change
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match="rebuilt here: .*|does not say how|given as an object"):
        load_model(path)
