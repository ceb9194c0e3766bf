r"""Pages of the Python reference, written from docstrings: one for each module of public names.

A page opens with the docstring of its module, the theory that it implements, and lists the names
that the module gives to a package of :data:`PACKAGES`, under the path by which users import them.
The functions of commands are followed by the classes of their results.
"""

import functools
import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from . import inherited_arguments

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
# Modules of contracts and theory that docstrings refer to, without public names.
THEORY = {
    "energy_gans.methods": [
        *("bases.contrastive", "bases.feature_gan", "bases.global_batch", "bases.stepped"),
        "parts.replay_buffer",
    ],
    "energy_gans.fields": ["classes"],
    "energy_gans.functional": ["pair_rows", "potential_flow"],
    "energy_gans.metrics": ["measures"],
    "energy_gans.metrics.features": ["encoder_objectives", "fingerprint"],
    "energy_gans.storage": ["export"],
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


def public_homes() -> dict[str, dict[str, list[str]]]:
    r"""Returns the public names of all packages, by package and by defining module."""
    return {package: modules_of(package) for package in PACKAGES}


def result_classes(function: Callable) -> list[type]:
    r"""Returns the classes of the commands' package that a function returns."""
    names = re.findall(r"\w+", str(inspect.signature(function).return_annotation))
    found = [function.__globals__.get(name) for name in names]
    return [one for one in found if getattr(one, "__module__", "").startswith("energy_gans.comm")]


@functools.cache
def public_paths() -> dict[Any, str]:
    r"""Returns the paths of all public functions and classes, by function or class."""
    return {
        getattr(importlib.import_module(package), name): f"{package}.{name}"
        for package, homes in public_homes().items()
        for names in homes.values()
        for name in names
    }


def title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n\n"


def module_page(package: str, home: str, names: list[str]) -> str:
    r"""Returns the page of a module: its docstring, and the public names it defines."""
    text = title(home.removeprefix(f"{package}."), "=")
    text += f".. automodule:: {home}\n   :no-members:\n   :no-index:\n\n"
    text += f".. currentmodule:: {package}\n\n"
    module = importlib.import_module(package)
    for name in names:
        value = getattr(module, name)
        kind = "class" if inspect.isclass(value) else "function"
        text += f".. auto{kind}:: {package}.{name}\n"
        if inspect.isclass(value) and getattr(vars(value).get("__call__"), "__doc__", None):
            text += "   :special-members: __call__\n"
        # What the bases of a method offer stands once, with their common class.
        text += "   :inherited-members: LightningModule\n" * (name == "GenerativeModule") + "\n"
    return text


def functions_page(names: list[str]) -> str:
    r"""Returns the functions of commands, each followed by the classes of its results."""
    text = ""
    for name in names:
        text += f".. autofunction:: energy_gans.{name}\n\n"
        for one in result_classes(getattr(importlib.import_module("energy_gans"), name)):
            text += f".. autoclass:: {one.__module__}.{one.__name__}\n   :no-members:\n\n"
    return text


def package_page(package: str, homes: dict[str, list[str]]) -> str:
    r"""Returns the page of a package: a table of its names, and links to its modules."""
    text = title(PACKAGES[package], "=")
    text += f".. currentmodule:: {package}\n\n"
    if package in homes:
        return text + functions_page(homes[package])
    table = ".. autosummary::\n   :nosignatures:\n\n"
    by_module = package == "energy_gans.functional"
    text += "" if by_module else table
    for home, names in homes.items():
        if by_module:
            text += f":doc:`{home.removeprefix(package + '.')} <{home}>`\n\n{table}"
        text += "".join(f"   {name}\n" for name in names) + "\n" * by_module
    text += "\n"
    theory = [f"{package}.{name}" for name in THEORY.get(package, [])]
    if theory:
        text += title("Shared theory and contracts", "-")
        text += "".join(f"- :doc:`{one.removeprefix(package + '.')} <{one}>`\n" for one in theory)
        text += "\n"
    text += ".. toctree::\n   :hidden:\n\n"
    return text + "".join(f"   {home}\n" for home in [*homes, *theory])


def write_pages(app: Sphinx) -> None:
    r"""Writes all pages below `reference/python` of the site's sources, if they have changed."""
    folder = Path(app.srcdir) / "reference/python"
    folder.mkdir(exist_ok=True, parents=True)
    pages = {}
    for package, homes in public_homes().items():
        pages[f"package_{package}"] = package_page(package, homes)
        pages |= {
            home: module_page(package, home, names)
            for home, names in homes.items()
            if home != package
        }
        theory = [f"{package}.{name}" for name in THEORY.get(package, [])]
        pages |= {home: module_page(package, home, []) for home in theory}
    for old in folder.glob("*.rst"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# Docstrings


def list_references(lines: list[str]) -> None:
    r"""Makes the references of a docstring a list."""
    text = "\n".join(lines) + "\n"
    entry = re.compile(r"\S.*?(?:https?://\S+|\d{4}\)(?=\s*\n *[A-Z]|\s*$))", re.DOTALL)

    def listed(found: re.Match) -> str:
        points = [" ".join(one.split()) for one in entry.findall(found[2])]
        return found[1] + "".join(f"    - {point}\n" for point in points) + "\n"

    text = re.sub(r"^(References:\n)((?:    .*\n|\n)*)", listed, text, flags=re.M)
    lines[:] = text.split("\n")


def name_public_bases(cls: type, lines: list[str]) -> None:
    r"""Adds to a class's docstring where the members are described that it inherits."""
    paths = public_paths()
    bases = [one for one in cls.__mro__[1:] if one in paths]
    nearest = [one for one in bases if not any(issubclass(b, one) for b in bases if b is not one)]
    if nearest:
        links = " and ".join(f":class:`{paths[one]}`" for one in nearest)
        sections = [i for i, line in enumerate(lines) if re.match(r"[A-Z]\w+:+$", line)]
        at = sections[0] if sections else len(lines)
        lines[at:at] = ["", f"Inherits from {links}.", ""]


def complete(
    app: Sphinx, what: str, name: str, value: Any, options: dict, lines: list[str]
) -> None:
    r"""Completes a docstring by what stands elsewhere; see `autodoc-process-docstring`."""
    if what == "class" and value.__module__.startswith("energy_gans"):
        inherited_arguments.describe(value, lines)
        name_public_bases(value, lines)
    list_references(lines)


def complete_signature(
    app: Sphinx, what: str, name: str, value: Any, options: dict, given: str, returned: str
) -> tuple[str, str] | None:
    r"""Writes out arguments that a class takes as `**kwargs`; see `autodoc-process-signature`."""
    if what != "class" or not value.__module__.startswith("energy_gans"):
        return None
    if not inherited_arguments.constructors(value):
        # That of a class of another package, `*args, **kwargs`.
        return "", returned
    return inherited_arguments.signature(value), returned


def skip(
    app: Sphinx, what: str, name: str, value: Any, skipped: bool, options: dict
) -> bool | None:
    r"""Skips members that this package does not describe; see `autodoc-skip-member`."""
    # Fields of named tuples are described as arguments. A class as an attribute is configuration.
    alias = str(getattr(value, "__doc__", "")).startswith("Alias for field number")
    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
    module = str(getattr(function, "__module__", ""))
    foreign = inspect.isroutine(function) and not module.startswith("energy_gans")
    return True if alias or foreign or (what == "class" and inspect.isclass(value)) else None


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    r"""Links modules to their pages, and short names of public names; see `missing-reference`."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    for page in (f"reference/python/{target}", f"reference/python/package_{target}"):
        if page in env.found_docs:
            return make_refnode(app.builder, node["refdoc"], page, "", content, target)
    path = path_of(target.rpartition(".")[2])
    domain, kind = env.get_domain("py"), node["reftype"]
    return domain.resolve_xref(env, node["refdoc"], app.builder, kind, path, node, content)


def path_of(name: str) -> str:
    r"""Returns the path of a public name, or of a member of all methods."""
    paths = {path.rpartition(".")[2]: path for path in public_paths().values()}
    return paths.get(name, f"{paths['GenerativeModule']}.{name}")


def show_backticks_as_code(app: Sphinx, config: Config) -> None:
    config.default_role = "code"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", show_backticks_as_code)
    app.connect("builder-inited", write_pages)
    # Before napoleon, which translates sections.
    app.connect("autodoc-process-docstring", complete, priority=400)
    app.connect("autodoc-process-signature", complete_signature)
    app.connect("autodoc-skip-member", skip)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
