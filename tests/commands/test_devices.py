r"""Tests for the energy_gans.commands.devices module."""

from unittest import mock

import pytest
import torch

from energy_gans.commands.devices import process_group


@pytest.mark.parametrize("joined", [True, False])
def test_processes_of_a_training_stay_together(
    joined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        mock.patch("torch.distributed.is_initialized", return_value=joined),
        mock.patch("torch.distributed.init_process_group") as join,
        mock.patch("torch.distributed.destroy_process_group") as leave,
        process_group("cpu") as device,
    ):
        assert device == torch.device("cpu")
        assert join.called == (not joined)
    assert leave.called == (not joined)
