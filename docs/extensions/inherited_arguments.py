r"""Arguments that a class takes as `**kwargs`, written out for the Python reference.

The docstring of such a class describes its own arguments. A reader of its page finds those of its
bases there, too, as in `energy-gans explain`.
"""

import inspect
import re

from energy_gans.commands.class_sources import Argument, read_class

SECTION = re.compile(r"^Arguments:\n((?:    .*\n|\n)*)", re.M)
ENTRY = re.compile(r"^    (\w+): ((?:.*\n)(?:     .*\n|\n)*)", re.M)


def inherited(cls: type) -> list[Argument]:
    r"""Returns the arguments that a class takes as `**kwargs` and that its bases describe."""
    own = inspect.signature(cls).parameters
    if all(p.kind is not p.VAR_KEYWORD for p in own.values()):
        return []
    found = read_class(f"{cls.__module__}.{cls.__qualname__}").arguments
    return [one for one in found if one.name not in own]


def takes_more(cls: type) -> bool:
    r"""Returns whether arguments are handed on to a class of another package."""
    own = [one for one in cls.__mro__ if one.__module__.startswith("energy_gans")]
    last = [one for one in own if "__init__" in vars(one)][-1]
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(last).parameters.values())


def entries(cls: type) -> dict[str, str]:
    r"""Returns the arguments that the docstrings of a class and its bases describe, by name."""
    docs = [inspect.cleandoc(vars(one).get("__doc__") or "") for one in reversed(cls.__mro__)]
    sections = [found[1] for doc in docs if (found := SECTION.search(doc + "\n"))]
    return {name: about.rstrip() for text in sections for name, about in ENTRY.findall(text)}


def describe(cls: type, lines: list[str]) -> None:
    r"""Adds inherited arguments to the lines of a class's docstring."""
    known, own = entries(cls), inspect.signature(cls).parameters
    described = "\n".join(lines) + "\n\n"
    found = SECTION.search(described)
    given = dict(ENTRY.findall(found[1])) if found else {}
    text = "".join(f"    {n}: {known[n]}\n" for n in own if n in known and n != "kwargs")
    for one in inherited(cls):
        text += f"    {one.name} ({one.type}): {known.get(one.name, '')}\n"
    if "kwargs" in given and (takes_more(cls) or not inherited(cls)):
        text += f"    kwargs: {known['kwargs']}\n"
    if text and (inherited(cls) or not found):
        start, end = found.span() if found else (len(described), len(described))
        described = f"{described[:start]}Arguments:\n{text}\n{described[end:]}"
        lines[:] = described.split("\n")


def signature(cls: type) -> str | None:
    r"""Returns the signature of a class with inherited arguments; `None` if there are none."""
    more = inherited(cls)
    if not more:
        return None
    given = inspect.signature(cls).parameters.values()
    own = [p.replace(annotation=p.empty) for p in given if p.kind is not p.VAR_KEYWORD]
    text = str(inspect.Signature(own)).removesuffix(")")
    star = "" if any(p.kind is p.KEYWORD_ONLY for p in own) else ["*"]
    parts = [*star, *(f"{a.name}={a.default}" if a.default else a.name for a in more)]
    parts += ["**kwargs"] * takes_more(cls)
    return f"{text}{', ' if own else ''}{', '.join(parts)})"
