r"""Tests for the energy_gans.methods.parts.replay_buffer module."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from energy_gans.methods.parts.replay_buffer import ReplayBuffer

BATCH, SLOTS = 8, 5


def sharer(seed: int, rank: int = 0, world_size: int = 1) -> Callable[..., Tensor]:
    r"""Returns a function that returns a process's share of a draw for the global minibatch."""
    random = torch.Generator().manual_seed(seed)

    def share(draw: Callable[..., Tensor], n: int, *shape: int) -> Tensor:
        return draw(n * world_size, *shape, generator=random)[rank::world_size]

    return share


def filled(buffer: ReplayBuffer, steps: int = 60, rank: int = 0, world_size: int = 1) -> Tensor:
    r"""Returns the initial states of the last of many steps, each of which adds one."""
    x = torch.zeros(BATCH // world_size, 2)
    buffer.allocate({"x": x}, world_size)
    for step in range(steps):
        fresh = torch.arange(BATCH)[rank::world_size, None].float().expand(-1, 2) * 1000
        state = buffer.draw({"x": fresh}, sharer(step, rank, world_size))
        buffer.store(state | {"x": state["x"] + 1})
    return state["x"]


def test_a_chain_goes_on_where_one_of_its_place_was_left() -> None:
    buffer = ReplayBuffer(BATCH * SLOTS)
    x = filled(buffer)
    # Each place holds its own chains, and each of its states was visited.
    assert torch.equal(x.div(1000, rounding_mode="floor")[:, 0], torch.arange(BATCH).float())
    visits = buffer.states["x"][..., 0] % 1000
    assert torch.equal(visits.sum(1), torch.full((BATCH,), 60.0))
    assert (visits >= 1).all()


def test_a_chain_for_each_place_is_persistent() -> None:
    assert torch.equal(filled(ReplayBuffer(BATCH))[:, 0] % 1000, torch.full((BATCH,), 59.0))


def test_a_share_of_chains_starts_afresh() -> None:
    buffer = ReplayBuffer(400, restart=0.25)
    buffer.allocate({"x": torch.zeros(400, 1)})
    afresh = []
    for step in range(50):
        state = buffer.draw({"x": torch.zeros(400, 1)}, sharer(step))
        buffer.store(state | {"x": state["x"] + 1})
        afresh.append((state["x"] == 0).float().mean().item())
    assert afresh[0] == 1
    assert sum(afresh[1:]) / 49 == pytest.approx(0.25, abs=0.02)


def test_all_afresh_is_no_memory() -> None:
    assert (filled(ReplayBuffer(BATCH * SLOTS, restart=1.0)) % 1000 == 0).all()


def test_two_processes_hold_what_one_holds() -> None:
    whole = ReplayBuffer(BATCH * SLOTS, restart=0.2)
    x = filled(whole)
    for rank in range(2):
        part = ReplayBuffer(BATCH * SLOTS, restart=0.2)
        assert torch.equal(filled(part, rank=rank, world_size=2), x[rank::2])
        for name, mine in part.contents().items():
            assert torch.equal(mine, whole.contents()[name][rank::2])


def test_a_state_goes_back_to_its_own_slot_whatever_was_drawn_since() -> None:
    plain, interleaved = ReplayBuffer(BATCH * SLOTS), ReplayBuffer(BATCH * SLOTS)
    filled(plain, steps=5)
    interleaved.allocate({"x": torch.zeros(BATCH, 2)})
    for step in range(5):
        fresh = torch.arange(BATCH)[:, None].float().expand(-1, 2) * 1000
        state = interleaved.draw({"x": fresh}, sharer(step))
        interleaved.draw({"x": fresh}, sharer(100 + step))
        interleaved.store(state | {"x": state["x"] + 1})
    assert plain.filled.any() and not plain.filled.all()
    for name, states in plain.contents().items():
        assert torch.equal(states, interleaved.contents()[name])


def test_labels_stay_with_their_chains() -> None:
    buffer = ReplayBuffer(BATCH * SLOTS, restart=0.3)
    buffer.allocate({"x": torch.zeros(BATCH, 1), "label": torch.zeros(BATCH, dtype=torch.long)})
    for step in range(40):
        label = torch.randint(10, (BATCH,), generator=torch.Generator().manual_seed(step))
        state = buffer.draw({"x": label[:, None].float(), "label": label}, sharer(step))
        assert torch.equal(state["x"][:, 0], state["label"].float())
        buffer.store(state)


def test_levels_of_bytes_are_near() -> None:
    buffer = ReplayBuffer(BATCH, dtype="uint8")
    x = torch.rand(BATCH, 3, 4, 4) * 2 - 1
    buffer.allocate({"x": x})
    slot = buffer.draw({"x": x}, sharer(0))["slot"]
    buffer.store({"slot": slot, "x": x})
    given = buffer.draw({"x": torch.zeros_like(x)}, sharer(0))["x"]
    assert buffer.states["x"].dtype == torch.uint8
    assert (given - x).abs().max() <= 1 / 255 + 1e-6
    buffer.store({"slot": slot, "x": torch.tensor([-3.0, 3.0]).repeat(BATCH, 3, 4, 2)})
    given = buffer.draw({"x": torch.zeros_like(x)}, sharer(0))["x"]
    assert given.min() == -1 and given.max() == 1


def test_a_file_holds_what_memory_holds_and_leaves_nothing(tmp_path: Path) -> None:
    mapped = ReplayBuffer(BATCH * SLOTS, folder=str(tmp_path))
    assert torch.equal(filled(mapped), filled(ReplayBuffer(BATCH * SLOTS)))
    assert list(tmp_path.iterdir()) == []


def test_contents_are_put_back() -> None:
    buffer, other = ReplayBuffer(BATCH * SLOTS), ReplayBuffer(BATCH * SLOTS)
    filled(buffer)
    other.allocate({"x": torch.zeros(BATCH, 2)})
    other.restore(buffer.contents())
    fresh = {"x": torch.zeros(BATCH, 2)}
    one, two = (b.draw(fresh, sharer(3))["x"] for b in (buffer, other))
    assert torch.equal(one, two)
    other.allocate({"x": torch.zeros(BATCH, 3)})
    with pytest.raises(ValueError, match=r"\(8, 5, 3\), torch.float32\), got \(\(8, 5, 2\)"):
        other.restore(buffer.contents())


@pytest.mark.parametrize("size", [4, 12, 9])
def test_a_size_that_the_minibatch_does_not_divide_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"'buffer_size'.*minibatch of 8, got {size}"):
        ReplayBuffer(size).allocate({"x": torch.zeros(8, 2)})


