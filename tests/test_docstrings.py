r"""Tests that public names are documented: arguments, shapes, units, results, errors and sources.

`make lint` runs them, too.
"""

import functools
import importlib
import inspect
import pkgutil
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import energy_gans
from energy_gans.checks import check_count
from energy_gans.commands import COMMANDS, Tree, function_of
from energy_gans.data import CIFAR10

from .docstring_faults import bases, brief_faults, faults, own_doc

sys.path.append(str(Path(energy_gans.__file__).parents[1] / "docs"))
inherited_arguments = importlib.import_module("extensions.inherited_arguments")
python_reference = importlib.import_module("extensions.python_reference")


def public_names() -> dict[str, Any]:
    r"""Returns the functions and classes of the reference by path, and all commands."""
    found = {f"energy_gans.commands.{path}": one for path, one in commands(COMMANDS)}
    for package, homes in python_reference.public_homes().items():
        module = importlib.import_module(package)
        names = [name for names in homes.values() for name in names]
        found |= {f"{package}.{name}": getattr(module, name) for name in names}
    functions = [value for value in found.values() if inspect.isfunction(value)]
    results = [one for function in functions for one in python_reference.result_classes(function)]
    # All processes of pytest-xdist have to collect the tests in one order, so this is no set.
    return found | {f"{one.__module__}.{one.__name__}": one for one in results}


def commands(tree: Tree) -> Iterator[tuple[str, Any]]:
    r"""Yields the function of each command by its module and name."""
    for name, below in tree.items():
        if isinstance(below, dict):
            yield from commands(below)
        elif name != "_help":
            function = function_of(name, below)
            if inspect.isfunction(function):
                yield f"{below}.{name}", function


PUBLIC = public_names()


@pytest.mark.parametrize("path", PUBLIC)
def test_public_names_are_documented(path: str) -> None:
    assert faults(PUBLIC[path]) == []


def badly_documented(x: Tensor, epsilon: float, width: float, n: int) -> Tensor:
    r"""Adds numbers up.

    Arguments:
        x: The points.
        epsilon: The softening length.
        width: Something.
        m: The number of points.
    """
    check_count("n", n)
    return x + epsilon + width


def well_documented(x: Tensor, epsilon: float, width: float, n: int) -> Tensor:
    r"""Adds numbers up.

    Arguments:
        x: The points, with shape :math:`(B, *)`.
        epsilon: The softening length, in data units.
        width: The width of a block.
        n: The number of points.

    Returns:
        The sums, with shape :math:`(B, *)`.

    Raises:
        ValueError: If `n` is not positive.
    """
    check_count("n", n)
    return x + epsilon + width


def test_faults_are_found() -> None:
    assert faults(well_documented) == []
    assert [fault.partition(":")[0] for fault in faults(badly_documented)] == [
        "gives no shape of 'x'",
        "gives no unit, range or kind of 'epsilon'",
        "gives no unit, range or kind of 'width'",
        "does not describe 'n'",
        "describes 'm', no argument",
        "does not say what it returns",
        "has no section Raises, although badly_documented calls check_count",
    ]
    assert faults(lambda: None)[0] == "has no docstring"


def briefly_documented(x: Tensor, n: int) -> Tensor:
    r"""Returns the points with noise."""
    check_count("n", n)
    return x


def test_faults_of_brief_docstrings_are_found() -> None:
    assert [fault.partition(":")[0] for fault in brief_faults(briefly_documented)] == [
        "gives no shape of its result",
        "has no section Raises, although briefly_documented calls check_count",
        "gives no shape of x",
    ]


# Methods


def test_methods_give_shapes_results_and_errors() -> None:
    classes = {one for value in PUBLIC.values() if inspect.isclass(value) for one in bases(value)}
    found = {
        f"{cls.__qualname__}.{name}": lacks
        for cls in classes
        for name, member in vars(cls).items()
        if name[0] != "_" and inspect.isfunction(function := plain_function(member))
        if function.__doc__ and (lacks := brief_faults(function))
    }
    assert found == {}


SHAPED = ("fields", "metrics", "metrics.features", "networks")


def test_classes_give_the_shapes_of_their_tensors() -> None:
    calls = ("__call__", "extract", "forward", "update")
    for path, value in PUBLIC.items():
        if path.removeprefix("energy_gans.").rpartition(".")[0] in SHAPED and inspect.isclass(
            value
        ):
            methods = [
                vars(one)[name] for one in bases(value) for name in calls if name in vars(one)
            ]
            assert any(":math:`(" in own_doc(one) for one in (value, *methods)), path


