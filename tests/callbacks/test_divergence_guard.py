r"""Tests for the energy_gans.callbacks.divergence_guard module."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from energy_gans.callbacks import DivergenceGuard, divergence_guard
from energy_gans.cli import main
from energy_gans.methods import GCN
from energy_gans.storage.saved_run import LAST

MODULE = divergence_guard.__name__
GUARD = "--trainer.callbacks+=energy_gans.callbacks.DivergenceGuard"
LIMITS = '--trainer.callbacks.limits={"gap": 1000}'


def arguments(tiny: Callable, *more: str) -> list[str]:
    chains = '{"steps": 2, "step_size": 0.2, "reference_std": 1.0}'
    return tiny(
        "--model=energy_gans.methods.GCN",
        "--model.init_args.descriptor=energy_gans.networks.MLP",
        "--model.init_args.descriptor.in_features=2",
        "--model.init_args.descriptor.out_features=1",
        "--model.init_args.descriptor.hidden_features=[16]",
        "--model.init_args.shape=[2]",
        f"--model.init_args.chains={chains}",
        "--model.init_args.buffer_size=64",
        "--model.init_args.descriptor_optimizer=torch.optim.SGD",
        "--model.init_args.descriptor_optimizer.lr=0.08",
        "--model.init_args.descriptor_scheduler=torch.optim.lr_scheduler.ExponentialLR",
        "--model.init_args.descriptor_scheduler.gamma=0.5",
        "--trainer.callbacks.monitor=val/energy_distance",
        *more,
        points=True,
    )


def spoiling(steps: list[int], value: float) -> object:
    r"""Makes some steps log a gap, once each, and spoils the weights there."""
    update, left = GCN.update, list(steps)

    def spoil(self: GCN, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        losses = update(self, y, label)
        if self.global_step + 1 in left:
            left.remove(self.global_step + 1)
            self.descriptor[0].weight.data.fill_(torch.nan)
            self.buffer.states["x"].fill_(torch.nan)
            losses["gap"] = torch.tensor(value)
            self.noted.pop("gap")
        return losses

    return mock.patch.object(GCN, "update", spoil)


@pytest.mark.parametrize("value, said", [(2000.0, "2000, above 1000"), (torch.nan, "nan, above")])
def test_a_run_out_of_bounds_is_stopped(
    tiny: Callable, tmp_path: Path, value: float, said: str
) -> None:
    message = (
        f"train/gap is {said}.* at step 5: stopped, and the last checkpoint before it is good"
    )
    with spoiling([5], value), pytest.raises(SystemExit, match=message):
        main(arguments(tiny, "--trainer.max_steps=9", GUARD, LIMITS))
    saved = torch.load(tmp_path / "tiny/version_0/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 3


def test_a_run_is_rolled_back_with_half_its_learning_rate(tiny: Callable, tmp_path: Path) -> None:
    rates: list[float] = []
    weights: list[Tensor] = []
    step = DivergenceGuard.on_train_batch_end

    def watch(self: DivergenceGuard, trainer: object, module: GCN, *args: object) -> None:
        step(self, trainer, module, *args)
        rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        weights.append(module.descriptor[0].weight.detach().clone())

    options = ["--trainer.max_steps=9", GUARD, LIMITS, "--trainer.callbacks.action=rollback"]
    with (
        spoiling([5, 8], 2000.0),
        mock.patch.object(DivergenceGuard, "on_train_batch_end", watch),
        pytest.warns(UserWarning, match="back to the checkpoint of step 3, .*1 of at most 5"),
    ):
        main(arguments(tiny, *options))
    # The schedule halves the rate at every step, a rollback once more.
    expected = [0.08 * 0.5 ** (i + 1 + (i >= 4) + (i >= 7)) for i in range(9)]
    assert rates == pytest.approx(expected)
    assert torch.equal(weights[4], weights[2])
    saved = torch.load(tmp_path / "tiny/version_0/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 9
    assert saved["buffer"]["x"].isfinite().all()
    (state,) = [s for name, s in saved["callbacks"].items() if "Divergence" in name]
    assert state["rollbacks"] == 2


def test_a_resumed_run_is_rolled_back_to_what_it_was_resumed_from(
    tiny: Callable, tmp_path: Path
) -> None:
    options = [GUARD, LIMITS, "--trainer.callbacks.action=rollback"]
    with spoiling([5], 2000.0), pytest.warns(UserWarning, match="back to the .* of step 3, "):
        main(arguments(tiny, "--trainer.max_steps=9", *options))
    whole = torch.load(tmp_path / "tiny/version_0/checkpoints/last.ckpt", weights_only=True)
    main(arguments(tiny, "--trainer.max_steps=3", *options))
    place = tmp_path / "tiny/version_1/checkpoints/last.ckpt"
    # From a folder of this config's runs it goes on there, and from elsewhere in a new one.
    moved = tmp_path / "moved.ckpt"
    moved.write_bytes(place.read_bytes())
    for path, name in ((moved, "version_2"), (place, "version_1")):
        with spoiling([5], 2000.0), pytest.warns(UserWarning, match="back to the .* of step 3, "):
            main(arguments(tiny, "--trainer.max_steps=9", *options, f"--ckpt_path={path}"))
        resumed = torch.load(tmp_path / f"tiny/{name}/checkpoints/last.ckpt", weights_only=True)
        for key in ("state_dict", "buffer"):
            assert all(torch.equal(v, resumed[key][k]) for k, v in whole[key].items())
        (a,), (b,) = (saved["optimizer_states"] for saved in (whole, resumed))
        assert a["param_groups"] == b["param_groups"]


def test_a_run_that_will_not_be_helped_is_stopped(tiny: Callable) -> None:
    options = ["--trainer.callbacks.action=rollback", "--trainer.callbacks.most_rollbacks=2"]
    with (
        spoiling([4, 5, 6], torch.inf),
        pytest.warns(UserWarning, match="2 of at most 2"),
        pytest.raises(
            SystemExit, match="train/gap is inf, above 1000 at step 6: stopped after 2 rollb"
        ),
    ):
        main(arguments(tiny, "--trainer.max_steps=9", GUARD, LIMITS, *options))


def test_before_the_first_checkpoint_there_is_nothing_to_go_back_to(tiny: Callable) -> None:
    options = ["--trainer.callbacks.action=rollback"]
    with (
        spoiling([2], 2000.0),
        pytest.raises(SystemExit, match="diverged at step 2, before its first checkpoint"),
    ):
        main(arguments(tiny, "--trainer.max_steps=9", GUARD, LIMITS, *options))


# Limits on averages


def trainer_of(folder: Path, others: float | None = None) -> SimpleNamespace:
    r"""Returns a trainer for a guard, with another process whose values are `others`."""

    def reduce(values: Tensor, reduce_op: str) -> Tensor:
        assert reduce_op == "mean"
        return values if others is None else (values + others) / 2

    return SimpleNamespace(
        global_step=7,
        logger=None,
        default_root_dir=folder,
        ckpt_path=None,
        strategy=SimpleNamespace(
            reduce=reduce,
            reduce_boolean_decision=lambda found, all: found,
            broadcast=lambda path: path,
        ),
    )


def guard_on_average(steps: int) -> DivergenceGuard:
    return DivergenceGuard(limits={"gap": 0.5}, average_steps=steps)


# 0.9^6 > 1/2 > 0.9^7, and 0.99^68 > 1/2 > 0.99^69
@pytest.mark.parametrize("n, steps", [(1, 1), (10, 7), (100, 69)])
@pytest.mark.parametrize("value", [1.0, -1.0])
def test_what_stays_at_twice_its_limit_stops_a_run_after_some_steps(
    tmp_path: Path, n: int, steps: int, value: float
) -> None:
    guard, taken = guard_on_average(n), 0
    with pytest.raises(FloatingPointError) as stop:
        while taken < 200:
            taken += 1
            guard.on_train_batch_end(
                trainer_of(tmp_path), None, {"train/gap": torch.tensor(value)}
            )
    assert taken == steps
    average = 1 - (1 - 1 / n) ** steps
    assert guard.averages["train/gap"] == pytest.approx(average)
    said = f"is {value:g}" if n == 1 else f"averages {average:g} over about {n} steps"
    assert str(stop.value).startswith(f"train/gap {said}, above 0.5 at step 7: stopped, and ")


def test_one_step_far_off_does_not_stop_a_run(tmp_path: Path) -> None:
    guard = guard_on_average(100)
    for step in range(500):
        value = torch.tensor(30.0 if step == 200 else 0.1)
        guard.on_train_batch_end(trainer_of(tmp_path), None, {"train/gap": value})
    assert guard.averages["train/gap"] == pytest.approx(0.1 + 0.299 * 0.99**299, rel=1e-2)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["gap", "loss_d"])
def test_what_is_not_finite_stops_a_run_at_once(tmp_path: Path, value: float, name: str) -> None:
    losses = {"train/gap": torch.tensor(0.0), "train/loss_d": torch.tensor(0.0)}
    losses[f"train/{name}"] = torch.tensor(value)
    with pytest.raises(FloatingPointError, match=f"train/{name} is {value}"):
        guard_on_average(100).on_train_batch_end(trainer_of(tmp_path), None, losses)


def test_processes_average_what_the_global_minibatch_has(tmp_path: Path) -> None:
    guard = guard_on_average(10)
    for _ in range(50):
        guard.on_train_batch_end(
            trainer_of(tmp_path, others=-3.0), None, {"train/gap": torch.tensor(3.0)}
        )
    assert guard.averages == {"train/gap": 0.0}


def state_of(path: Path) -> dict:
    states = torch.load(path, weights_only=True)["callbacks"]
    (state,) = [s for name, s in states.items() if "Divergence" in name]
    return state


def test_averages_go_on_where_they_were(tiny: Callable, tmp_path: Path) -> None:
    options = [GUARD, LIMITS, "--trainer.callbacks.average_steps=5"]
    main(arguments(tiny, "--trainer.max_steps=9", *options))
    whole = state_of(tmp_path / "tiny/version_0/checkpoints/last.ckpt")
    main(arguments(tiny, "--trainer.max_steps=4", *options))
    main(arguments(tiny, "--trainer.max_steps=9", *options, "--ckpt_path=last"))
    assert state_of(tmp_path / "tiny/version_1/checkpoints/last.ckpt") == whole
    assert whole["averages"].keys() == {"train/gap"} and whole["averages"]["train/gap"] > 0


def test_averages_start_anew_after_a_rollback(tiny: Callable, tmp_path: Path) -> None:
    limits = '--trainer.callbacks.limits={"gap": 400}'
    options = ["--trainer.callbacks.action=rollback", "--trainer.callbacks.average_steps=2"]
    # 2000 / 2 = 1000 exceeds 400, and so would 1000 / 2 at the step after.
    with (
        spoiling([5], 2000.0),
        pytest.warns(UserWarning, match="gap averages 1000.* over about 2 steps, above 400 at st"),
    ):
        main(arguments(tiny, "--trainer.max_steps=9", GUARD, limits, *options))
    state = state_of(tmp_path / "tiny/version_0/checkpoints/last.ckpt")
    assert state["rollbacks"] == 1 and state["averages"]["train/gap"] < 10


def test_a_checkpoint_of_an_earlier_version_has_no_averages() -> None:
    guard = guard_on_average(100)
    guard.load_state_dict({"rollbacks": 2})
    assert guard.state_dict() == {"rollbacks": 2, "averages": {}}


def test_chains_that_do_not_follow_stop_a_run(tiny: Callable) -> None:
    # They start near the middle of the ring and hardly move.
    options = [
        "--trainer.max_steps=200",
        "--trainer.limit_val_batches=0",
        "--model.init_args.start=noise",
        '--model.init_args.chains={"steps": 1, "step_size": 0.01, "reference_std": 0.1}',
        "--model.init_args.magnitude=0.1",
        "--model.init_args.descriptor_scheduler=null",
        "--model.init_args.descriptor_optimizer=torch.optim.Adam",
        "--model.init_args.descriptor_optimizer.lr=0.03",
        "--trainer.callbacks.monitor=null",
        GUARD,
    ]
    limits = ['--trainer.callbacks.limits={"gap_share": 0.5}', "--trainer.callbacks.average_steps"]
    message = (
        r"train/gap_share averages 0\.5\d* over about 20 steps, above 0\.5 at step \d+: stopped, "
        "and the last checkpoint, perhaps written after this began, is .*last.ckpt"
    )
    with pytest.raises(SystemExit, match=message):
        main(arguments(tiny, *options, *limits, "20"))


def test_a_damaged_checkpoint_is_not_rolled_back_to(tiny: Callable, tmp_path: Path) -> None:
    options = [GUARD, LIMITS, "--trainer.callbacks.action=rollback"]
    last = tmp_path / "tiny/version_0/checkpoints/last.ckpt"
    spoil = GCN.update

    def damage(self: GCN, y: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        if self.global_step + 1 == 5:
            content = bytearray(last.read_bytes())
            weight = torch.load(last, weights_only=True)["state_dict"]["descriptor.0.weight"]
            content[content.index(weight.numpy().tobytes())] ^= 1
            last.write_bytes(content)
        return spoil(self, y, label)

    with (
        mock.patch.object(GCN, "update", damage),
        spoiling([5], 2000.0),
        pytest.raises(SystemExit, match="last.ckpt' can not be read: its part .* is damaged"),
    ):
        main(arguments(tiny, "--trainer.max_steps=9", *options))


def test_a_limit_of_what_is_not_logged_is_refused(tiny: Callable) -> None:
    with pytest.raises(SystemExit, match="'limits' should be of .*'score_norm'.*got 'gop'"):
        main(
            arguments(
                tiny, "--trainer.max_steps=2", GUARD, '--trainer.callbacks.limits={"gop": 1}'
            )
        )


@pytest.mark.parametrize(
    "options",
    [{"limits": {"gap": 0.0}}, {"action": "pray"}, {"most_rollbacks": 0}, {"average_steps": 0}],
)
def test_arguments_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="should be"):
        DivergenceGuard(**options)


SCHEDULES = {
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "sequential": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1, total_iters=3), lr_scheduler.CosineAnnealingLR(o, 20)],
        milestones=[3],
    ),
    "chained": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, total_iters=4), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=30),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 5),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_two_rollbacks_quarter_the_rates_of_every_schedule(name: str, tmp_path: Path) -> None:
    def course(rollbacks: list[int]) -> list[float]:
        weights = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(weights.parameters(), lr=0.1, momentum=0.9)
        scheduler = SCHEDULES[name](optimizer)
        saved = {"state_dict": weights.state_dict(), "global_step": 0}
        saved["optimizer_states"] = [copy.deepcopy(optimizer.state_dict())]
        trainer = SimpleNamespace(
            optimizers=[optimizer], lr_scheduler_configs=[SimpleNamespace(scheduler=scheduler)]
        )
        weights.on_load_checkpoint = lambda checkpoint: None
        (tmp_path / LAST).parent.mkdir(exist_ok=True)
        (tmp_path / LAST).touch()
        found = []
        for step in range(12):
            optimizer.step()
            scheduler.step()
            if step in rollbacks:
                with (
                    mock.patch(f"{MODULE}.run_directory", lambda trainer: tmp_path),
                    mock.patch(f"{MODULE}.load_checkpoint", lambda path: copy.deepcopy(saved)),
                ):
                    divergence_guard._roll_back(trainer, weights)
            found.append(optimizer.param_groups[0]["lr"])
        return found

    plain, rolled = course([]), course([4, 7])
    factors = [1.0] * 4 + [0.5] * 3 + [0.25] * 5
    assert rolled == pytest.approx([r * f for r, f in zip(plain, factors, strict=True)])
