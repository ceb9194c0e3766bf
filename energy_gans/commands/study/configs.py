r"""The configs of a study, resolved and compared before any training.

The methods of a setting can be compared if everything else is equal: data, minibatch, budget,
precision, devices and the callbacks that measure.
"""

from __future__ import annotations

import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ... import __version__
from ...files import write_text
from ...methods.parts.finite import flatten_tree
from ...storage.rebuild import packages_beyond
from ..fit.start import printed_config
from .plan import Study

PROGRAM = [sys.executable, "-m", "energy_gans"]
MISSING = object()
# The callbacks that methods may choose freely, because they do not change what is measured.
UNMEASURING = ("Checkpoints", "CurvesPicture", "EMA", "SamplePictures", "TrainingClock")
# The trainer's arguments that a study sets for each cell.
SET_HERE = ("logger", "max_steps", "max_time", "enable_progress_bar")
TRAINER = ("accelerator", "devices", "num_nodes", "strategy", "limit_val_batches")


@cache
def code_version() -> str:
    r"""Returns the version of the package with a digest of its sources."""
    package = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:12]}"


def config_digest(config: object) -> str:
    r"""Returns the SHA-256 of nested plain values."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def config_flags(study: Study, setting: str, method: str) -> list[str]:
    r"""Returns the configs of a setting and a method as flags of `fit`."""
    files = [*study.settings[setting], *study.methods[method]]
    return [flag for file in files for flag in ("--config", str(file))]


def trusted_packages(study: Study, setting: str, method: str) -> str:
    r"""Returns the packages, besides this one and torch, of the classes in a study's own configs.

    The evaluation trusts these packages, as `fit` does: a config is code. The files in a cell's
    folder have no influence on that.
    """
    files = config_flags(study, setting, method)[1::2]
    parts = [yaml.safe_load(Path(file).read_text()) or {} for file in files]
    named = [packages_beyond([part.get("model"), part.get("data")]) for part in parts]
    return ",".join(sorted(set().union(*named)))


def resolved_config(study: Study, setting: str, method: str, folder: Path) -> dict[str, Any]:
    r"""Returns the resolved config of a setting and a method, cached in a folder.

    Raises:
        ValueError: If `fit` refuses the config.
    """
    flags = config_flags(study, setting, method)
    texts = [Path(file).read_text() for file in flags[1::2]]
    path = folder / f"{config_digest([code_version(), texts])[:32]}.yaml"
    if not path.is_file():
        try:
            write_text(printed_config(flags), path)
        except ValueError as error:
            raise ValueError(f"{method!r} in setting {setting!r}: {error}") from error
    config = yaml.safe_load(path.read_text())
    for name in SET_HERE:
        config["trainer"].pop(name, None)
    return config


def updates_of(config: dict[str, Any]) -> int:
    r"""Returns the number of the generator's updates in a step."""
    return config["model"].get("init_args", {}).get("updates_per_step", 1)


def budget_of(study: Study, config: dict[str, Any]) -> dict[str, Any]:
    r"""Returns the trainer's `max_steps` and `max_time`.

    Raises:
        ValueError: If the budget is not a whole number of steps.
    """
    if "seconds" in study.budget:
        minutes, seconds = divmod(study.budget["seconds"], 60)
        days, minutes = divmod(minutes, 1440)
        time = f"{days:02}:{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        return {"max_steps": -1, "max_time": time}
    steps, rest = divmod(study.budget["steps"], updates_of(config))
    if rest:
        raise ValueError(
            f"'budget.steps' should be a multiple of updates_per_step = {updates_of(config)}, "
            f"got {study.budget['steps']}."
        )
    return {"max_steps": steps, "max_time": None}


def _shared_settings(config: dict[str, Any]) -> dict[str, Any]:
    r"""Returns the values that have to be equal for all methods of a setting, by dotted key."""
    model, data, trainer = (config[key] for key in ("model", "data", "trainer"))
    data_args = dict(data.get("init_args", {}))
    updates = updates_of(config) * model.get("init_args", {}).get("discriminator_steps", 1)
    callbacks = trainer.get("callbacks") or []
    parts = {f"trainer.{name}": trainer.get(name) for name in TRAINER}
    parts |= {
        "minibatch (batch_size / (updates_per_step * discriminator_steps))": (
            data_args.pop("batch_size", 0) / updates
        ),
        "data.class_path": data["class_path"],
        "data.init_args": data_args,
        "trainer.precision": trainer.get("precision") or "32-true",
        "trainer.callbacks": _measuring_callbacks(callbacks),
    }
    return {key: value for name, part in parts.items() for key, value in _flat_items(part, name)}


def _measuring_callbacks(callbacks: list[dict[str, Any]]) -> dict[str, Any]:
    r"""Returns the arguments of measuring callbacks by name, `name_2` for a second one."""
    found: dict[str, Any] = {}
    for name, args in map(_name_and_arguments, callbacks):
        if name not in UNMEASURING:
            there = sum(key.partition("_")[0] == name for key in found)
            found[f"{name}_{there + 1}" if there else name] = args
    return found


def _name_and_arguments(config: dict[str, Any]) -> tuple[str, Any]:
    r"""Returns the name of a callback's class, and its arguments."""
    return config["class_path"].rpartition(".")[2], config.get("init_args", {})


def _flat_items(config: Any, name: str) -> list[tuple[str, Any]]:
    r"""Returns the values of a config by dotted key; an empty config has the value `"none"`."""
    return list(flatten_tree(config, name)) or [(name, "none")]


def list_changes(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    r"""Returns the differences of two flat configs, a phrase for each."""
    return [
        f"{key} is {a.get(key, 'missing')!r} and {b.get(key, 'missing')!r}"
        for key in sorted(a.keys() | b.keys())
        if a.get(key, MISSING) != b.get(key, MISSING)
    ]


def check_fair(setting: str, configs: dict[str, dict[str, Any]]) -> None:
    r"""Raises a `ValueError` if the methods of a setting differ in more than the method.

    Arguments:
        setting: The setting's name.
        configs: The config of each method.
    """
    first = next(iter(configs))
    for method, config in configs.items():
        found = list_changes(_shared_settings(configs[first]), _shared_settings(config))
        if found:
            raise ValueError(
                f"{first!r} and {method!r} can not be compared in setting {setting!r}: "
                f"{'; '.join(found)}."
            )
        names = [_name_and_arguments(one)[0] for one in config["trainer"].get("callbacks") or []]
        if "Checkpoints" not in names:
            raise ValueError(
                f"'trainer.callbacks' of {method!r} in setting {setting!r} should have "
                "Checkpoints: samples are drawn from the last one."
            )
