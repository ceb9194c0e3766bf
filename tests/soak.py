r"""Kills training runs at random moments, and watches memory over many steps. Takes hours.

::

    make soak                                  # all methods, twenty kills and 100,000 steps each
    python -m tests.soak --methods VAPO --kills 5 --steps 0

The methods are those of the tests of contracts, on points, text or small images. A run that
writes a checkpoint every third step, a picture every fourth, and validates every sixth is ended
by SIGKILL, SIGTERM or SIGINT at a random moment of one of these, or of an update, goes on from its
last checkpoint, is ended again, and so on. At the end, it must have the weights, the optimizers'
states and the rows of metrics.csv of a run that was not interrupted, bit for bit. The first table
counts the moments.

The second table has, for a long run, the memory that the C library has handed out, the resident
memory and the number of open files: the medians over its fourth and its last tenth, as memory
grows with the first three validations, one in each tenth. The memory that is handed out and the
number of open files must not grow by more than one percent. Resident memory also has what was
freed and is kept, and grows in jumps that become rare.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partialmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from unittest import mock

import torch
import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop

from energy_gans.callbacks import Checkpoints, SamplePictures
from energy_gans.cli import main
from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.methods.bases.stepped import SteppedModule

from .conftest import POINTS, TINY
from .methods.test_contracts import METHODS, assert_same, last, of
from .processes import spawn

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOMENTS = {
    "checkpoint": (Checkpoints, "save_last"),
    "picture": (SamplePictures, "draw"),
    "validation": (_EvaluationLoop, "run"),
    "update": (SteppedModule, "descend"),
}
KILLED = [
    "--trainer.max_steps=160",
    "--trainer.callbacks+=energy_gans.callbacks.SamplePictures",
    "--trainer.callbacks.every_n_steps=4",
]


class Kill(NamedTuple):
    r"""A signal in one of `MOMENTS`: in its `count`-th call, 0 for none, after some seconds."""

    number: int
    moment: str
    count: int
    delay: float


def arguments(folder: Path, method: str, name: str, *more: str) -> list[str]:
    r"""Returns the arguments of a `fit` of a method into a folder."""
    logger = {
        "class_path": "lightning.pytorch.loggers.CSVLogger",
        "init_args": {"save_dir": str(folder), "name": name},
    }
    overlay = yaml.safe_load(POINTS) | {"trainer": {"logger": logger}}
    (folder / "tiny.yaml").write_text(TINY)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(overlay))
    configs = [f"--config={folder / file}" for file in ("tiny.yaml", f"{name}.yaml")]
    return ["fit", *configs, *(of(method) if method in METHODS else []), *more]


@contextmanager
def wrapped(around: Callable) -> Iterator[None]:
    r"""Calls `around(moment, function, *args)` in place of the functions of `MOMENTS`."""
    with ExitStack() as stack:
        for moment, (owner, name) in MOMENTS.items():
            call = partialmethod(_call, around, moment, getattr(owner, name))
            stack.enter_context(mock.patch.object(owner, name, call))
        yield


def _call(self: object, around: Callable, moment: str, function: Callable, *args: object) -> Any:
    return around(moment, function, self, *args)


def train_timed(args: list[str], notes: Path) -> None:
    r"""Trains, and notes how long each of `MOMENTS` takes, in seconds."""
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {moment: [] for moment in MOMENTS}

    def around(moment: str, function: Callable, *args: object) -> Any:
        start = time.monotonic()
        result = function(*args)
        seconds[moment].append(time.monotonic() - start)
        return result

    with wrapped(around):
        main(args)
    notes.write_text(json.dumps({m: statistics.median(s) for m, s in seconds.items()}))


def train_until(args: list[str], kill: Kill) -> None:
    r"""Trains until a signal ends the process."""
    torch.set_num_threads(1)
    calls = collections.Counter()

    def around(moment: str, function: Callable, *args: object) -> Any:
        calls[moment] += 1
        if moment == kill.moment and calls[moment] == kill.count:
            timer = threading.Timer(kill.delay, os.kill, [os.getpid(), kill.number])
            timer.daemon = True
            timer.start()
        return function(*args)

    with wrapped(around):
        main(args)


def kill_often(method: str, kills: int, folder: Path, rng: random.Random) -> list[str]:
    r"""Interrupts a run of a method many times, and returns the cells of its row.

    Raises:
        AssertionError: If the run differs at the end.
        RuntimeError: If a process ends in another way than by its signal.
    """
    whole = arguments(folder, method, "whole", *KILLED)
    _require(
        spawn(train_timed, whole, folder / "seconds", timeout=None) == 0, "the whole run failed"
    )
    seconds = json.loads((folder / "seconds").read_text())
    found, code = collections.Counter(), -1
    while code != 0:
        resumed = any(folder.glob("killed/version_*/checkpoints/last.ckpt"))
        args = arguments(folder, method, "killed", *KILLED, *["--ckpt_path=last"] * resumed)
        moment = rng.choice([*MOMENTS])
        count = rng.randint(1, 3) if found.total() < kills else 0
        kill = Kill(rng.choice(SIGNALS), moment, count, rng.uniform(0, seconds[moment]))
        code = spawn(train_until, args, kill, timeout=None)
        if code != 0:
            expected = (-kill.number, 128 + kill.number)
            _require(code in expected, f"{kill} ended a process with status {code}")
            found[moment] += 1
    one, two = (last(folder / name) for name in ("whole", "killed"))
    for key in ("global_step", "state_dict", "optimizer_states", "lr_schedulers"):
        assert_same(one[key], two[key])
    # A process that was killed before its first checkpoint leaves a version of its own.
    rows = [
        max((folder / name).glob("*/metrics.csv"), key=os.path.getmtime)
        for name in ("whole", "killed")
    ]
    _require(rows[0].read_text() == rows[1].read_text(), "rows of metrics.csv differ")
    return [method, str(found.total()), *(str(found[m]) for m in MOMENTS), "same bits"]


class MallInfo(ctypes.Structure):
    r"""What glibc's `mallinfo2` returns."""

    _fields_: ClassVar = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def watch(args: list[str], notes: Path, steps: int) -> None:
    r"""Trains, and notes handed out and resident memory, in MiB, and open files, often."""
    torch.set_num_threads(1)
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    information = ctypes.CDLL("libc.so.6").mallinfo2
    information.restype = MallInfo
    begin = Checkpoints.on_train_batch_start

    def on_train_batch_start(self: Checkpoints, trainer: Trainer, *more: object) -> None:
        begin(self, trainer, *more)
        if trainer.global_step % max(steps // 100, 1) == 0:
            memory, found = int(Path("/proc/self/statm").read_text().split()[1]), information()
            used = (found.uordblks + found.hblkhd) / 2**20
            with notes.open("a") as file:
                file.write(f"{used} {memory * page} {len(os.listdir('/proc/self/fd'))}\n")

    with mock.patch.object(Checkpoints, "on_train_batch_start", on_train_batch_start):
        main(args)


def run_long(method: str, steps: int, folder: Path) -> list[str]:
    r"""Trains a method for many steps, and returns the cells of its row.

    Raises:
        RuntimeError: If the run fails, or the memory that is handed out or open files grow by
            more than one percent.
    """
    often = ("val_check_interval", "log_every_n_steps", "callbacks.init_args.every_n_steps")
    sizes = (steps // 10, steps // 100, steps // 100)
    more = [f"--trainer.{name}={max(n, 1)}" for name, n in zip(often, sizes, strict=True)]
    args = arguments(folder, method, "long", f"--trainer.max_steps={steps}", *more)
    code = spawn(watch, args, folder / "watched", steps, timeout=None)
    _require(code == 0, f"the long run ended with status {code}")
    rows = [[*map(float, line.split())] for line in (folder / "watched").read_text().splitlines()]
    cells = [method, f"{steps:,}"]
    for name, values in zip(("used", "resident", "files"), zip(*rows, strict=True), strict=True):
        tenth = len(values) // 10
        early = statistics.median(values[3 * tenth : 4 * tenth])
        late = statistics.median(values[-tenth:])
        if name != "resident":
            _require(late <= 1.01 * early, f"{name} from {early} to {late} in a long run")
        cells += [f"{early:.1f}", f"{late:.1f}"]
    return cells


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RuntimeError(message)


def table(headings: list[str], methods: list[str], row: Callable[[str, Path], list[str]]) -> bool:
    r"""Prints a table with a row for each method, and returns whether all hold."""
    print(f"\n{markdown_heading(headings)}", end="", flush=True)
    failures = []
    for method in methods:
        with tempfile.TemporaryDirectory() as folder:
            try:
                cells = row(method, Path(folder))
            except (AssertionError, RuntimeError) as error:
                failures.append(f"{method}: {error}")
                cells = [method, "failed"]
        print(markdown_row(cells), end="", flush=True)
    print(*failures, sep="\n", file=sys.stderr)
    return not failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = ["CoulombGAN", *METHODS]
    parser.add_argument("--methods", nargs="+", choices=every, default=every, metavar="METHOD")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    held, rng = True, random.Random(options.seed)
    if options.kills:
        headings = ["", "kills", *MOMENTS, "at the end"]
        held &= table(headings, options.methods, lambda m, f: kill_often(m, options.kills, f, rng))
    if options.steps:
        measured = ("handed out, MiB, early", "resident, MiB, early", "open files, early")
        headings = ["", "steps", *(heading for name in measured for heading in (name, "late"))]
        held &= table(headings, options.methods, lambda m, f: run_long(m, options.steps, f))
    sys.exit(not held)
