r"""The flags of a command line, before it is parsed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

CONFIG_FLAGS = ("-c", "--config")
CLASS_FLAGS = ("--model", "--data", "--field")
# Flags that stand for true without a value.
SWITCHES = ("--half_weights", "--onnx", "--overwrite", "--retry")


def flags(args: Sequence[str]) -> Iterator[list[str]]:
    r"""Yields each flag with the value that follows it, and each other argument alone."""
    i = 0
    while i < len(args):
        bare = args[i].startswith("-") and "=" not in args[i]
        takes = bare and i + 1 < len(args) and not args[i + 1].startswith("--")
        yield list(args[i : i + 1 + takes])
        i += 1 + takes


def flag_value(parts: Sequence[str]) -> tuple[str, str | None]:
    r"""Returns a flag and its value, if any, separated by `=` or by a blank."""
    flag, equals, value = parts[0].partition("=")
    return flag, value if equals else parts[1] if len(parts) > 1 else None


def configs_first(args: Sequence[str]) -> list[str]:
    r"""Returns arguments with all configs before other flags, and classes before their options.

    Values on the command line then override those of configs, wherever they stand, and options
    such as `--data.root` may stand before their class. A class that is given before a config, as
    in `--model CoulombGAN`, is also the one that the config's keys belong to.
    """
    command = list(itertools.takewhile(lambda arg: not arg.startswith("-"), args))
    given = list(flags(args[len(command) :]))
    names = [flag_value(parts)[0] for parts in given]
    configs = [i for i, name in enumerate(names) if name in CONFIG_FLAGS]
    classes = [i for i, name in enumerate(names) if name in CLASS_FLAGS]
    before = [i for i in classes if i < max(configs, default=0)]
    others = [i for i in range(len(given)) if i not in configs and i not in classes]
    order = [*before, *configs, *(i for i in classes if i not in before), *others]
    return [*command, *itertools.chain(*(given[i] for i in order))]


def complete_switches(args: Sequence[str]) -> list[str]:
    r"""Returns arguments in which each of :data:`SWITCHES` has a value."""
    completed: list[str] = []
    for parts in flags(args):
        bare = len(parts) == 1 and parts[0] in SWITCHES
        completed += [f"{parts[0]}=true"] if bare else parts
    return completed


def models_as_checkpoints(args: Sequence[str]) -> list[str]:
    r"""Returns arguments of the workbench with `--ckpt_path` for `--model`, its other name."""
    replaced: list[str] = []
    for parts in flags(args):
        flag, equals, value = parts[0].partition("=")
        head = f"--ckpt_path{equals}{value}" if flag == "--model" else parts[0]
        replaced += [head, *parts[1:]]
    return replaced
