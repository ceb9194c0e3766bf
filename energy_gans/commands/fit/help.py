r"""The short help of the training commands: the keys of a run, of its model, data and trainer.

It is written from source files and configs. The parser of LightningCLI takes seconds to import,
and its help has more than 500 lines, most of them on the trainer: `--help_trainer` prints them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..class_sources import Argument, exported_names
from ..config_files import check_config_files, locate_config, read_yaml
from ..explain import find_class
from ..flags import CONFIG_FLAGS, flag_value, flags
from ..screen import WIDTH, describe, describe_argument, section, wrap
from ..usage import NO_CONFIG

# What the help of a training command opens with.
CODE = (
    "Files given by --config are code: the classes and functions that they name are run. Read "
    "those of others first. The checkpoint of --ckpt_path runs nothing."
)
TRAINER_FLAG = "--help_trainer"
_RUN = {
    "--config FILE": "A config, or the name of a shipped one; repeatable.",
    "--KEY VALUE": "Any key of a config: --model.epsilon 0.3.",
    "--ckpt_path PATH": "A checkpoint, or the folder of a run, or `last`.",
    "--seed_everything: int = 0": "The seed of the run.",
    "--allow_changes: bool = False": "Whether settings may differ from the checkpoint's.",
    "--print_config": "Prints the whole config that would run.",
}
# The keys of the trainer that are used most.
TRAINER = (
    Argument("max_steps", "int", "-1", "The steps after which training ends; -1 for no end."),
    Argument("accelerator", "str", "auto", "The devices: cpu, gpu or auto."),
    Argument("devices", "int | list", "auto", "How many devices, or processes on CPUs."),
    Argument("precision", "str", "32-true", "32-true, bf16-mixed, 16-mixed or 64-true."),
    Argument("strategy", "str", "auto", "How several processes train, such as ddp."),
    Argument("logger", "Logger", "True", "What logs numbers: csv, tensorboard or wandb."),
    Argument("callbacks", "list", "None", "--trainer.callbacks+=EMA adds one."),
    Argument("log_every_n_steps", "int", "50", "The steps between two logged rows."),
    Argument(
        "val_check_interval", "int | float", "1.0", "The steps between validations, or epochs."
    ),
)
# The width of flags before their descriptions.
_COLUMN = 42
# The modules of the classes that a key may name.
_MODULES = {
    "model": ("energy_gans.methods", "energy_gans.methods.baselines"),
    "data": ("energy_gans.data",),
}


def short_help(args: Sequence[str], about: str) -> str:
    r"""Returns the help of a training command.

    Arguments:
        args: The command and its arguments. The arguments of the model and of the data are listed
            if `--config`, `--model` or `--data` names them, with the values of configs.
        about: What the command does.

    Raises:
        FileNotFoundError: If there is no file of a name that `--config` gives.
        ValueError: If there is no class of a name that is given.
    """
    command = args[0]
    check_config_files(_located(args))
    contents = list(_contents(args))
    trainer: dict[str, Any] = {}
    for content in contents:
        trainer |= content.get("trainer") or {}
    parts = [
        f"usage: energy-gans {command} [--config FILE] [--KEY VALUE] ...",
        "\n".join([about, *textwrap.wrap(CODE, WIDTH)]),
        section("the run", (describe(name, text, _COLUMN) for name, text in _RUN.items())),
        *(_class_section(key, _given_class(key, contents)) for key in _MODULES),
        section(
            f"the trainer; energy-gans {command} {TRAINER_FLAG} lists all of its keys",
            _argument_lines("trainer", TRAINER, trainer),
        ),
    ]
    return "\n\n".join(parts)


def _class_section(key: str, given: dict[str, Any]) -> str:
    r"""Returns the section on the model or the data: its arguments, or the names of classes."""
    if name := given.get("class_path"):
        source = find_class(name)
        title = f"the {key}, {source.name}; energy-gans explain {source.name} describes it"
        return section(title, _argument_lines(key, source.arguments, given["init_args"]))
    names = [n for module in _MODULES[key] for n in exported_names(module) if n not in NO_CONFIG]
    return section(
        f"the {key}; energy-gans explain CLASS describes one",
        [
            describe(f"--{key} CLASS", f"--{key} CLASS --help lists its arguments.", _COLUMN),
            *wrap(f"CLASS is one of {', '.join(names)}, or the path of your own.", "  "),
        ],
    )


def _argument_lines(
    key: str, arguments: Iterable[Argument], values: dict[str, Any]
) -> Iterator[str]:
    r"""Yields a line for each argument, with its value in configs, or else its default."""
    for one in arguments:
        value = {"default": _text(values[one.name])} if one.name in values else {}
        yield describe_argument(one._replace(**value), f"--{key}.")


def _text(value: Any) -> str:
    r"""Returns a value of a config; of classes their names alone."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    path = value.get("class_path") if isinstance(value, dict) else None
    return str(path).rpartition(".")[2] if path else str(value)


def _given_class(key: str, contents: Iterable[dict[str, Any]]) -> dict[str, Any]:
    r"""Returns what configs and flags give for the model or the data: class and arguments."""
    found: dict[str, Any] = {"class_path": None, "init_args": {}}
    for content in contents:
        part = content.get(key) or {}
        part = {"class_path": part} if isinstance(part, str) else part
        given = part.get("class_path", found["class_path"])
        if given != found["class_path"]:
            found = {"class_path": given, "init_args": {}}
        found["init_args"] |= part.get("init_args") or {}
    return found


def _contents(args: Sequence[str]) -> Iterator[dict[str, Any]]:
    r"""Yields the configs that arguments give, and then the flags that name a class."""
    pairs = [flag_value(parts) for parts in flags(_located(args))]
    for flag, value in pairs:
        if flag in CONFIG_FLAGS and value is not None and Path(value).is_file():
            yield read_yaml(Path(value))
    yield {flag[2:]: value for flag, value in pairs if flag[2:] in _MODULES and value}


def _located(args: Sequence[str]) -> list[str]:
    r"""Returns arguments with the paths of the configs that they name."""
    located = []
    for parts in flags(args):
        flag, value = flag_value(parts)
        if flag in CONFIG_FLAGS and value is not None:
            parts = [flag, str(locate_config(Path(value))[0])]
        located += parts
    return located
