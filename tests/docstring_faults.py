r"""What a docstring of a public name lacks: arguments, shapes, units, results and errors.

Ruff checks that everything has a docstring. Here is what it can not tell, because it needs types,
base classes, and what a function calls.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from energy_gans.commands.class_sources import read_class
from energy_gans.methods.bases.arguments import base_parameters

NAMES = ("Arguments", "Attributes", "Example", "Raises", "References", "Returns", "Yields")
SECTION = re.compile(rf"^({'|'.join(NAMES)})::?\n((?:    .*\n|\n)*)", re.M)
ENTRY = re.compile(r"^    (\w+): ((?:.*\n)(?:     .*\n|\n)*)", re.M)

# What says the shape of a tensor: a formula such as :math:`(B, *)`, or one of these words.
SHAPE = re.compile(r":math:`[^`]*\([^`]*\)|\bscalars?\b|\bshapes?\b")
# Numbers that are lengths have a unit.
LENGTH = re.compile(r"bandwidth|cut-off|distance|length|radius|softening|standard deviation", re.I)
NO_LENGTH = re.compile(r"(The|A) (factor|number|ratio|share|weight)", re.I)
UNIT = re.compile(r"\bunits?\b|pixels", re.I)
# What other numbers are: something that is counted, a position, or a quantity without a dimension.
KIND = re.compile(
    r"\b(coordinate|number|degree|dimension|height|line|resolution|row|seconds|shape|size|step|stride|width)s?\b"
    r"|\b(class|classes|epoch|index|indices|label|seed|time|value at)\b"
    r"|\b(decay|exponent|factor|level|mobility|power|probability|rate|ratio|share|slope|temperature"
    r"|tolerance|weights?)\b"
    r"|\b(above|at least|at most|below|in \[|in \(|in :math:`[\[(]|negative|positive|1 as)|[<>]"
    r"|(\b1|`None`), as\b|\bunits?\b|pixels|GiB|MB",
    re.I,
)


# What a docstring says


def sections(value: Any) -> dict[str, str]:
    r"""Returns the sections of an object's own docstring by their headings."""
    return dict(SECTION.findall(own_doc(value) + "\n\n"))


def own_doc(value: Any) -> str:
    doc = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    return inspect.cleandoc(doc or "")


def introduction(value: Any) -> str:
    r"""Returns the docstring up to its first section."""
    return SECTION.split(own_doc(value) + "\n\n")[0]


def bases(value: Any) -> list[Any]:
    r"""Returns a class and its bases of this package; or the function itself."""
    if not inspect.isclass(value):
        return [value]
    return [one for one in value.__mro__ if one.__module__.partition(".")[0] == "energy_gans"]


def described(value: Any) -> dict[str, str]:
    r"""Returns the descriptions of arguments; a class has those of its bases, too."""
    texts = [sections(one).get("Arguments", "") for one in reversed(bases(value) or [value])]
    return {name: " ".join(about.split()) for text in texts for name, about in ENTRY.findall(text)}


def parameters(value: Any) -> dict[str, inspect.Parameter]:
    r"""Returns the arguments of a function or a constructor, with those that it hands on."""
    function = value
    if inspect.isclass(value):
        # Fields of a named tuple are the parameters of `__new__`.
        named = hasattr(value, "_fields")
        function = value.__new__ if named else next(iter(constructors(value)), None)
    given = {} if function is None else inspect.signature(function).parameters
    own = {name: p for name, p in given.items() if name not in ("self", "cls", "_cls")}
    if inspect.isclass(value) and any(p.kind is p.VAR_KEYWORD for p in own.values()):
        names = {one.name for one in read_class(f"{value.__module__}.{value.__name__}").arguments}
        own |= {n: p for n, p in base_parameters(value).items() if n in names - {*own}}
    return own


def constructors(value: Any) -> list[Callable]:
    r"""Returns the constructors of a class and of its bases in this package."""
    return [vars(one)["__init__"] for one in bases(value) if "__init__" in vars(one)]


# What is wrong with it


def faults(value: Any) -> list[str]:
    r"""Returns what the docstring of a public function or class lacks, a sentence each."""
    found = [] if own_doc(value) else ["has no docstring"]
    results = [] if inspect.isclass(value) else result_faults(value)
    return [*found, *argument_faults(value), *results, *error_faults(value)]


def brief_faults(function: Callable) -> list[str]:
    r"""Returns what the docstring of a method lacks.

    It may name arguments in a sentence: then it gives a shape if there are tensors, or a link.
    """
    found = [*result_faults(function), *error_faults(function)]
    if "Arguments" in sections(function):
        return [*argument_faults(function), *found]
    tensors = [p for p in parameters(function).values() if re.search(r"\bTensor\b", str(p))]
    says = re.compile(rf"{SHAPE.pattern}|:(meth|func|class):")
    if tensors and not says.search(own_doc(function)):
        found += [f"gives no shape of {', '.join(p.name for p in tensors)}"]
    return found


def argument_faults(value: Any) -> Iterator[str]:
    known, abouts = parameters(value), described(value)
    for name, parameter in known.items():
        about, hint = abouts.get(name), str(parameter.annotation)
        if about is None:
            yield f"does not describe {name!r}"
        elif re.search(r"\bTensor\b", hint) and "Callable" not in hint and not SHAPE.search(about):
            yield f"gives no shape of {name!r}: {about}"
        elif re.search(r"\b(int|float)\b", hint) and not says_unit(about):
            yield f"gives no unit, range or kind of {name!r}: {about}"
    own = ENTRY.findall(sections(value).get("Arguments", ""))
    yield from (f"describes {name!r}, no argument" for name, _ in own if name not in known)


def says_unit(about: str) -> bool:
    is_length = LENGTH.search(about) and not NO_LENGTH.match(about)
    return bool((UNIT if is_length else KIND).search(about))


def result_faults(function: Callable) -> Iterator[str]:
    hint = str(inspect.signature(function).return_annotation)
    parts, text = sections(function), introduction(function)
    about = parts.get("Returns", "") + parts.get("Yields", "")
    if hint in ("None", "NoReturn", "Iterator[None]"):
        return
    if not about and not re.match("Returns|Yields", text):
        yield "does not say what it returns"
    elif "Tensor" in hint and "Callable" not in hint and not SHAPE.search(about + text):
        yield f"gives no shape of its result: {text} {about}"


def error_faults(value: Any) -> Iterator[str]:
    for one in bases(value):
        constructor = vars(one).get("__init__") or vars(one).get("__post_init__")
        function = constructor if inspect.isclass(one) else one
        said = any(
            "Raises" in sections(o) or own_doc(o).startswith("Raises") for o in (one, value)
        )
        if inspect.isfunction(function) and not said and (error := raised(function)):
            yield f"has no section Raises, although {one.__name__} calls {error}"


def raised(function: Callable, seen: frozenset[str] = frozenset()) -> str:
    r"""Returns an error that a function raises, or a check that it calls; `""` if there is none.

    Private functions of its module count as its own.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except OSError:  # The constructor of a dataclass has no source.
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc and "NotImplemented" not in ast.unparse(node):
            return ast.unparse(node.exc).partition("(")[0]
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if re.match(r"_?check_", called):
            return called
        if called.startswith("_") and called not in seen:
            helper = inspect.unwrap(function).__globals__.get(called)
            if inspect.isfunction(helper) and (error := raised(helper, seen | {called})):
                return error
    return ""
