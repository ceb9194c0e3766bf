r"""The command line: training by LightningCLI, and the commands of the workbench.

What a command needs is imported when it is run: help, the version and a wrong name take no time.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .. import __version__
from ..allocator import keep_freed_memory
from ..commands import COMMANDS
from ..commands.errors import sentence_of
from ..commands.suggestions import did_you_mean
from ..interruption import interruptible
from ..terminal import ignore_noise, printing, say
from .workbench import help_lines, run_workbench

# What each training command does, for the list of commands.
TRAINING = {
    "fit": "Trains a model; --ckpt_path last|RUN|FILE resumes a run.",
    "validate": "Measures a checkpoint on the held-out data.",
    "test": "Measures a checkpoint as `validate` does, under other names.",
    "predict": "Draws as many samples as there is held-out data, on all devices, and writes them.",
}
USAGE = """\
usage: energy-gans COMMAND [--help] ...

training; --config FILE can be repeated, --KEY VALUE sets any key of the config, and
--trainer.callbacks.CLASS.KEY VALUE an option of one callback:
{training}

workbench:
{workbench}

  {version:<{width}}  Prints the version.

Ctrl-C or SIGTERM makes `fit` finish its step, save it and exit with status 130 or 143; a second
Ctrl-C ends it at once.

A FILE given by --config is code: the classes and functions that it names are run. Read it first.
The files of a run (checkpoints, config.yaml) run no code of others: --trust PACKAGE lets them name
its classes.
"""


def main(args: Sequence[str] | None = None) -> None:
    r"""Runs a command.

    Arguments:
        args: The command and its arguments, `sys.argv[1:]` by default. `main(["fit", "--config",
            "configs/demo.yaml"])` is how to train from Python, too.

    Raises:
        SystemExit: If something is wrong with what was asked for, after one sentence on it;
            if Ctrl-C or SIGTERM ended it, with the status 130 or 143.
    """
    args = list(sys.argv[1:] if args is None else args)
    if not args or args[0] in ("-h", "--help"):
        print(_usage(), end="")
        return
    if args[0] == "--version":
        print(__version__)
        return
    ignore_noise()
    keep_freed_memory()
    with printing(), sentences(), interruptible():
        run(args)


@contextmanager
def sentences() -> Iterator[None]:
    r"""Turns errors that a user can correct into one sentence, and ends the process.

    Raises:
        SystemExit: Instead of such an error, or if the reader of the output has closed it. Any
            other error is a bug, and keeps its traceback.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe, as `head` does. Python would flush what is left at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        said = sentence_of(error)
        if said is None:
            raise
        sys.exit(f"energy-gans: error: {said}")


def _usage() -> str:
    r"""Returns the list of all commands, with the first line of each one's docstring."""
    commands = dict(help_lines())
    width = max(map(len, commands))
    lists = {
        name: "\n".join(f"  {command:<{width}}  {text}" for command, text in group.items())
        for name, group in (("training", TRAINING), ("workbench", commands))
    }
    return USAGE.format(version="--version", width=width, **lists)


def run(args: list[str]) -> None:
    r"""Runs a command that is not about the program itself."""
    if args[0] in COMMANDS:
        run_workbench(args)
    elif args[0] in TRAINING:
        if {"-h", "--help"} & {*args}:
            from ..commands.fit.help import short_help

            say(short_help(args, TRAINING[args[0]]))
            sys.exit(0)
        # It imports torch.
        from ..commands.fit.start import run_training

        if number := run_training(args):
            sys.exit(128 + number)
    else:
        near = did_you_mean(args[0], [*TRAINING, *COMMANDS])
        raise ValueError(
            f"There is no command {args[0]!r}." + (near or " `energy-gans --help` lists them.")
        )