def test_a_minibatch_of_another_size_is_refused() -> None:
    buffer = ReplayBuffer(BATCH * SLOTS)
    filled(buffer, steps=1)
    with pytest.raises(ValueError, match=f"should have {BATCH} samples, got {BATCH // 2}"):
        buffer.replay({"x": torch.zeros(BATCH // 2, 2)}, sharer(0))


def test_arguments_out_of_range_are_refused(tmp_path: Path) -> None:
    for wrong in ({"size": 0}, {"restart": 1.5}, {"restart": -0.1}, {"dtype": "int8"}):
        ((name, value),) = wrong.items()
        # Errors have the names that methods give these arguments.
        given = name if name == "restart" else f"buffer_{name}"
        with pytest.raises(ValueError, match=f"'{given}' should be .* got '?{value}"):
            ReplayBuffer(**{"size": 8} | wrong)
    with pytest.raises(ValueError, match="'buffer_folder' should be a folder"):
        ReplayBuffer(8, folder=str(tmp_path / "none")).allocate({"x": torch.zeros(8, 2)})


def stored(buffer: ReplayBuffer, gather: Callable[[Tensor], Tensor] = Tensor.clone) -> dict:
    checkpoint: dict = {}
    buffer.save(checkpoint, gather)
    return checkpoint


def test_the_states_that_one_process_saved_are_shared_out_to_two() -> None:
    whole = ReplayBuffer(BATCH * SLOTS, restart=0.3)
    filled(whole, steps=7)
    checkpoint, fresh = stored(whole), torch.full((BATCH, 2), -5.0)
    x = whole.draw({"x": fresh}, sharer(9))
    alone = ReplayBuffer(BATCH * SLOTS, restart=0.3)
    alone.load(checkpoint)
    assert torch.equal(alone.replay({"x": fresh}, sharer(9))["x"], x["x"])
    for rank in range(2):
        part = ReplayBuffer(BATCH * SLOTS, restart=0.3)
        part.load(checkpoint)
        # What was loaded is saved again, until it is shared out.
        assert stored(part)["buffer"] == part.carried() == checkpoint["buffer"]
        found = part.replay({"x": fresh[rank::2]}, sharer(9, rank, 2), rank, 2)
        for name in ("x", "slot"):
            assert torch.equal(found[name], x[name][rank::2])
        for name, mine in part.carried().items():
            assert torch.equal(mine, whole.contents()[name][rank::2])
        # A later call goes on with the states, and not with those of the checkpoint.
        part.store(found | {"x": found["x"] + 1})
        again = part.replay({"x": fresh[rank::2]}, sharer(9, rank, 2), rank, 2)
        continues = again["x"][:, 0] != -5
        assert continues.any()
        assert torch.equal(again["x"][continues], found["x"][continues] + 1)


def test_a_buffer_without_states_saves_and_carries_none() -> None:
    buffer = ReplayBuffer(BATCH)
    assert stored(buffer) == buffer.carried() == {}
    buffer.load({})
    assert stored(buffer) == buffer.carried() == {}
    with pytest.raises(ValueError, match="'buffer_size' .* minibatch of 6, got 8"):
        buffer.replay({"x": torch.zeros(3, 2)}, sharer(0), 1, 2)


def test_points_are_those_of_filled_states_and_are_decoded() -> None:
    buffer = ReplayBuffer(BATCH * SLOTS, dtype="uint8")
    x = torch.rand(BATCH, 3) * 2 - 1
    state = buffer.replay({"x": x}, sharer(0))
    assert torch.equal(state["x"], x) and buffer.points().shape == (0, 3)
    buffer.store(state)
    torch.testing.assert_close(buffer.points(), x, atol=1 / 255 + 1e-6, rtol=0)
