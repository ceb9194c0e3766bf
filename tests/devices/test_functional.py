r"""Tests that functions and fields compute on the device of their arguments."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from energy_gans import fields, functional
from energy_gans.fields import ParticleField
from energy_gans.fields.classes import Labelled, class_velocities

from ..fields.test_fields import FIELDS
from ..functional import test_empty
from .pretend import PretendTensor, needs_pretence, pretend, unwrapped

pytestmark = needs_pretence
# Functions of numbers alone, which return no tensor or one of the CPU.
OF_NUMBERS = {
    *("ElasticTerm", "Transport", "annealed", "critical_coefficient", "difference_of_gaussians"),
    *("elastic_power", "exponential_decay", "filter_bank", "fold", "gabor", "keyed_subset"),
    *("hole_masks", "ngram_keys", "patch_mask", "spot_mask", "square_mask", "warmed_decay"),
}


def sets() -> dict[str, Tensor]:
    r"""Returns samples, squares and images under the names of the empty ones of `test_empty`."""
    random = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random)

    return {
        "FEW": normal(5, 3),
        "MANY": normal(5, 9),
        "X": normal(4, 3),
        "WIDE": normal(4, 9),
        "NONE": normal(5).abs(),
        "SQUARE": normal(5, 5).abs(),
        "NO_IMAGES": normal(5, 1, 8, 8),
        "IMAGES": normal(4, 1, 8, 8),
        "NO_LABELS": torch.arange(5) % 2,
        "NO_LINES": torch.randint(3, (5, 3), generator=random),
        "LINES": torch.randint(3, (4, 3), generator=random),
    }


class OnDevice:
    r"""Stands in for `torch` where calls are written, and creates their tensors on the device."""

    def __init__(self, device: str) -> None:
        self.device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def ones(self, *shape: int) -> Tensor:
        return torch.ones(*shape, device=self.device)

    def zeros(self, *shape: int) -> Tensor:
        return torch.zeros(*shape, device=self.device)

    def Generator(self) -> torch.Generator:
        return torch.Generator(self.device)


def calls(name: str) -> list[Callable]:
    r"""Returns calls of a function, those of `test_empty` with samples in place of none."""
    e = test_empty
    more: dict[str, list[Callable]] = {
        "balanced": [lambda f: f(e.NONE[0], e.NONE[1], e.NONE[2], 0.5, 0.1)],
        "convergence": [lambda f: f(e.NONE[0], e.NONE[1], 0.5)],
        "equilibrium_loss": [lambda f: f(*e.NONE[:3])],
        "frechet_distance": [lambda f: f(e.NONE, e.SQUARE @ e.SQUARE.T, e.NONE, e.SQUARE.T)],
        "inception_score": [lambda f: f(e.SQUARE, e.NONE, e.NONE)],
        "keyed_generator": [
            lambda f: torch.rand(3, generator=f(3, device=e.X.device), device=e.X.device)
        ],
        "markov_lines": [lambda f: f(e.LINES, 1, 6, torch.Generator().manual_seed(0))],
        "NGramTable": [lambda f: f(e.LINES, 2).look_up(e.NO_LINES)],
        "moments": [lambda f: f(e.X[0], e.X.T @ e.X, 4)],
        "responses": [lambda f: f(e.IMAGES, functional.filter_bank(1, 5).to(e.IMAGES))],
        "share_within": [lambda f: f(0.5, e.NONE, e.SQUARE)],
        "sum_in_units": [lambda f: f([e.FEW, e.FEW + 1])],
    }
    return more.get(name) or test_empty.EMPTY.get(name, []) + test_empty.REFUSED.get(name, [])


@pytest.mark.parametrize("name", [n for n in functional.__all__ if n not in OF_NUMBERS])
def test_a_function_computes_on_the_device_of_its_arguments(name: str) -> None:
    def results(device: str) -> list[Any]:
        torch.manual_seed(0)
        there = {k: s.to(device) for k, s in sets().items()}
        with mock.patch.multiple(test_empty, torch=OnDevice(device), **there):
            return [call(getattr(functional, name)) for call in calls(name)]

    expected = results("cpu")
    assert expected
    with pretend():
        found = results("cuda")
        for value in tensors(found):
            assert isinstance(value, PretendTensor)
    # Above the pretence, matrix products of few rows may take another way.
    assert_close(unwrapped(tensors(found)), tensors(expected))


def tensors(found: Any) -> list[Tensor]:
    r"""Returns the tensors that nested containers hold."""
    if isinstance(found, (list, tuple)):
        return [t for part in found for t in tensors(part)]
    return [found] if isinstance(found, Tensor) else []


SUM = fields.SumOfFields([fields.SlicedField(4), fields.MeanShiftField(0.3)])
EACH_FIELD = [*(field for field, _ in FIELDS), fields.ScatteringField(), SUM]


def test_each_field_is_tried() -> None:
    public = {getattr(fields, name) for name in fields.__all__} - {ParticleField}
    assert {type(field) for field in EACH_FIELD} == public


@pytest.mark.parametrize("field", EACH_FIELD, ids=repr)
def test_a_field_moves_samples_on_their_device(field: ParticleField) -> None:
    def moves(device: str) -> list[Tensor]:
        random = torch.Generator().manual_seed(0)
        a, y, x = (torch.randn(n, 3, 1, 1, generator=random).to(device) for n in (6, 8, 7))
        random = torch.Generator(device).manual_seed(3)
        found = [field(a, y, x, random=random)]
        if not field.independent:
            found.append(field(a, y, torch.cat([a, x]), own=True, random=random))
        sets = (Labelled(s, (torch.arange(len(s)) % 2).to(device)) for s in (a, y, x))
        found += class_velocities(field, *sets, guidance=1.5, random=random)
        try:
            found.append(field.potential(a, y, x))
        except ValueError as error:
            assert "no potential" in str(error)
        return found

    with pretend():
        found = moves("cuda")
        assert all(isinstance(v, PretendTensor) for v in found)
    assert_close(unwrapped(found), moves("cpu"))
