r"""Arguments that a class takes as `**kwargs`, written out for the Python reference.

The docstring of such a class describes its own arguments. A reader of its page finds those of its
bases there, too, as in `energy-gans explain`.
"""

import inspect
import re

from sphinx.util.inspect import stringify_signature

from energy_gans.commands.class_sources import Argument, read_class

SECTION = re.compile(r"^Arguments:\n((?:    .*\n|\n)*)", re.M)
ENTRY = re.compile(r"^    (\w+): ((?:.*\n)(?:     .*\n|\n)*)", re.M)


def own_parameters(cls: type) -> dict[str, inspect.Parameter]:
    r"""Returns the parameters of a class's constructor."""
    # Fields of a named tuple are the parameters of `__new__`; other `__new__` hand on all.
    constructor = cls.__new__ if hasattr(cls, "_fields") else cls.__init__
    return dict([*inspect.signature(constructor).parameters.items()][1:])


def inherited(cls: type) -> list[Argument]:
    r"""Returns the arguments that a class takes as `**kwargs` and that its bases describe."""
    own = own_parameters(cls)
    if all(p.kind is not p.VAR_KEYWORD for p in own.values()):
        return []
    found = read_class(f"{cls.__module__}.{cls.__qualname__}").arguments
    return [one for one in found if one.name not in own]


def constructors(cls: type) -> list[type]:
    r"""Returns the class and its bases in this package that have a constructor."""
    own = [one for one in cls.__mro__ if one.__module__.startswith("energy_gans")]
    return [one for one in own if "__init__" in vars(one) or hasattr(one, "_fields")]


def hands_on(cls: type) -> bool:
    r"""Returns whether arguments are handed on to a class of another package."""
    handed = [own_parameters(one).values() for one in (cls, constructors(cls)[-1])]
    return all(any(p.kind is p.VAR_KEYWORD for p in known) for known in handed)


def entries(cls: type) -> dict[str, str]:
    r"""Returns the arguments that the docstrings of a class and its bases describe, by name."""
    docs = [inspect.cleandoc(vars(one).get("__doc__") or "") for one in reversed(cls.__mro__)]
    sections = [found[1] for doc in docs if (found := SECTION.search(doc + "\n"))]
    return {name: about.rstrip() for text in sections for name, about in ENTRY.findall(text)}


def describe(cls: type, lines: list[str]) -> None:
    r"""Adds inherited arguments to the lines of a class's docstring."""
    if not constructors(cls):
        return
    known, own, more = entries(cls), own_parameters(cls), inherited(cls)
    names = [n for n in own if n in known and (n != "kwargs" or not more or hands_on(cls))]
    text = "".join(f"    {name}: {known[name]}\n" for name in names)
    text += "".join(f"    {one.name} ({one.type}): {known.get(one.name, '')}\n" for one in more)
    doc = "\n".join(lines) + "\n\n"
    found = SECTION.search(doc)
    if found is None or more:
        start, end = found.span() if found else (len(doc), len(doc))
        lines[:] = f"{doc[:start]}Arguments:\n{text}\n{doc[end:]}".split("\n") if text else lines


class _Name(str):
    r"""A default that the signature shows by its name."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def shown(parameter: inspect.Parameter) -> inspect.Parameter:
    r"""Returns a parameter without its type, whose default is shown by its name if a class."""
    default = parameter.default
    if inspect.isclass(default) and default is not parameter.empty:
        default = _Name(default.__name__)
    return parameter.replace(annotation=parameter.empty, default=default)


def signature(cls: type) -> str:
    r"""Returns the signature of a class with inherited arguments."""
    given = own_parameters(cls).values()
    own = [shown(p) for p in given if p.kind is not p.VAR_KEYWORD]
    more = [f"{one.name}={one.default}" if one.default else one.name for one in inherited(cls)]
    if more and all(p.kind is not p.KEYWORD_ONLY for p in own):
        more.insert(0, "*")
    if hands_on(cls):
        more.append("**kwargs")
    parts = [stringify_signature(inspect.Signature(own))[1:-1]] * bool(own)
    return f"({', '.join([*parts, *more])})"
