r"""Tests for the files of configs/cluster: they are run as SLURM and torchrun would run them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
import yaml

import energy_gans
from energy_gans.cli import main
from energy_gans.methods.bases.stepped import SteppedModule

from ..methods.test_batch_contract import assert_close
from ..methods.test_contracts import assert_same, last, train
from ..processes import free_port, spawn, start

CLUSTER = Path(__file__).parents[2] / "configs" / "cluster"
FILES = sorted(CLUSTER.glob("*.sh"))

# Runs a task of a job in the place of SLURM, which sends its signal in the middle of the seventh
# step of the first start, between the updates of two networks.
SRUN = f"""#!{sys.executable}
import os, signal, sys
from unittest import mock
from energy_gans.cli import main
from energy_gans.methods.bases.stepped import SteppedModule
args = sys.argv[1:]
options = [args.pop(0) for _ in range(args.index("energy-gans"))]
open("srun.log", "a").write(" ".join(options) + "\\n")
descend = SteppedModule.descend
def descend_and_hear(self, *rest):
    loss = descend(self, *rest)
    if self.global_step == 7 and "SLURM_RESTART_COUNT" not in os.environ:
        os.kill(os.getpid(), signal.SIGUSR1)
    return loss
with mock.patch.object(SteppedModule, "descend", descend_and_hear):
    main(args[1:])
"""
SCONTROL = '#!/bin/sh\necho "$@" >> scontrol.log\n'
JOB = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NAME": "tiny",
    "SLURM_JOB_NUM_NODES": "1",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_CPUS_PER_TASK": "1",
    "SLURM_NODELIST": "node[1-1]",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


# Says with what it would have been run.
ECHO = '#!/bin/sh\nprintf "%s\\n" "$@"\n'


@pytest.fixture
def batch(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    r"""Returns a function that runs a batch file with stand-ins of the programs of a cluster."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for program, text in (("srun", ECHO), ("scontrol", SCONTROL), ("torchrun", ECHO)):
        (programs / program).write_text(text)
        (programs / program).chmod(0o755)

    def run(
        name: str, args: list[str], srun: str = ECHO, **more: str
    ) -> subprocess.CompletedProcess:
        (programs / "srun").write_text(srun)
        environment = os.environ | JOB | more
        environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        environment["PYTHONPATH"] = str(Path(energy_gans.__file__).parents[1])
        return subprocess.run(
            ["bash", str(CLUSTER / name), *args],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_files_are_shell_scripts_that_open_with_how_to_submit_them(file: Path) -> None:
    subprocess.run(["bash", "-n", str(file)], check=True)
    first, *opening = file.read_text().splitlines()[:4]
    assert first == "#!/bin/bash" and all(line.startswith("# ") for line in opening)
    assert any(f"configs/cluster/{file.name} " in line for line in opening)
    assert os.access(file, os.X_OK)


def test_a_job_that_slurm_stops_is_started_again_and_ends_as_if_it_had_not_been(
    tiny: Callable[..., list[str]], batch: Callable, tmp_path: Path
) -> None:
    assert spawn(train, tiny("--trainer.max_steps=14", points=True, name="whole")) == 0
    command = tiny("--trainer.max_steps=14", points=True)[1:]
    stopped = batch("slurm.sh", command, SRUN)
    assert stopped.returncode == 128 + signal.SIGUSR1, stopped.stderr
    run = tmp_path / "runs/tiny/job_4711"
    assert last(run.parent, "job_4711")["global_step"] == 8
    assert (tmp_path / "scontrol.log").read_text() == "requeue 4711\n"
    assert "SLURM starts job 4711 again." in stopped.stderr
    # Nor is there a checkpoint of Lightning's own requeueing.
    assert not list(tmp_path.glob("**/hpc_ckpt*"))

    started = batch("slurm.sh", command, SRUN, SLURM_RESTART_COUNT="1")
    assert started.returncode == 0, started.stderr
    assert (tmp_path / "scontrol.log").read_text() == "requeue 4711\n"
    assert [path.name for path in run.parent.iterdir() if path.is_dir()] == ["job_4711"]
    whole, resumed = last(tmp_path / "whole"), last(run.parent, "job_4711")
    for key in ("global_step", "state_dict", "optimizer_states", "lr_schedulers"):
        assert_same(whole[key], resumed[key])
    tables = [folder / "metrics.csv" for folder in (tmp_path / "whole/version_0", run)]
    assert tables[0].read_text() == tables[1].read_text()
    assert "--kill-on-bad-exit=1" in (tmp_path / "srun.log").read_text()


ARRAY = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "1"}
ARRAY |= {"SLURM_ARRAY_TASK_MAX": "24", "SLURM_ARRAY_TASK_COUNT": "24"}


