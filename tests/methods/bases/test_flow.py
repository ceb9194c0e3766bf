r"""Tests for the energy_gans.methods.bases.flow module: samples and validations of flows."""

import math
from unittest import mock

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn

from energy_gans.data import Ring
from energy_gans.methods import VAPO, Flow

from ..harness import fit, sgd
from ..test_vapo import OMEGA, model, slope


def test_samples_follow_the_gradient_from_the_prior() -> None:
    vapo = model(flow=Flow("euler", steps=4, terminal_time=1.5, batch_size=3))
    x = OMEGA * torch.randn(7, 2, generator=torch.Generator().manual_seed(3))
    for _ in range(4):
        x = x + 1.5 / 4 * slope(vapo.descriptor, x, graph=False)
    found = vapo.sample(7, random=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, x)
    assert vapo.evaluations == 4


def test_after_the_time_1_the_potential_is_that_of_the_time_1() -> None:
    vapo = model(time_conditioned=True, flow=Flow("euler", steps=3, terminal_time=3.0))
    x = OMEGA * torch.randn(5, 2, generator=torch.Generator().manual_seed(3))
    *_, frame = vapo.trajectory(x, frames=3)
    for time in (0.0, 1.0, 1.0):
        x = x + slope(vapo.descriptor, x, None, torch.full((5,), time), graph=False)
    torch.testing.assert_close(frame.x, x)
    end = torch.ones(5)
    torch.testing.assert_close(frame.potential, vapo.descriptor(x, None, end)[:, 0])
    speed = slope(vapo.descriptor, x, None, end, graph=False).norm(dim=1)
    torch.testing.assert_close(frame.speed, speed)


def test_the_frames_of_a_trajectory_are_the_states_of_its_steps() -> None:
    vapo = model(flow=Flow("euler", steps=4, terminal_time=2.0, batch_size=3))
    x = OMEGA * torch.randn(5, 2, generator=torch.Generator().manual_seed(3))
    frames = list(vapo.trajectory(x, frames=4))
    assert [frame.time for frame in frames] == [0.0, 0.5, 1.0, 1.5, 2.0]
    for frame in frames:
        torch.testing.assert_close(frame.x, x)
        torch.testing.assert_close(frame.potential, vapo.descriptor(x)[:, 0])
        v = slope(vapo.descriptor, x, graph=False)
        torch.testing.assert_close(frame.speed, v.norm(dim=1))
        assert frame.potential_time is None
        x = x + v / 2


@pytest.mark.parametrize("guidance", [0.0, 0.5, 1.0])
def test_labels_are_dropped_and_samples_guided(guidance: float) -> None:
    vapo = model(classes=8, guidance=guidance, label_dropout=0.3)
    fit(vapo, steps=3)
    vapo.share_of = lambda draw, n, *shape: draw(n, *shape)
    label = torch.arange(8).repeat(500)
    dropped = vapo.drop_labels(label)
    assert (dropped == 8).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(dropped[dropped < 8], label[dropped < 8])
    label = torch.arange(7)
    x = OMEGA * torch.randn(7, 2, generator=torch.Generator().manual_seed(3))
    for _ in range(4):
        own = slope(vapo.descriptor, x, label, graph=False)
        none = slope(vapo.descriptor, x, torch.full((7,), 8), graph=False)
        x = x + ((1 + guidance) * own - guidance * none) / 4
    found = vapo.sample(7, label, torch.Generator().manual_seed(3))
    torch.testing.assert_close(found, x)
    y = torch.randn(5, 2)
    assert torch.equal(vapo.potential(y), vapo.potential(y, torch.full((5,), 8)))
    assert not torch.equal(vapo.potential(y), vapo.potential(y, torch.zeros(5).long()))


def test_the_potential_is_that_of_the_flows_end() -> None:
    vapo, y = model(time_conditioned=True), torch.randn(5, 2)
    torch.testing.assert_close(vapo.potential(y), vapo.descriptor(y, None, torch.ones(5))[:, 0])
    early = vapo.descriptor(y, None, torch.full((5,), 0.2))[:, 0]
    torch.testing.assert_close(vapo.potential(y, time=torch.full((5,), 0.2)), early)


