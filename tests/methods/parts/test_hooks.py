r"""Tests for the energy_gans.methods.parts.hooks module: steps that bypass the trainer."""

from pathlib import Path
from unittest import mock

import pytest
from lightning.pytorch import LightningModule

from energy_gans.callbacks import EMA
from energy_gans.cli import main
from energy_gans.methods import CoulombGAN

from ..test_contracts import Arguments, assert_same, last


def test_the_direct_way_is_the_trainers_way(tiny: Arguments, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=6", "--model.init_args.gradient_clip_norm=0.1", name="direct"))
    with mock.patch("energy_gans.methods.bases.stepped.no_hooks_between", lambda trainer: False):
        main(
            tiny("--trainer.max_steps=6", "--model.init_args.gradient_clip_norm=0.1", name="long")
        )
    direct, long = last(tmp_path / "direct"), last(tmp_path / "long")
    assert_same(direct["state_dict"], long["state_dict"])


def test_the_direct_way_is_not_taken_past_a_callback_that_looks_at_gradients(
    tiny: Arguments,
) -> None:
    looked: list[int] = []
    with mock.patch.object(
        EMA, "on_after_backward", lambda self, trainer, model: looked.append(1), create=True
    ):
        main(tiny("--trainer.max_steps=2", points=True))
    assert len(looked) == 4


@pytest.mark.parametrize("hook", ["on_before_backward", "on_after_backward", "backward"])
def test_the_direct_way_is_not_taken_past_a_hook_of_the_method(tiny: Arguments, hook: str) -> None:
    looked: list[int] = []
    own = getattr(LightningModule, hook)

    def look(self: CoulombGAN, *args: object, **kwargs: object) -> None:
        looked.append(1)
        own(self, *args, **kwargs)

    with mock.patch.object(CoulombGAN, hook, look):
        main(tiny("--trainer.max_steps=2", points=True))
    assert len(looked) == 4