def test_a_task_of_an_array_runs_its_share_of_a_study(batch: Callable) -> None:
    study = batch("study.sh", ["plan.yaml"], **ARRAY)
    assert study.stdout.split()[1:] == ["energy-gans", "study", "plan.yaml", "--only", "3/24"]
    # Shares of other tasks would be left out.
    some = batch("study.sh", ["plan.yaml"], **(ARRAY | {"SLURM_ARRAY_TASK_COUNT": "2"}))
    assert some.returncode == 2 and "--array should be 1-N" in some.stderr


def test_a_task_of_an_array_makes_a_run_of_a_sweep(batch: Callable) -> None:
    sweep = batch("sweep.sh", ["me/energy-gans/abc"])
    assert sweep.stdout.split()[1:] == ["wandb", "agent", "--count", "1", "me/energy-gans/abc"]


@pytest.mark.parametrize("saved", [False, True])
def test_torchrun_starts_or_resumes_a_run_on_each_node(
    tiny: Callable[..., list[str]],
    batch: Callable,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    saved: bool,
) -> None:
    if saved:
        path = tmp_path / "runs/torchrun/first/checkpoints/last.ckpt"
        path.parent.mkdir(parents=True)
        path.touch()
    node = {"RUN": "first", "NODE": "1", "MAIN": "node0", "PROCESSES": "4"}
    started = batch("torchrun.sh", tiny(points=True)[1:], **node)
    assert started.returncode == 0, started.stderr
    words = started.stdout.splitlines()
    launcher, command = words[: words.index("--")], words[words.index("--") + 1 :]
    assert launcher[launcher.index("--node-rank") + 1] == "1"
    assert launcher[-2:] == ["-m", "energy_gans"]
    assert ("--ckpt_path" in command) == saved
    command = [word for word in command if word not in ("--ckpt_path", "last")]
    with pytest.raises(SystemExit):
        main([*command, "--print_config"])
    trainer = yaml.safe_load(capsys.readouterr().out)["trainer"]
    assert (trainer["num_nodes"], int(trainer["devices"])) == (2, 4)
    options = trainer["logger"]["init_args"]
    assert Path(*(options[k] for k in ("save_dir", "name", "version"))) == Path(
        "runs/torchrun/first"
    )


def run_task(rank: int, port: int, args: list[str], programs: Path, stop_at: int | None) -> None:
    r"""Trains as one of two tasks on one of two nodes. The last task hears SLURM's signal."""
    os.chdir(programs.parent)
    os.environ |= JOB | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2"}
    os.environ |= {"SLURM_PROCID": str(rank), "SLURM_NODEID": str(rank // 2)}
    os.environ |= {"SLURM_LOCALID": str(rank % 2), "PATH": f"{programs}:{os.environ['PATH']}"}
    descend = SteppedModule.descend

    def descend_and_hear(self: SteppedModule, *rest: object) -> torch.Tensor:
        if self.global_step == stop_at and rank == 3:
            os.kill(os.getpid(), signal.SIGUSR1)
        return descend(self, *rest)

    with mock.patch.object(SteppedModule, "descend", descend_and_hear):
        train(args)


def test_two_nodes_of_two_tasks_that_are_started_again_are_one_process(
    tiny: Callable[..., list[str]], batch: Callable, tmp_path: Path
) -> None:
    short = ["--trainer.max_steps=8", "--trainer.val_check_interval=8"]
    assert spawn(train, tiny(*short, points=True, name="one")) == 0
    nodes = ["--trainer.num_nodes=2", "--trainer.devices=2"]
    several = tiny(*short, *nodes, points=True, name="several")
    starts = [(several, 4, [138, 0, 138, 0]), ([*several, "--ckpt_path=last"], None, [0] * 4)]
    for args, stop_at, status in starts:
        given = (free_port(), args, tmp_path / "bin", stop_at)
        tasks = [start(run_task, rank, *given) for rank in range(4)]
        for task in tasks:
            task.join(120)
        assert [task.exitcode for task in tasks] == status
    assert (tmp_path / "scontrol.log").read_text() == "requeue 4711\n"
    one, several = (last(tmp_path / name)["state_dict"] for name in ("one", "several"))
    assert_close([one[name] for name in one], [several[name] for name in one])
