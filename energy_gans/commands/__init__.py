r"""The commands for checkpoints, data and measures: everything but training.

:data:`COMMANDS` names every command once: the command line and the exports of this package follow
from it. A command's module is imported when the command is used, so this package imports fast.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

Tree = dict[str, "str | Tree"]
# The module in this package of each command, which is a function of the same name there. The help
# of a group is "_help", as in jsonargparse.
COMMANDS: Tree = {
    "sample": "sample",
    "interpolate": "interpolate",
    "synthesize": "synthesize",
    "inpaint": "inpaint.inpaint",
    "ood": "ood.ood",
    "landscape": "landscape",
    "report": "report",
    "evaluate": "evaluate.evaluate",
    "compare": "compare",
    "study": "study.study",
    "export": "export.export",
    "models": "zoo",
    "features": {"train": "features.train", "picture": "features.picture"},
    "particles": "particles.particles",
    "explain": "explain",
    "configs": {"list": "configs", "copy": "configs"},
    "data": {
        "prepare": {
            "_help": "Writes a data set as training reads it: decoded, cropped and resized once.",
            "celeba": "prepare",
            "lsun": "prepare",
            "tinyimagenet": "prepare",
            "folder": "prepare",
            "cifar10": "prepare",
            "cifar100": "prepare",
            "svhn": "prepare",
            "text": "prepare",
        },
        "verify": "prepare",
    },
}
# What a command writes unless `--out` says otherwise, by its name; "auto" is beside its input. The
# Python functions write nothing by default.
OUTPUTS = {
    "sample": "auto",
    "interpolate": "interpolation.png",
    "synthesize": "synthesis.png",
    "inpaint": "inpainting.png",
    "ood": "ood.png",
    "landscape": "landscape.png",
    "report": "auto",
    "evaluate": "auto",
    "features train": "classifier.pt",
    "features picture": "features.png",
    "particles": "particles.png",
}
# These names are modules of the package, as in earlier versions: `study.study` is the function,
# and `zoo.models` that of models.
MODULES = ("models", "particles", "study")
FUNCTIONS = {
    name: module
    for name, module in COMMANDS.items()
    if isinstance(module, str) and name not in MODULES
}
__all__ = [*FUNCTIONS, "load_model"]


class _Commands(ModuleType):
    r"""Keeps commands' names for their functions when modules of these names are imported."""

    def __setattr__(self, name: str, value: object) -> None:
        # An import sets a submodule as an attribute of its package, over the function of that
        # name.
        if not (name in FUNCTIONS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Commands


def function_of(name: str, module: str) -> Any:
    r"""Returns the function of a command, from its module in this package."""
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __getattr__(name: str) -> Any:
    if name == "load_model":
        return importlib.import_module("energy_gans.storage.checkpoint").load_model
    if name not in FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return function_of(name, FUNCTIONS[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
