r"""Tests for the energy_gans.methods.bases.replay module: buffers of models."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from energy_gans.methods import GCN, GenerativeModule
from energy_gans.methods.bases.replay import ReplayMixin

from ..harness import fit
from ..test_gcn import model


def place(gcn: GCN, rank: int, world_size: int) -> dict[str, torch.Tensor]:
    r"""Returns the states at which one of several processes goes on."""
    gcn._trainer = SimpleNamespace(global_rank=rank, world_size=world_size)
    gcn.random.manual_seed(5)
    return gcn.replay({"x": torch.zeros(16 // world_size, 2)})


def test_chains_go_on_in_any_number_of_processes_where_a_checkpoint_was_written(
    tmp_path: Path,
) -> None:
    trained = model(buffer_size=32)
    fit(trained, 3)
    assert trained.carried_state()["buffer"] == trained.buffer.contents()
    trained.trainer.save_checkpoint(tmp_path / "a.ckpt")
    checkpoint = torch.load(tmp_path / "a.ckpt", weights_only=True)
    whole = place(trained, 0, 1)
    assert 0 < (whole["x"] != 0).any(1).sum() < 16
    for world_size in (1, 2, 4):
        for rank in range(world_size):
            loaded = model(buffer_size=32)
            assert "buffer" not in loaded.carried_state()
            loaded.on_load_checkpoint(checkpoint)
            assert loaded.carried_state()["buffer"] == checkpoint["buffer"]
            for name, states in place(loaded, rank, world_size).items():
                assert torch.equal(states, whole[name][rank::world_size])


def test_only_chains_that_go_on_hold_the_minibatch_to_its_size() -> None:
    for start in ("data", "persistent"):
        gcn = model(start=start)
        fit(gcn, 1)
        assert gcn.replays == (start == "persistent") == bool(gcn.buffer.states)
    model(start="data").check_batch_size(8)
    gcn.check_batch_size(16)
    with pytest.raises(ValueError, match="all batches should have 16 samples, got 8"):
        gcn.check_batch_size(8)


def test_a_buffer_is_made_of_the_arguments_and_of_defaults(tmp_path: Path) -> None:
    options = {"restart": 0.3, "buffer_dtype": "uint8", "buffer_folder": str(tmp_path)}
    buffer = model(buffer_size=32, **options).buffer
    assert (buffer.size, buffer.restart, buffer.folder) == (32, 0.3, str(tmp_path))
    assert buffer.dtype == torch.uint8
    buffer = type("Own", (ReplayMixin, GenerativeModule), {})().buffer
    assert (buffer.size, buffer.restart, buffer.folder) == (4096, 0.0, None)
    assert buffer.dtype == torch.float32


def test_another_run_begins_with_an_empty_buffer() -> None:
    twice, once = model(buffer_size=32), model(buffer_size=32)
    fit(twice, 3)
    state = {name: w.clone() for name, w in twice.state_dict().items()}
    fit(twice, 2)
    once.load_state_dict(state)
    fit(once, 2)
    assert all(torch.equal(w, once.state_dict()[name]) for name, w in twice.state_dict().items())
