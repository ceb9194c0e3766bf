r"""Tests for the energy_gans.storage.argument_types module."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch.nn as nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from energy_gans.methods.parts.chains import Chains
from energy_gans.storage.argument_types import (
    argument_types,
    described_classes,
    makes_optimizer,
    takes_objects,
    union_members,
)


class Base:
    def __init__(self, size: int, name: str | None = None) -> None:
        pass


class PassesOn(Base):
    def __init__(self, network: nn.Module, size: float = 1.0, **kwargs: Any) -> None:
        pass


class KeepsItself(Base):
    def __init__(self, network: nn.Module) -> None:
        pass


def test_arguments_are_those_of_the_class_and_of_bases_that_it_passes_on_to() -> None:
    name = str | None
    assert argument_types(Base) == {"size": (int, False), "name": (name, True)}
    assert argument_types(PassesOn) == {
        "network": (nn.Module, False),
        "size": (float, True),
        "name": (name, True),
    }
    assert argument_types(KeepsItself) == {"network": (nn.Module, False)}


def test_nested_unions_are_flat() -> None:
    assert union_members(int | str | None) == [int, str, type(None)]
    assert union_members(int) == [int]


@pytest.mark.parametrize(
    ("hint", "classes"),
    [
        (nn.Module | None, {nn.Module}),
        (list[nn.Module], {nn.Module}),
        (Mapping[str, nn.Module], {nn.Module}),
        (Callable[..., nn.Module], {nn.Module}),
        (Chains | int, {Chains}),
        (int | str | Path, set()),
        (Sequence[float], set()),
        (Any, set()),
    ],
)
def test_classes_that_a_description_may_stand_for(hint: Any, classes: set[type]) -> None:
    assert {*described_classes(hint)} == classes


def test_a_factory_of_optimizers_or_schedules_is_told_from_one_of_networks() -> None:
    assert makes_optimizer(Callable[[Any], Optimizer])
    assert makes_optimizer(Callable[[Any], Adam] | None)
    assert makes_optimizer(Callable[[Optimizer], LRScheduler] | None)
    assert not makes_optimizer(Callable[..., nn.Module])
    assert not makes_optimizer(Optimizer)


def test_networks_and_functions_are_objects_and_numbers_are_not() -> None:
    assert takes_objects(nn.Module)
    assert takes_objects(nn.Linear | None)
    assert takes_objects(Callable)
    assert takes_objects(Callable[..., int] | str)
    assert not takes_objects(int | str | None)