def plain_function(member: Any) -> Any:
    r"""Returns the function of a method with its decorators, or another member as it is."""
    member = getattr(member, "__func__", member)
    return inspect.unwrap(member) if callable(member) else member


def package_classes() -> Iterator[type]:
    r"""Yields all classes of the package."""
    for found in pkgutil.walk_packages(energy_gans.__path__, "energy_gans."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            for value in vars(module).values():
                if inspect.isclass(value) and value.__module__ == found.name:
                    yield value


def undocumented_methods(cls: type) -> list[str]:
    r"""Returns the public methods and properties that nothing documents.

    A method without a docstring overrides one that has it: of a base, for example a hook of
    Lightning, or of a class that the class is mixed into.
    """
    family = {base for one in (cls, *descendants(cls)) for base in one.__mro__}
    kinds = (types.FunctionType, property, classmethod, staticmethod, functools.cached_property)
    methods = [n for n, value in vars(cls).items() if isinstance(value, kinds) and n[0] != "_"]
    documented = {n for one in family for n in methods if getattr(vars(one).get(n), "__doc__", "")}
    return [f"{cls.__qualname__}.{name}" for name in methods if name not in documented]


def descendants(cls: type) -> Iterator[type]:
    for one in cls.__subclasses__() if cls is not type else ():
        yield one
        yield from descendants(one)


def test_methods_are_documented() -> None:
    found = {name for cls in [*package_classes()] for name in undocumented_methods(cls)}
    assert sorted(found) == []


def test_an_undocumented_method_is_found() -> None:
    class Base:
        def known(self) -> None:
            r"""Does nothing."""

        def hidden(self) -> None: ...

    class Derived(Base):
        def known(self) -> None: ...

    assert len(undocumented_methods(Base)) == 1
    assert undocumented_methods(Derived) == []


# Sources

CITATION = re.compile(
    r"\b(Eqs?\.|Equation|Algorithm|Table|Section|Appendix|Fig\.|et al\.) ?[\d(]?"
)
SOURCED = ("fields", "methods", "methods.baselines", "metrics", "networks")
# Base classes, and what no paper describes.
WITHOUT_SOURCE = {"GenerativeModule", "KernelField", "ParticleField", "SumOfFields"}


def source_fault(path: str, value: Any) -> str:
    r"""Returns what is wrong with the references of a public name and of its module."""
    docs = own_doc(value), inspect.getdoc(sys.modules[value.__module__]) or ""
    package, _, name = path.removeprefix("energy_gans.").rpartition(".")
    needed = package in SOURCED and name not in WITHOUT_SOURCE
    if any("References:" in doc for doc in docs):
        return ""
    if found := next(filter(None, map(CITATION.search, docs)), None):
        return f"{path} cites {found[0]!r}, and has no References"
    return f"{path} has no References" if needed else ""


def test_sources_are_named() -> None:
    faults = [source_fault(path, value) for path, value in PUBLIC.items()]
    assert [*filter(None, faults)] == []


def test_a_citation_without_a_reference_is_found() -> None:
    def sign(x: Tensor) -> Tensor:
        r"""Returns the sign (Eq. 3)."""

    assert source_fault("energy_gans.functional.sign", sign).endswith("and has no References")
    assert source_fault("energy_gans.metrics.sign", badly_documented).endswith("has no References")
    assert source_fault("energy_gans.functional.sign", badly_documented) == ""


# The pages of the site


def test_pages_describe_the_arguments_that_classes_hand_on() -> None:
    lines = inspect.getdoc(CIFAR10).splitlines()
    inherited_arguments.describe(CIFAR10, lines)
    described = [line.strip().partition(" ")[0].rstrip(":") for line in lines if ": " in line]
    assert {"root", "size", "batch_size", "flip"} < {*described} and "kwargs" not in described
    signature = inherited_arguments.signature(CIFAR10)
    assert signature.startswith("(root='data', size=32, download=False, *, batch_size=128")


def test_references_become_a_list() -> None:
    lines = ["References:", "    One (A, 2001)", "    Two (B and C,", "    2002), https://two", ""]
    python_reference.list_references(lines)
    assert lines[1:3] == ["    - One (A, 2001)", "    - Two (B and C, 2002), https://two"]
