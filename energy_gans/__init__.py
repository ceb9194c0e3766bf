r"""Generative models that move particles in a field.

Real samples attract, generated samples repel.

The names of this module are imported when they are used, because torch takes seconds::

    import energy_gans

    run = energy_gans.fit("coulomb/ring", {"trainer.max_steps": 1000})
    x = energy_gans.sample(run.model, 1000).x
    model = energy_gans.load(run.folder)
    energy_gans.models()  # the trained models that `load` finds by name
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data, fields, functional, methods, metrics, networks
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
    from .commands.particles.particles import particles
    from .commands.study.study import study
    from .commands.zoo import models
    from .methods import (
        EIEGGAN,
        GCN,
        GGCN,
        VAPO,
        CoulombGAN,
        EIEGGenerator,
        FieldGenerator,
        InpaintingGGCN,
        MultigridGCN,
        NGramGenerator,
        ScatteringGAN,
    )
    from .storage.checkpoint import load_model as load

__version__ = "0.2.0"

# The names that are imported when they are used, by their module; those of "" are packages.
_NAMES = {
    "": "data fields functional methods metrics networks",
    "methods": """
        CoulombGAN EIEGGAN EIEGGenerator FieldGenerator GCN GGCN InpaintingGGCN MultigridGCN
        NGramGenerator ScatteringGAN VAPO
    """,
    "commands": """
        compare evaluate explain export inpaint interpolate landscape ood report sample synthesize
    """,
    "commands.fit.fit": "fit",
    "commands.particles.particles": "particles",
    "commands.study.study": "study",
    "commands.zoo": "models",
    "storage.checkpoint": "load",
}
_SOURCES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = ["__version__", *_SOURCES]


def __getattr__(name: str) -> Any:
    module = _SOURCES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not module:
        return importlib.import_module(f"{__name__}.{name}")
    own = "load_model" if name == "load" else name
    return getattr(importlib.import_module(f"{__name__}.{module}"), own)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
