r"""`energy-gans explain`: what a class is, its arguments, and how it is used.

Everything is read from source files, so that no command of this package answers faster.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from ..files import import_hint
from .class_sources import ClassSource, exported_names, read_class
from .fitting_networks import FITTING_NETWORKS
from .screen import WIDTH, describe, describe_argument, section, wrap
from .suggestions import did_you_mean
from .usage import command_use, find_uses, python_use, slots_of

# The modules whose classes are explained by name, and what these are.
MODULES = {
    "energy_gans.methods": "methods",
    "energy_gans.methods.baselines": "baselines",
    "energy_gans.fields": "fields",
    "energy_gans.networks": "networks",
    "energy_gans.data": "data",
    "energy_gans.callbacks": "callbacks",
    "energy_gans.metrics": "metrics",
    "energy_gans.metrics.features": "feature extractors",
}
# The lines of a screen.
_LINES = 50


@dataclass(frozen=True, repr=False)
class Explanation:
    r"""What is known of a class; as a text, one screen.

    Arguments:
        source: The class as its source describes it: path, sentence, references, arguments.
        networks: The networks of the package that fit each argument of a method.
        methods: The methods that a network fits, by argument.
        configs: The names of the shipped configs of whole runs that use the class.
        python: A call in Python; empty for base classes.
        command: A command line; empty if the class is no part of a config.
    """

    source: ClassSource
    networks: Mapping[str, tuple[str, ...]]
    methods: Mapping[str, list[str]]
    configs: tuple[str, ...]
    python: str
    command: str

    def __str__(self) -> str:
        source = self.source
        title = f"{source.name}: {source.about}" if source.about else source.name
        parts = [
            "\n".join([*wrap(title), *map(_reference, source.references)]),
            section("arguments", map(describe_argument, source.arguments)),
            section("networks that fit", _lists(self.networks)),
            section("fits", _lists(self.methods)),
            section("configs", [_first_names(self.configs)] if self.configs else []),
            section("Python", [f"  {line}" for line in self.python.splitlines()]),
            section("command line", wrap(self.command, "  ", " \\")),
        ]
        parts = [part for part in parts if part]
        apart = "\n\n".join(parts)
        return apart if apart.count("\n") < _LINES else "\n".join(parts)

    def __repr__(self) -> str:
        return str(self)


class ClassList(tuple[ClassSource, ...]):
    r"""All classes that can be explained; as a text, a line for each, by module."""

    __slots__ = ()

    def __str__(self) -> str:
        width = max((len(source.name) for source in self), default=0)
        parts = []
        for module, title in MODULES.items():
            lines = [
                describe(f"{source.name:<{width}}", source.about, width)
                for source in self
                if source.path.rpartition(".")[0] == module
            ]
            parts.append(section(f"{title} ({module})", lines))
        return "\n\n".join(part for part in parts if part)

    def __repr__(self) -> str:
        return str(self)


def explain(name: str | None = None) -> Explanation | ClassList:
    r"""Explains a method, network, data set or callback: its arguments and its use.

    Arguments:
        name: The class, such as CoulombGAN, or its path, such as mypackage.MyNetwork; a list of
            all classes if it is left out.

    Returns:
        The explanation, or the list.

    Raises:
        ValueError: If there is no such class; the error names the nearest one.
    """
    if name is None:
        return ClassList(map(read_class, explained_paths()))
    source = find_class(name)
    uses, known = find_uses(source.name), source.path in explained_paths()
    return Explanation(
        source,
        FITTING_NETWORKS.get(source.name, {}),
        slots_of(source.name),
        tuple(use.config for use in uses),
        python_use(source) if known else "",
        command_use(source, uses) if known else "",
    )


def explained_paths() -> list[str]:
    r"""Returns the paths of all classes that can be explained by name."""
    return [f"{module}.{name}" for module in MODULES for name in exported_names(module)]


def find_class(name: str) -> ClassSource:
    r"""Returns the class of a name or a path.

    Raises:
        ValueError: If there is none.
    """
    paths = {path.rpartition(".")[2]: path for path in reversed(explained_paths())}
    path = paths.get(name, name)
    if "." in path:
        try:
            return read_class(path)
        except LookupError:
            pass
    hint = import_hint(name) if "." in name else ""
    if hint:
        raise ValueError(f"There is no class {name!r} to explain{hint}.")
    near = did_you_mean(name.rpartition(".")[2], paths) or " `energy-gans explain` lists them."
    raise ValueError(f"There is no class {name!r} to explain.{near}")


# The text


def _lists(names: Mapping[str, list[str] | tuple[str, ...]]) -> list[str]:
    r"""Returns a line for each list of names."""
    return [
        line for key, values in names.items() for line in wrap(f"{key}: {', '.join(values)}", "  ")
    ]


def _first_names(configs: tuple[str, ...]) -> str:
    r"""Returns a line with as many names as fit, and with the number of the others."""
    line, n, width = f"  {configs[0]}", 1, WIDTH - len(", " + ", and 99 more")
    while n < len(configs) and len(line) + len(configs[n]) <= width:
        line, n = f"{line}, {configs[n]}", n + 1
    return line if n == len(configs) else f"{line}, and {len(configs) - n} more"


def _reference(text: str) -> str:
    r"""Returns a reference on one line, with its address whole."""
    title, _, address = text.rpartition(", ")
    if not address.startswith("http"):
        title, address = text, ""
    address = address and f", {address}"
    return textwrap.shorten(title, WIDTH - len(address), placeholder=" ...") + address
