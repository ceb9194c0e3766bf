r"""Tests for the energy_gans.fields.classes module."""

import pytest
import torch
from torch import Tensor

from energy_gans.fields import (
    DriftingField,
    EnergyDistanceField,
    MeanShiftField,
    ParticleField,
    SumOfFields,
)
from energy_gans.fields.classes import Labelled, class_velocities

FIELD = EnergyDistanceField()


def labelled(n: int, seed: int, classes: int = 3) -> Labelled:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=random, dtype=torch.float64)
    return Labelled(x, torch.arange(n) % classes)


def test_a_class_moves_in_the_field_of_its_own_samples() -> None:
    a, y, x = labelled(7, 0), labelled(9, 1), labelled(8, 2)
    (v,) = class_velocities(FIELD, a, y, x)
    for c in range(3):
        expected = FIELD(a.x[a.label == c], y.x[y.label == c], x.x[x.label == c])
        torch.testing.assert_close(v[a.label == c], expected)


def test_without_classes_all_samples_belong_together() -> None:
    a, y, x = (Labelled(s.x, None) for s in (labelled(7, 0), labelled(9, 1), labelled(8, 2)))
    (v,) = class_velocities(FIELD, a, y, x)
    assert torch.equal(v, FIELD(a.x, y.x, x.x))


def test_own_points_do_not_act_on_themselves() -> None:
    y, x = labelled(9, 1), labelled(8, 2)
    (v,) = class_velocities(field := MeanShiftField(0.5), x, y, x, own=True)
    for c in range(3):
        own = x.x[x.label == c]
        expected = field(own, y.x[y.label == c], own, own=True)
        torch.testing.assert_close(v[x.label == c], expected)


def test_a_point_alone_in_its_class_does_not_move() -> None:
    y, x = labelled(9, 1), Labelled(labelled(4, 2).x, torch.tensor([0, 0, 0, 1]))
    (v,) = class_velocities(FIELD, x, y, x, own=True)
    assert (v[3] == 0).all() and (v[:3] != 0).all()
    # A class without real samples.
    x = Labelled(x.x, torch.tensor([0, 0, 5, 5]))
    (v,) = class_velocities(FIELD, x, y, x, own=True)
    assert (v[2:] == 0).all() and (v[:2] != 0).all()


@pytest.mark.parametrize("field", [DriftingField(0.5), MeanShiftField(0.5), FIELD])
def test_guidance_moves_a_point_alone_in_its_class(field: ParticleField) -> None:
    y, x = labelled(9, 1), Labelled(labelled(4, 2).x, torch.tensor([0, 0, 0, 1]))
    random = torch.Generator().manual_seed(3)
    moves = class_velocities(field, x, y, x, guidance=2.0, own=True, random=random)
    assert all((v[3] != 0).all() and v.isfinite().all() for v in moves)


def test_guidance_adds_real_samples_of_all_classes_to_those_that_repel() -> None:
    # All real samples of other classes lie at one point, so that the draw does not matter.
    y = Labelled(torch.tensor([[1.0, 0.0]] * 4 + [[9.0, 0.0]] * 4000).double(), torch.zeros(4004))
    y.label[4:] = 1
    a = x = Labelled(torch.randn(4, 2, dtype=torch.float64), torch.zeros(4))
    random = torch.Generator().manual_seed(0)
    (v,) = class_velocities(FIELD, a, y, x, guidance=1.5, random=random)
    repel = torch.cat([x.x, torch.tensor([[9.0, 0.0]] * 2).double()])
    torch.testing.assert_close(v, FIELD(a.x, y.x[:4], repel))


def test_the_guided_distribution_is_the_fixed_point() -> None:
    # p(x|c) = 1/w q + (w - 1)/w p: with q in the proportion 1:0 of two points and w = 2, the class
    # has the proportion 3:1 where all real samples together have 1:1.
    two = torch.tensor([[0.0, 0.0], [1.0, 0.0]]).double()

    def at(n: int, m: int) -> Tensor:
        return torch.cat([two[:1].expand(n, 2), two[1:].expand(m, 2)])

    y = Labelled(
        torch.cat([at(3000, 1000), at(1000, 3000)]), torch.arange(2).repeat_interleave(4000)
    )
    x = Labelled(at(4000, 0), torch.zeros(4000))
    a = Labelled(torch.tensor([[0.3, 0.2], [0.7, -0.1]]).double(), torch.zeros(2))
    random = torch.Generator().manual_seed(0)
    (v,) = class_velocities(FIELD, a, y, x, guidance=2.0, random=random)
    assert v.abs().max() < 0.03
    (unguided,) = class_velocities(FIELD, a, y, x)
    assert unguided.abs().max() > 0.2


def test_all_terms_of_a_sum_are_returned() -> None:
    a, y, x = labelled(7, 0), labelled(9, 1), labelled(8, 2)
    field = SumOfFields([FIELD, MeanShiftField(0.5)])
    velocities = class_velocities(field, a, y, x)
    for term, v in zip(field.fields, velocities, strict=True):
        torch.testing.assert_close(v, class_velocities(term, a, y, x)[0])


@pytest.mark.parametrize("guidance", [0.5, float("nan")])
def test_a_guidance_below_one_is_refused(guidance: float) -> None:
    a = labelled(7, 0)
    with pytest.raises(ValueError, match="'guidance' should be at least 1"):
        class_velocities(FIELD, a, a, a, guidance)
