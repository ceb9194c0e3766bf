r"""`--trainer.logger csv|tensorboard|wandb`: a logger by a short name.

The run is kept where the config's own logger would keep it. Without one, the folder is `runs`, and
the name is that of the first config. The project of wandb is this name: runs of one config are in
one folder, in which `--ckpt_path last` finds them.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from jsonargparse import Namespace

from ..config_files import given_configs, read_yaml
from ..flags import flag_value, flags

FLAG = "--trainer.logger"
PACKAGE = "lightning.pytorch.loggers"
LOGGERS = {"csv": "CSVLogger", "tensorboard": "TensorBoardLogger", "wandb": "WandbLogger"}
SWITCHES = ("true", "false", "null")


def expand_loggers(args: Sequence[str]) -> list[str]:
    r"""Returns arguments with the class and the folder of each logger that has a short name.

    They come before the options of the logger, wherever these were given.

    Arguments:
        args: The arguments of a training command, in which configs are paths.

    Raises:
        ValueError: If a word is no short name.
    """
    parts, start = [*flags(args)], 0
    for i, (flag, value) in enumerate(map(flag_value, parts)):
        if flag != FLAG or not re.fullmatch(r"[a-z]\w*", value or "") or value in SWITCHES:
            continue
        if value not in LOGGERS:
            raise ValueError(_unknown_logger(value))
        logger = {"class_path": f"{PACKAGE}.{LOGGERS[value]}", "init_args": _options(value, args)}
        del parts[i]
        first = next((j for j in range(start, i) if parts[j][0].startswith(f"{FLAG}.")), i)
        parts.insert(first, [f"{FLAG}={json.dumps(logger)}"])
        start = first + 1
    return [arg for part in parts for arg in part]


def check_loggers(trainer: Namespace) -> None:
    r"""Checks that the packages of a trainer's loggers are installed.

    Arguments:
        trainer: The settings of the trainer.

    Raises:
        ModuleNotFoundError: If TensorBoard is not; the error says how to install it.
    """
    loggers = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
    paths = [one.class_path for one in loggers if isinstance(one, Namespace)]
    if any(path.endswith(".TensorBoardLogger") for path in paths) and not (
        find_spec("tensorboard") or find_spec("tensorboardX")
    ):
        raise ModuleNotFoundError(
            "'trainer.logger' = TensorBoardLogger needs the package 'tensorboard': pip install "
            "'energy-gans[tensorboard]'."
        )


def _options(name: str, args: Sequence[str]) -> dict[str, str | None]:
    r"""Returns the folder and the name of a run, as arguments of a logger."""
    configs = given_configs(args)
    given: dict[str, Any] = {"name": configs[0].stem} if configs else {}
    for config in configs:
        given |= _logger_of(read_yaml(config))
    own = given.get("project") or given.get("name") or "lightning_logs"
    # A name in the config would be the same for all runs; wandb names each run.
    named = {"project": own, "name": None} if name == "wandb" else {"name": own}
    return {"save_dir": given.get("save_dir") or "runs", **named}


def _logger_of(config: dict[str, Any]) -> dict[str, Any]:
    r"""Returns the arguments of a config's first logger."""
    logger = (config.get("trainer") or {}).get("logger")
    logger = logger[0] if isinstance(logger, list) and logger else logger
    options = logger.get("init_args") if isinstance(logger, dict) else None
    return options if isinstance(options, dict) else {}


def _unknown_logger(name: str) -> str:
    r"""Returns the sentence on a word that is no short name."""
    close = difflib.get_close_matches(name, LOGGERS, n=1)
    near = f"; did you mean {close[0]!r}?" if close else "."
    return (
        f"'trainer.logger' should be {', '.join(LOGGERS)}, true, false, or the class of a logger "
        f"with its arguments, got {name!r}{near}"
    )
