r"""Tests for the energy_gans.methods.parts.finite module."""

import math

import pytest
import torch

from energy_gans.methods.parts.finite import non_finite


def checkpoint() -> dict:
    r"""Returns a checkpoint that passes the check, with permitted infinities."""
    adam = {"step": torch.tensor(3.0), "exp_avg_sq": torch.ones(2, 3)}
    group = {"lr": 0.1, "betas": (0.5, 0.9), "largest_norm": math.inf, "params": [0]}
    return {
        "global_step": 3,
        "state_dict": {"net.weight": torch.ones(2, 3), "net.count": torch.tensor(2**62).expand(8)},
        "optimizer_states": [{"state": {0: adam}, "param_groups": [group]}],
        "lr_schedulers": [{"base_lrs": [0.1], "best": math.inf, "_last_lr": [0.1]}],
        "buffer": {"x": torch.ones(4, dtype=torch.uint8), "filled": torch.ones(4).bool()},
        "charges": [torch.ones(2), torch.zeros(0)],
        "callbacks": {"EarlyStopping": {"best_score": torch.tensor(math.inf)}},
        "hyper_parameters": {"bound": math.inf},
    }


# The dotted names of tensors, and the keys that lead to them.
BAD = {
    "net.weight": ("state_dict", "net.weight"),
    "optimizer_states.0.state.0.exp_avg_sq": ("optimizer_states", 0, "state", 0, "exp_avg_sq"),
    "charges.0": ("charges", 0),
}


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("name", BAD)
def test_the_tensor_that_is_not_finite_is_named(name: str, value: float) -> None:
    saved = checkpoint()
    assert non_finite(saved) is None
    tensor = saved
    for key in BAD[name]:
        tensor = tensor[key]
    tensor.view(-1)[-1] = value
    assert non_finite(saved) == name


def test_infinities_that_cancel_are_found() -> None:
    assert non_finite({"x": torch.tensor([math.inf, 1.0, -math.inf])}) == "x"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_sum_that_overflows_is_not_taken_for_a_number_of_the_tensor(dtype: torch.dtype) -> None:
    x = torch.full((1000,), torch.finfo(dtype).max, dtype=dtype)
    assert not x.sum().isfinite()
    assert non_finite({"x": x}) is None
    x[500] = math.nan
    assert non_finite({"x": x}) == "x"


@pytest.mark.parametrize(
    "key, value", [("lr", math.inf), ("lr", math.nan), ("largest_norm", math.nan)]
)
def test_rates_are_finite_and_no_option_is_nan(key: str, value: float) -> None:
    saved = checkpoint()
    saved["optimizer_states"][0]["param_groups"][0][key] = value
    assert non_finite(saved) == f"optimizer_states.0.param_groups.0.{key}"
