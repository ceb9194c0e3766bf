r"""Tests for energy_gans.callbacks.compile."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from energy_gans.callbacks import EMA, Compile
from energy_gans.data import EmbeddedDigits
from energy_gans.methods import EIEGGAN, VAPO, CoulombGAN, GenerativeModule
from energy_gans.methods.baselines import MMDGAN, WGANGP
from energy_gans.networks import MLP, DCGANDiscriminator, DCGANGenerator


class Images(MLP):
    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z).view(-1, 1, 8, 8)


class Flat(MLP):
    def forward(self, a: Tensor) -> Tensor:
        return super().forward(a.flatten(1))


SGD = partial(torch.optim.SGD, lr=0.1)
BOTH = {"generator_optimizer": SGD, "discriminator_optimizer": SGD}


def coulomb() -> CoulombGAN:
    networks = DCGANGenerator(4, 1, 8, 4), DCGANDiscriminator(1, 8, 4)
    return CoulombGAN(*networks, latent_dim=4, **BOTH)


def eieg() -> EIEGGAN:
    networks = Images(4, 64, [8]), Flat(64, 2, [8])
    return EIEGGAN(*networks, latent_dim=4, power=1.0, objective="repulsive", **BOTH)


def train(
    make: Callable[[], GenerativeModule], folder: Path, steps: int, *callbacks: object, **fit: str
) -> GenerativeModule:
    seed_everything(0)
    model = make()
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=folder,
        callbacks=[EMA(0.5), *callbacks],
    )
    trainer.fit(model, EmbeddedDigits(digits="8x8", size=8, batch_size=50), **fit)
    return model


@pytest.mark.parametrize("make", [coulomb, eieg])
def test_compiled_networks_learn_what_others_learn(
    make: Callable[[], GenerativeModule], tmp_path: Path
) -> None:
    counted = []

    class Count(Compile):
        def on_train_batch_start(
            self, trainer: Trainer, model: GenerativeModule, *_: object
        ) -> None:
            counted.append([t.network._compiled_call_impl is not None for t in model.trained])

    torch._dynamo.reset()
    eager, compiled = train(make, tmp_path, 3), train(make, tmp_path, 3, Count())
    assert counted == [[True] * len(eager.trained)] * 3
    start = make().state_dict()
    for name, value in eager.state_dict().items():
        after = compiled.state_dict()[name]
        assert torch.allclose(after.double(), value.double(), rtol=1e-3, atol=1e-5), name
        assert name not in start or start[name].dim() < 2 or not torch.equal(start[name], after)
    # The run leaves networks as it found them: copies and files know nothing of it.
    assert all(t.network._compiled_call_impl is None for t in compiled.trained)
    copy.deepcopy(compiled)


def test_a_compiled_run_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    torch._dynamo.reset()
    whole = train(eieg, tmp_path, 4, Compile())
    keep = ModelCheckpoint(tmp_path, "kept", every_n_train_steps=2)
    train(eieg, tmp_path, 2, Compile(), keep)
    again = train(eieg, tmp_path, 4, Compile(), ckpt_path=str(tmp_path / "kept.ckpt"))
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def vapo() -> VAPO:
    return VAPO(MLP(64, 1, [8]), shape=[1, 8, 8])


def wgan_gp() -> WGANGP:
    return WGANGP(MLP(4, 64), MLP(64, 1), latent_dim=4)


def penalized() -> EIEGGAN:
    return EIEGGAN(MLP(4, 64), MLP(64, 2), latent_dim=4, power=1.0, gradient_penalty=1.0)


@pytest.mark.parametrize(
    ("make", "name"), [(vapo, "VAPO"), (wgan_gp, "WGANGP"), (penalized, "EIEGGAN")]
)
def test_networks_whose_gradients_are_in_a_loss_are_refused(
    make: Callable[[], GenerativeModule], name: str
) -> None:
    model = make()
    with pytest.raises(ValueError, match=f"'Compile' does not fit {name} with these arguments: "):
        Compile().on_train_start(None, model)
    assert all(t.network._compiled_call_impl is None for t in model.trained)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="'mode' should be one of default, reduce-overhead, max"):
        Compile("fast")


def test_the_networks_of_a_list_are_compiled() -> None:
    gan = MMDGAN(MLP(4, 64), MLP(64, 3), latent_dim=4, decoder=MLP(3, 64))
    callback = Compile()
    callback.on_train_start(None, gan)
    networks = (gan.generator, gan.discriminator, gan.decoder)
    assert all(network._compiled_call_impl is not None for network in networks)
    callback.teardown(None, gan, "fit")
    assert all(network._compiled_call_impl is None for network in networks)
