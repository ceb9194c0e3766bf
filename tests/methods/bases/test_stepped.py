r"""Tests for the energy_gans.methods.bases.stepped module: sizes of batches, state of updates."""

from collections.abc import Callable
from unittest import mock

import pytest
from torch import Tensor, nn
from torch.optim import Optimizer

from energy_gans.cli import main
from energy_gans.methods import GenerativeModule
from energy_gans.methods.bases.stepped import SteppedModule

from ..test_contracts import of

ARGS = "--model.init_args."
# Methods whose loss of one sample is empty: their options, and the smallest batch that they take.
SMALLEST = {
    ("baselines.MMDGAN", f"{ARGS}objective=repulsive"): 2,
    ("EIEGGAN", f"{ARGS}objective=repulsive", f"{ARGS}updates_per_step=2"): 4,
    ("VAPO", f"{ARGS}spectral_gap=0", f"{ARGS}accumulate=2"): 4,
    ("VAPO", f"{ARGS}estimator=e4"): 2,
    ("VAPO", f"{ARGS}estimator=e4", f"{ARGS}spectral_gap=0"): 1,
    ("baselines.MMDGAN",): 1,
}

# Methods with an update of their own.
UPDATES = ["baselines.BEGAN", "EIEGGAN", "GGCN", "InpaintingGGCN", "MultigridGCN", "VAPO"]


@pytest.mark.parametrize("case", SMALLEST, ids=lambda case: "-".join(case).replace(ARGS, ""))
def test_a_batch_whose_loss_is_empty_is_refused(tiny: Callable, case: tuple[str, ...]) -> None:
    method, *options = case
    largest: dict[Optimizer, float] = {}

    def look(self: SteppedModule, optimizer: Optimizer) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        slopes = [p.grad.abs().max().item() for p in parameters if p.grad is not None]
        largest[optimizer] = max(slopes)

    args = tiny("--trainer.max_steps=1", *of(method), *options, points=True)
    args.append("--trainer.limit_val_batches=0")
    n, name = SMALLEST[case], method.rpartition(".")[2]
    with mock.patch.object(SteppedModule, "on_before_optimizer_step", look):
        main([*args, f"--data.init_args.batch_size={n}"])
        assert min(largest.values()) > 0
        if n == 1:
            return
        message = (
            rf"batch_size' should be at least {n} for {name}, got {n // 2}: the loss of a mini"
        )
        with pytest.raises(SystemExit, match=message):
            main([*args, f"--data.init_args.batch_size={n // 2}"])


def holds_tensor(value: object) -> bool:
    if isinstance(value, (dict, list, tuple)):
        return any(map(holds_tensor, value.values() if isinstance(value, dict) else value))
    return isinstance(value, Tensor) and not isinstance(value, nn.Parameter)


@pytest.mark.parametrize("method", ["CoulombGAN", *UPDATES])
def test_no_attribute_carries_a_tensor_through_an_update(tiny: Callable, method: str) -> None:
    held: set[str] = set()

    def look(self: GenerativeModule) -> None:
        for part in (self, getattr(self, "buffer", None)):
            held.update(n for n, v in getattr(part, "__dict__", {}).items() if holds_tensor(v))

    options = of(method) if method in UPDATES else []
    args = ["--trainer.max_steps=2", "--trainer.limit_val_batches=0", *options]
    with mock.patch.object(GenerativeModule, "on_train_end", look):
        main(tiny(*args, points=True))
    # Samples for a later potential, logged numbers, and the replay buffer's states.
    assert held - {"_buffers", "_parameters"} <= {"charges", "noted", "states", "filled"}
