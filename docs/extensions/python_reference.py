r"""Pages of the Python reference, written from docstrings: one for each module of public names.

A page opens with the docstring of its module, the theory that it implements, and lists the names
that the module gives to a package of :data:`PACKAGES`, under the path by which users import them.
"""

import importlib
import inspect
from pathlib import Path

from sphinx.application import Sphinx

PACKAGES = {
    "energy_gans": "Functions",
    "energy_gans.methods": "Methods",
    "energy_gans.methods.baselines": "Baselines",
    "energy_gans.fields": "Fields",
    "energy_gans.functional": "The mathematics",
    "energy_gans.networks": "Networks",
    "energy_gans.data": "Data",
    "energy_gans.metrics": "Metrics",
    "energy_gans.metrics.features": "Features of images",
    "energy_gans.callbacks": "Callbacks",
    "energy_gans.storage": "Files of runs",
}


def modules_of(package: str) -> dict[str, list[str]]:
    r"""Returns the public names of a package by the module that defines them, both in order."""
    module = importlib.import_module(package)
    found: dict[str, list[str]] = {}
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            found.setdefault(value.__module__, []).append(name)
    own = {home: names for home, names in found.items() if home.startswith(package)}
    if package == "energy_gans":
        # Methods are on the pages of their own package.
        functions = [name for name in module.__all__ if inspect.isfunction(getattr(module, name))]
        return {"energy_gans": sorted(functions)}
    return dict(sorted(own.items()))


def title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n\n"


def module_page(package: str, home: str, names: list[str]) -> str:
    r"""Returns the page of a module: its docstring, and the public names it defines."""
    text = title(home.removeprefix(f"{package}."), "=")
    text += f".. automodule:: {home}\n   :no-members:\n   :no-index:\n\n"
    text += f".. currentmodule:: {package}\n\n"
    module = importlib.import_module(package)
    for name in names:
        kind = "class" if inspect.isclass(getattr(module, name)) else "function"
        text += f".. auto{kind}:: {package}.{name}\n\n"
    return text


def package_page(package: str, homes: dict[str, list[str]]) -> str:
    r"""Returns the page of a package: a table of its names, and links to its modules."""
    text = title(PACKAGES[package], "=")
    text += f".. currentmodule:: {package}\n\n"
    if package in homes:
        return text + "".join(f".. autofunction:: {package}.{name}\n\n" for name in homes[package])
    for home, names in homes.items():
        text += f":doc:`{home.removeprefix(package + '.')} <{home}>`\n\n"
        text += ".. autosummary::\n   :nosignatures:\n\n"
        text += "".join(f"   {name}\n" for name in names) + "\n"
    text += ".. toctree::\n   :hidden:\n\n" + "".join(f"   {home}\n" for home in homes)
    return text


def write_pages(app: Sphinx) -> None:
    r"""Writes all pages below `reference/python` of the site's sources, if they have changed."""
    folder = Path(app.srcdir) / "reference/python"
    folder.mkdir(exist_ok=True, parents=True)
    pages = {}
    for package in PACKAGES:
        homes = modules_of(package)
        pages[f"package_{package}"] = package_page(package, homes)
        pages |= {
            home: module_page(package, home, names)
            for home, names in homes.items()
            if home != package
        }
    for old in folder.glob("*.rst"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
