r"""Generative models that move particles in a field.

Real samples attract, generated samples repel.

The names of this module are imported when they are used, because torch takes seconds::

    import energy_gans

    run = energy_gans.fit("coulomb/ring", {"trainer.max_steps": 1000})
    x = energy_gans.sample(run.model, 1000).x
    model = energy_gans.load(run.folder)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data, functional, methods, metrics, networks
    from .commands import (
        compare,
        evaluate,
        explain,
        export,
        inpaint,
        interpolate,
        landscape,
        ood,
        report,
        sample,
        synthesize,
    )
    from .commands.fit.fit import fit
    from .commands.particles import particles
    from .commands.study.study import study
    from .methods import (
        EIEGGAN,
        GCN,
        GGCN,
        VAPO,
        CoulombGAN,
        EIEGGenerator,
        InpaintingGGCN,
        MultigridGCN,
    )
    from .storage.checkpoint import load_model as load

__version__ = "0.2.0"

# What is imported when it is used: packages, methods, and the functions of commands.
_PACKAGES = ("data", "functional", "methods", "metrics", "networks")
_METHODS = (
    *("CoulombGAN", "EIEGGAN", "EIEGGenerator", "GCN", "GGCN", "InpaintingGGCN", "MultigridGCN"),
    "VAPO",
)
_COMMANDS = (
    *(
        "compare",
        "evaluate",
        "explain",
        "export",
        "inpaint",
        "interpolate",
        "landscape",
        "ood",
        "particles",
        "report",
    ),
    *("sample", "study", "synthesize"),
)

__all__ = [
    "EIEGGAN",
    "GCN",
    "GGCN",
    "VAPO",
    "CoulombGAN",
    "EIEGGenerator",
    "InpaintingGGCN",
    "MultigridGCN",
    "__version__",
    "compare",
    "data",
    "evaluate",
    "explain",
    "export",
    "fit",
    "functional",
    "inpaint",
    "interpolate",
    "landscape",
    "load",
    "methods",
    "metrics",
    "networks",
    "ood",
    "particles",
    "report",
    "sample",
    "study",
    "synthesize",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _METHODS:
        return getattr(importlib.import_module(f"{__name__}.methods"), name)
    if name == "load":
        return importlib.import_module(f"{__name__}.storage.checkpoint").load_model
    if name == "fit":
        return importlib.import_module(f"{__name__}.commands.fit.fit").fit
    if name in _COMMANDS:
        commands = importlib.import_module(f"{__name__}.commands")
        return commands.function_of(name, commands.COMMANDS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
