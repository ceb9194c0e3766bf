r"""Helpers of the tests of methods: tiny networks, short trainings and their batches."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn
from torch.optim import SGD, Adam

from energy_gans.data import Ring
from energy_gans.data.base import TensorDataModule
from energy_gans.functional import fold
from energy_gans.methods import GenerativeModule
from energy_gans.methods.bases.adversarial import AdversarialModule
from energy_gans.networks import MLP

RING = partial(Ring, samples=512)
RATES = {"generator": 0.05, "discriminator": 0.02}


def sgd(lr: float) -> Callable:
    return lambda groups: SGD(groups, lr=lr)


def adam(lr: float) -> Callable:
    return lambda groups: Adam(groups, lr=lr)


def model(method: type[AdversarialModule], out: int = 1, **kwargs: object) -> AdversarialModule:
    r"""Returns a method on points with the same initial weights every time."""
    seed_everything(7, verbose=False)
    defaults = {
        "generator": MLP(2, 2, [16]),
        "discriminator": MLP(2, out, [16], nn.SiLU),
        "latent_dim": 2,
        "generator_optimizer": sgd(RATES["generator"]),
        "discriminator_optimizer": sgd(RATES["discriminator"]),
    }
    return method(**(defaults | kwargs))


def fit(
    gan: GenerativeModule,
    steps: int,
    batch_size: int = 16,
    data: Callable[..., TensorDataModule] = RING,
    **options: object,
) -> TensorDataModule:
    r"""Trains a method on a ring of points, or on the data module of another constructor."""
    seed_everything(7, verbose=False)
    module = data(batch_size=batch_size)
    trainer = Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        **options,
    )
    trainer.fit(gan, module)
    return module


def batches(data: Ring, steps: int) -> list[Tensor]:
    r"""Returns the real samples of the first steps."""
    order = data.step_order(512)
    order.step = lambda: 0
    return [data.contents("train")[0][i] for _, i in zip(range(steps), order, strict=False)]


def noises(gan: AdversarialModule, steps: int) -> Iterator[torch.Generator]:
    r"""Yields the generators of the noise of the first steps."""
    for step in range(steps):
        yield torch.Generator().manual_seed(fold(gan.seed, "noise", step))


def stepped(network: nn.Module, loss: Tensor, lr: float) -> None:
    r"""Makes a gradient step of a network, and of no other."""
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        for p, g in zip(parameters, gradients, strict=True):
            p -= lr * g


def assert_same_weights(a: nn.Module, b: nn.Module, start: nn.Module) -> None:
    r"""Asserts that two methods have the same weights, which differ from the initial ones."""
    for name, p in a.named_parameters():
        torch.testing.assert_close(p, b.get_parameter(name), rtol=1e-4, atol=1e-6)
    for name in ("generator.0.weight", "discriminator.0.weight"):
        assert (a.get_parameter(name) - start.get_parameter(name)).abs().max() > 1e-4