def test_samples_are_those_of_the_moving_average() -> None:
    vapo = model()
    vapo.average(0.5)
    known = vapo.sample(5, random=torch.Generator().manual_seed(3))
    with torch.no_grad():
        vapo.descriptor.head.weight.zero_()
    assert torch.equal(known, vapo.sample(5, random=torch.Generator().manual_seed(3)))


class Rough(nn.Module):
    r"""A potential whose gradient is a wave. It counts its evaluations."""

    def __init__(self, height: float, waves: float) -> None:
        super().__init__()
        self.height, self.waves, self.calls = height, waves, 0
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return -self.weight * self.height / self.waves * (self.waves * x).cos().sum(1)


@mock.patch("energy_gans.data.batches.EVALUATION_BATCH", 16)
def validated(vapo: VAPO, command: str = "fit") -> None:
    seed_everything(7, verbose=False)
    data = Ring(samples=64, batch_size=16)
    trainer = Trainer(
        max_steps=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        inference_mode=False,
        val_check_interval=1,
        check_val_every_n_epoch=None,
    )
    trainer.fit(vapo, data) if command == "fit" else trainer.validate(vapo, data, verbose=False)


def rough(height: float, waves: float, **kwargs: object) -> VAPO:
    flow = Flow(most_evaluations=100, **kwargs)
    return model(descriptor=Rough(height, waves), flow=flow, descriptor_optimizer=sgd(0.0))


def batches_validated(vapo: VAPO, command: str = "fit") -> int:
    with mock.patch.object(VAPO, "sample", autospec=True, side_effect=VAPO.sample) as sample:
        validated(vapo, command)
    return sample.call_count


def test_a_diverged_potential_stops_training_after_one_batch() -> None:
    vapo = rough(1e6, 1e4)
    told = (
        r"The potential has diverged at step 1: dopri5 stopped after \d+ evaluations in a field of"
    )
    with (
        mock.patch.object(VAPO, "sample", autospec=True, side_effect=VAPO.sample) as sample,
        pytest.warns(UserWarning, match="dopri5 stopped after"),
        pytest.raises(FloatingPointError, match=told),
    ):
        validated(vapo)
    assert sample.call_count == 1
    assert vapo.descriptor.calls < 150


@pytest.mark.parametrize("solver", ["dopri5", "rk45", "euler"])
def test_a_potential_that_is_not_finite_stops_training_at_its_first_evaluation(
    solver: str,
) -> None:
    vapo = rough(math.nan, 1.0, solver=solver)
    with pytest.raises(
        FloatingPointError, match=f"not finite at time 0 .* evaluation 1 by {solver}"
    ):
        validated(vapo)


def test_a_rough_potential_costs_a_batch_of_each_validation_and_no_run() -> None:
    vapo = rough(1.0, 4000.0)
    with pytest.warns(UserWarning, match="The rest of the validation after step 1 is left out"):
        # One of four batches is validated, after each of two steps.
        assert batches_validated(vapo) == 2
    assert vapo.exhausted and vapo.trainer.global_step == 2
    assert vapo.trainer.callback_metrics["val/energy_distance"].isfinite()


def test_all_of_a_validation_is_measured_where_solvers_reach_the_end_or_nobody_trains() -> None:
    assert batches_validated(rough(1.0, 2.0)) == 8
    with pytest.warns(UserWarning, match="dopri5 stopped after"):
        assert batches_validated(rough(1.0, 4000.0), "validate") == 4


def test_tolerances_that_are_too_small_are_no_divergence() -> None:
    vapo = rough(1.0, 20.0, rtol=1e-12, atol=1e-12)
    with pytest.warns(UserWarning, match="dopri5 stopped after 100"):
        assert batches_validated(vapo) == 2
