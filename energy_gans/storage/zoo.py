r"""Trained models that are found by name: exported folders in a zoo, or repositories of the Hub.

A zoo is a folder of exported models, each in a folder of its own name. They are looked for in the
folders that the variable `ENERGY_GANS_ZOO` names, and then in `zoo/` of the clone that the package
is installed from.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from .export import CONFIG, WEIGHTS

VARIABLE = "ENERGY_GANS_ZOO"
_NAME = re.compile(r"[\w][\w.-]*")
# The name of a repository: its owner, a slash, and its own name.
_REPOSITORY = re.compile(rf"{_NAME.pattern}/{_NAME.pattern}")


def zoo_folders() -> list[Path]:
    r"""Returns the folders of models that exist, in the order in which they are searched."""
    named = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    clone = Path(__file__).resolve().parents[2] / "zoo"
    return [folder for folder in (*map(Path, named), clone) if folder.is_dir()]


def zoo_models() -> dict[str, Path]:
    r"""Returns the folders of all models of the zoo by name, in alphabetical order."""
    found = [path.parent for folder in zoo_folders() for path in folder.glob(f"*/{CONFIG}")]
    # The first folder of a name is the one that is loaded.
    return dict(sorted({path.name: path for path in reversed(found)}.items()))


def find_by_name(name: str) -> Path | None:
    r"""Returns the weights of a model of the zoo, or of a repository of the Hub.

    Arguments:
        name: The name of a model of the zoo, or of a repository, `owner/name`.

    Returns:
        The path of its `model.safetensors`, or `None` if there is no such model, or the name can
        not be one.

    Raises:
        FileNotFoundError: If the Hub has no such repository, or can not be reached.
    """
    if may_be_name(name):
        folder = zoo_models().get(name)
        return None if folder is None else folder / WEIGHTS
    if not is_repository(name):
        return None
    try:
        hub()
    except ModuleNotFoundError:
        return None
    return Path(download(name)) / WEIGHTS


def may_be_name(name: str) -> bool:
    r"""Returns whether a text can be the name of a model of a zoo: it has no slash."""
    return _NAME.fullmatch(name) is not None


def is_repository(name: str) -> bool:
    r"""Returns whether a name is `owner/name`, and no path below a folder that exists."""
    return _REPOSITORY.fullmatch(name) is not None and not Path(name).parent.exists()


def hub() -> ModuleType:
    r"""Returns huggingface_hub.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Repositories of the Hugging Face Hub need huggingface_hub, and folders do not: pip "
            "install 'energy-gans[hub]'."
        ) from error


def download(name: str, **options: Any) -> str:
    r"""Downloads the model of a repository of the Hub, unless it was before.

    Arguments:
        name: The name of the repository, `owner/name`.
        options: The options of `huggingface_hub.snapshot_download`.

    Returns:
        The path of the folder on this machine.

    Raises:
        FileNotFoundError: If the Hub has no such repository, or can not be reached.
    """
    client = hub()
    try:
        return client.snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS], **options)
    except OSError as error:
        # The errors of the Hub are long, and their first line says what is wrong.
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise FileNotFoundError(
            f"{name!r} is neither a path nor the name of a model here, and can not be loaded from "
            f"the Hugging Face Hub: {reason}."
        ) from error
