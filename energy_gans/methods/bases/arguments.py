r"""The constructors of methods, which write out all their arguments.

The bases of a method are mixins that take the arguments of the next base as `**kwargs`. A public
method lists all arguments in its own constructor and hands those of its bases on
(:func:`base_arguments`). Its docstring describes only its own arguments: the descriptions of all
others are taken from its bases (:func:`describe_arguments`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

_SECTION = re.compile(r"^(Arguments|Attributes|Example|Raises|References|Returns):\n", re.M)
_ENTRY = re.compile(r"^    (\w+): ", re.M)


def base_arguments(cls: type, given: Mapping[str, Any]) -> dict[str, Any]:
    r"""Returns the arguments of a constructor that are those of its bases, by name.

    Arguments:
        cls: The class whose constructor runs.
        given: The local variables of the constructor.
    """
    return {name: given[name] for name in base_parameters(cls) if name in given}


def base_parameters(cls: type) -> dict[str, inspect.Parameter]:
    r"""Returns the parameters of the constructors of a class's bases, by name.

    The parameter of the nearest base counts. Bases after the first one that takes no `**kwargs`
    are not reached by arguments.
    """
    found: dict[str, inspect.Parameter] = {}
    for one in cls.__mro__[1:]:
        if "__init__" not in vars(one):
            continue
        parameters = [*inspect.signature(one.__init__).parameters.values()][1:]
        kinds = {p.kind for p in parameters}
        for p in parameters:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                found.setdefault(p.name, p)
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return found


def describe_arguments(cls: type) -> None:
    r"""Adds the descriptions of arguments that the bases of a class document to its docstring.

    The arguments are in the order of the constructor. A class whose constructor takes `**kwargs`
    keeps its docstring.

    Arguments:
        cls: The class, in its `__init_subclass__`.
    """
    parameters = inspect.signature(cls.__init__).parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    if not cls.__dict__.get("__doc__") or inspect.Parameter.VAR_KEYWORD in kinds:
        return
    known = dict(entry for one in reversed(cls.__mro__) for entry in _entries(one))
    lines = [known[p.name] for p in parameters if p.name in known]
    doc = inspect.cleandoc(cls.__doc__) + "\n"
    section = "Arguments:\n" + "".join(lines)
    start, end = _bounds(doc)
    rest = doc[end:] and f"\n{doc[end:]}"
    cls.__doc__ = f"{doc[:start].rstrip()}\n\n{section}{rest}" if lines else cls.__doc__


def _bounds(doc: str) -> tuple[int, int]:
    r"""Returns where the section of arguments starts and ends; or where it belongs, twice."""
    sections = [*_SECTION.finditer(doc)]
    starts = [*(match.start() for match in sections), len(doc)]
    for i, match in enumerate(sections):
        if match[1] == "Arguments":
            return starts[i], starts[i + 1]
    return starts[0], starts[0]


def _entries(cls: type) -> Iterator[tuple[str, str]]:
    r"""Yields the name and the lines of each argument that the docstring of a class describes."""
    doc = inspect.cleandoc(cls.__dict__.get("__doc__") or "") + "\n"
    section = doc[slice(*_bounds(doc))].partition("\n")[2].rstrip() + "\n"
    starts = [match.start() for match in _ENTRY.finditer(section)]
    for start, end in pairwise([*starts, len(section)]):
        yield section[start:end].split(":")[0].strip(), section[start:end]
