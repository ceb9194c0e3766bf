r"""Tests for the energy_gans.methods.parts.recent_samples module."""

import pytest
import torch

from energy_gans.methods.parts.recent_samples import RecentSamples


def kept(recent: RecentSamples) -> set[int]:
    draws = recent.draw(500, torch.Generator().manual_seed(0))
    assert draws.shape == (500, 1)
    return set(draws[:, 0].int().tolist())


def test_the_last_samples_are_kept() -> None:
    recent = RecentSamples(5, (1,))
    for i in range(4):
        recent.keep(torch.tensor([[2.0 * i], [2.0 * i + 1]]))
    assert kept(recent) == {3, 4, 5, 6, 7}
    again = RecentSamples(5, (1,))
    again.load_state_dict(recent.state_dict())
    assert kept(again) == kept(recent)


def test_none_is_drawn_that_there_was_not() -> None:
    recent = RecentSamples(5, (1,))
    recent.keep(torch.tensor([[3.0], [4.0]]))
    assert kept(recent) == {3, 4}
    with pytest.raises(ValueError, match="images of the training, and there was none yet"):
        RecentSamples(5, (1,)).draw(2, torch.Generator())


def test_draws_are_those_of_the_generator() -> None:
    recent = RecentSamples(7, (2,))
    recent.keep(torch.arange(14.0).view(7, 2))
    found = recent.draw(20, torch.Generator().manual_seed(3))
    places = torch.randint(7, (20,), generator=torch.Generator().manual_seed(3))
    assert torch.equal(found, recent.samples[places])


def test_of_more_samples_than_places_the_last_are_kept_in_their_order() -> None:
    whole, parts = RecentSamples(5, (1,)), RecentSamples(5, (1,))
    x = torch.arange(13.0)[:, None]
    whole.keep(x[:2])
    whole.keep(x[2:])
    for part in x.split(1):
        parts.keep(part)
    assert torch.equal(whole.samples, parts.samples) and whole.seen == parts.seen == 13
