r"""Tests for the energy_gans.commands.fit.run_messages module."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch.distributed import DistBackendError

from energy_gans.commands.fit.run_messages import (
    end_with_parent,
    explain_lost_process,
    next_command,
)
from energy_gans.methods.bases.stepped import SteppedModule

from ...methods.test_batch_contract import train_as
from ...methods.test_contracts import last
from ...processes import free_port, spawn, start


def test_the_end_of_a_run_says_what_to_do_next(tmp_path: Path) -> None:
    assert next_command(tmp_path, 4, False, []) == f"step 4: {tmp_path}"
    path = tmp_path / "checkpoints" / "last.ckpt"
    path.parent.mkdir()
    path.touch()
    sample = f"step 4: {tmp_path}\nnext: energy-gans sample --ckpt_path {path}"
    assert next_command(tmp_path, 4, False, []) == sample
    assert next_command(tmp_path, 4, False, {"b", "a"}) == f"{sample} --trust a,b"
    assert next_command(tmp_path, 4, True, ["a"]).endswith(
        f"next: energy-gans fit --config {tmp_path}/config.yaml --ckpt_path {path}"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("[gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer."),
            "too (Connection reset by peer)",
        ),
        (DistBackendError("NCCL error: remote process exited or"), "(remote process exited)"),
        (RuntimeError("[gloo/x.cc:1] Timed out waiting 1800000ms for recv"), "(Timed out waiting"),
    ],
)
def test_a_lost_process_is_one_sentence(error: RuntimeError, said: str) -> None:
    with pytest.raises(ConnectionError) as found, explain_lost_process():
        raise error
    assert said in str(found.value) and "--ckpt_path last goes on" in str(found.value)


@pytest.mark.parametrize(
    "error", [RuntimeError("Connection reset by peer"), DistBackendError("Duplicate GPU detected")]
)
def test_other_errors_of_distributed_programs_are_left(error: RuntimeError) -> None:
    with pytest.raises(type(error)) as found, explain_lost_process():
        raise error
    assert found.value is error


def train_until_killed(rank: int, port: int, args: list[str], folder: Path, fatal: int) -> None:
    r"""Trains as one of two processes, the second of which is killed in the middle of a step."""
    sys.stderr = (folder / f"{rank}.txt").open("w")
    descend = SteppedModule.descend

    def die(self: SteppedModule, *rest: object) -> torch.Tensor:
        loss = descend(self, *rest)
        if rank == 1 and self.global_step == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    with mock.patch.object(SteppedModule, "descend", die):
        train_as(rank, 2, port, args, str(folder / "gradients.pt"))


def test_a_process_that_is_killed_takes_the_other_with_it_and_the_run_is_resumed(
    tiny: Callable[..., list[str]], tmp_path: Path
) -> None:
    short = ["--trainer.max_steps=8", "--trainer.val_check_interval=8"]
    two = tiny(*short, "--trainer.devices=2", points=True, name="two")
    starts = [(two, 5, [1, -signal.SIGKILL]), ([*two, "--ckpt_path=last"], -1, [0, 0])]
    for args, fatal, status in starts:
        given = (free_port(), args, tmp_path, fatal)
        children = [start(train_until_killed, r, *given) for r in (0, 1)]
        children[1].join(120)
        lost = time.monotonic()
        children[0].join(120)
        # Two processes that go well end together, too.
        assert time.monotonic() - lost < 60
        assert [child.exitcode for child in children] == status
        if fatal > 0:
            said = (tmp_path / "0.txt").read_text().splitlines()[-1]
            assert said.startswith("energy-gans: error: Another process of this run was lost")
            assert last(tmp_path / "two")["global_step"] == 3
    assert last(tmp_path / "two")["global_step"] == 8


def start_a_child_and_die(folder: Path) -> None:
    r"""Starts a process that would take an hour, and is killed."""
    ready, started = os.pipe()
    if os.fork() == 0:
        sys.stderr = (folder / "said.txt").open("w")
        (folder / "pid.txt").write_text(str(os.getpid()))
        end_with_parent(0.05)
        os.write(started, b".")
        time.sleep(3600)
    os.read(ready, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    assert spawn(start_a_child_and_die, tmp_path) == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while not (tmp_path / "said.txt").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    said = (tmp_path / "said.txt").read_text()
    assert said.startswith("energy-gans: error: The first process of this run was lost")
