r"""Tests that what data modules do on the device works on a GPU, a pretended one."""

from collections.abc import Callable

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from energy_gans.data import EmbeddedDigits, FromDataset, FromLoader, Grid, Ring

from ..methods.test_contracts import assert_same
from .pretend import PretendTensor, needs_pretence, pretend, unwrapped

pytestmark = needs_pretence


class Recorder(LightningModule):
    r"""Keeps the batches as a method sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight, self.seen = nn.Parameter(torch.zeros(1)), []

    def training_step(self, batch: list, batch_idx: int) -> None:
        self.seen.append(batch)

    def validation_step(self, batch: list, batch_idx: int) -> None:
        self.seen.append(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def images() -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(256, (24, 3, 8, 8), generator=random).to(torch.uint8)


def loader(y: Tensor) -> torch.utils.data.DataLoader:
    return torch.utils.data.DataLoader(TensorDataset(y, torch.arange(24)), 8, pin_memory=True)


MODULES: dict[str, Callable[[], LightningDataModule]] = {
    "flips": lambda: EmbeddedDigits(digits="8x8", size=8, batch_size=32, flip=True),
    "few": lambda: EmbeddedDigits(digits="8x8", size=8, batch_size=20, limit=10, repeat=4),
    "points": lambda: Ring(batch_size=16, samples=64),
    "grid": lambda: Grid(batch_size=16, samples=64),
    "dataset": lambda: FromDataset(
        TensorDataset(images(), torch.arange(24)), TensorDataset(images()), batch_size=8, flip=True
    ),
    "floats": lambda: FromDataset(
        TensorDataset(images().float() / 255), value_range=(0, 1), batch_size=8, flip=True
    ),
    "loader": lambda: FromLoader(loader(images()), loader(images())),
    "loader of floats": lambda: FromLoader(loader(images().float()), value_range=(0, 255)),
}


@pytest.mark.parametrize("name", MODULES)
def test_batches_are_those_of_the_cpu(name: str) -> None:
    def batches(accelerator: str) -> list:
        torch.manual_seed(0)
        model = Recorder()
        model.cpu = lambda: model
        trainer = Trainer(
            max_epochs=1,
            limit_train_batches=2,
            limit_val_batches=1,
            num_sanity_val_steps=0,
            accelerator=accelerator,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, MODULES[name]())
        return model.seen

    with pretend():
        found = batches("gpu")
    assert all(isinstance(part, (PretendTensor, type(None))) for batch in found for part in batch)
    assert_same(unwrapped(found), batches("cpu"))
