r"""Tests for the energy_gans.functional.evaluation.inception_score module."""

import math

import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_isc import isc_features_to_metric

from energy_gans.functional import class_sums, inception_score


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def score(logits: Tensor) -> float:
    p, negative_entropy = class_sums(logits)
    n = torch.tensor([len(logits)])
    return inception_score(p.sum(0)[None], negative_entropy.sum()[None], n).item()


def one_hot(label: Tensor, k: int, certainty: float = 1e4) -> Tensor:
    return certainty * torch.nn.functional.one_hot(label, k).float()


@pytest.mark.parametrize("k", [2, 10, 1000])
def test_class_sums_are_those_of_torch_distributions(k: int) -> None:
    logits = 5 * torch.randn(6, k)
    p, negative_entropy = class_sums(logits)
    expected = torch.distributions.Categorical(logits=logits.double())
    torch.testing.assert_close(p, expected.probs)
    torch.testing.assert_close(negative_entropy, -expected.entropy())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_class_sums_are_float64(dtype: torch.dtype) -> None:
    logits = torch.randn(4, 3).to(dtype)
    p, negative_entropy = class_sums(logits)
    assert p.dtype == negative_entropy.dtype == torch.float64
    assert (p.sum(1) - 1).abs().max() < 1e-15
    assert torch.equal(p, class_sums(logits.double())[0])


@pytest.mark.parametrize("k", [1, 2, 10])
@pytest.mark.parametrize("logit", [0.0, -1e4, 1e30])
def test_a_classifier_that_knows_nothing_gives_one(logit: float, k: int) -> None:
    assert score(torch.full((7, k), logit)) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("certainty", [1e3, 1e30])
@pytest.mark.parametrize("k", [2, 10, 100])
def test_sure_and_balanced_gives_the_number_of_classes(k: int, certainty: float) -> None:
    assert score(one_hot(torch.arange(3 * k) % k, k, certainty)) == pytest.approx(k, rel=1e-12)


@pytest.mark.parametrize("seen", [1, 4, 9])
def test_classes_that_are_never_seen_do_not_count(seen: int) -> None:
    assert score(one_hot(torch.arange(36) % seen, 10)) == pytest.approx(seen, rel=1e-12)


def test_sure_and_unbalanced_gives_the_exponential_of_the_entropy() -> None:
    label = torch.tensor([0, 0, 0, 1])
    expected = math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert score(one_hot(label, 3)) == pytest.approx(expected, rel=1e-12)


def test_classes_that_logits_rule_out_do_not_count() -> None:
    logits = torch.tensor([[0.0, -math.inf], [-math.inf, 0.0]])
    assert score(logits) == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("n, k", [(1, 5), (3, 10), (200, 2)])
def test_the_score_is_between_one_and_the_number_of_classes(n: int, k: int, scale: float) -> None:
    value = score(scale * torch.randn(n, k))
    assert 1 - 1e-12 <= value <= min(n, k) * (1 + 1e-12)


@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("n, k", [(40, 3), (64, 100), (1, 4)])
def test_the_score_is_that_of_torch_fidelity(n: int, k: int, scale: float) -> None:
    logits = scale * torch.randn(n, k)
    expected = isc_features_to_metric(logits, splits=1, shuffle=False)["inception_score_mean"]
    assert score(logits) == pytest.approx(expected, rel=1e-10)


def test_groups_do_not_mix() -> None:
    parts = [one_hot(torch.arange(6) % 3, 4), torch.zeros(2, 4), torch.randn(5, 4)]
    sums = [[s.sum(0) for s in class_sums(part)] for part in parts]
    p, negative_entropy = (torch.stack(s) for s in zip(*sums, strict=True))
    values = inception_score(p, negative_entropy, torch.tensor([6, 2, 5]))
    assert values.tolist() == pytest.approx([score(part) for part in parts], rel=1e-12)


def test_an_empty_group_has_no_score() -> None:
    values = inception_score(torch.eye(2), torch.zeros(2), torch.tensor([1, 0]))
    assert values[0] == 1
    assert values[1].isnan()
