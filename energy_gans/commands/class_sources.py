r"""Classes as their source describes them: arguments with types, defaults and descriptions.

Importing a method imports torch and Lightning, which takes seconds. Reading its source takes none.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from .definitions import Definition, find_definition, order_of_resolution, statements_of

# The section of a docstring after its heading, and an argument in it.
_SECTION = r"^{}:\n((?:    .*\n|\n)*)"
_ENTRY = re.compile(r"^(\w+): ((?:.*\n)(?:    .*\n)*)", re.M)


class Argument(NamedTuple):
    r"""An argument of a constructor.

    Arguments:
        name: The name.
        type: The type, as the source writes it.
        default: The default, as the source writes it, or `None` for a required argument.
        about: The description.
    """

    name: str
    type: str
    default: str | None
    about: str

    def __str__(self) -> str:
        default = "" if self.default is None else f" = {self.default}"
        return f"{self.name}: {self.type}{default}"


class ClassSource(NamedTuple):
    r"""A class as its source describes it.

    Arguments:
        path: The path by which users name the class.
        about: The first sentence of its docstring.
        references: The references of the class and of its module.
        arguments: The arguments of its constructor, in their order.
    """

    path: str
    about: str
    references: list[str]
    arguments: list[Argument]

    @property
    def name(self) -> str:
        r"""The name without the module."""
        return self.path.rpartition(".")[2]


def read_class(path: str) -> ClassSource:
    r"""Returns a class as its source describes it, without an import of its module.

    Arguments:
        path: The path of the class, such as `energy_gans.methods.CoulombGAN`.

    Raises:
        LookupError: If there is no source of such a class.
    """
    module, _, name = path.rpartition(".")
    found = find_definition(module, name)
    if found is None or not isinstance(found.node, ast.ClassDef):
        raise LookupError(f"There is no class {path!r}.")
    docs = [ast.get_docstring(one.node) or "" for one in order_of_resolution(found)]
    known = {key: text for doc in reversed(docs) for key, text in _entries(doc)}
    arguments = [
        argument._replace(about=known.get(argument.name, "")) for argument in _arguments(found)
    ]
    of_module = ast.get_docstring(ast.Module(statements_of(found.module), [])) or ""
    references = [line for text in (docs[0], of_module) for line in _references(text)]
    return ClassSource(path, first_sentence(docs[0]), references, arguments)


def exported_names(module: str) -> list[str]:
    r"""Returns the classes that a module exports by `__all__`, in its order."""
    lists = (
        ast.literal_eval(node.value)
        for node in statements_of(module)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    found = {name: find_definition(module, name) for name in next(lists, [])}
    return [n for n, one in found.items() if one and isinstance(one.node, ast.ClassDef)]


def plain(text: str) -> str:
    r"""Returns a text of a docstring on one line, without markup."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"\1", " ".join(text.split())).replace(r"\mp", "-+")
    return re.sub(r"\\(?:text|math\w+)\{([^}]*)\}|\\(?=[\w|])|\\[,;]", r"\1", text)


# Docstrings


def _entries(doc: str) -> Iterator[tuple[str, str]]:
    r"""Yields the name and the description of each argument that a docstring describes."""
    for name, text in _ENTRY.findall(textwrap.dedent(_section(doc, "Arguments")) + "\n"):
        yield name, plain(text)


def _section(doc: str, name: str) -> str:
    r"""Returns the lines of a section of a docstring."""
    found = re.search(_SECTION.format(name), doc + "\n", re.M)
    return found[1] if found else ""


def _references(doc: str) -> list[str]:
    r"""Returns the references of a docstring, each on one line."""
    entry = re.compile(r"\S.*?(?:https?://\S+|\d{4}\)(?=\s*\n[A-Z]|\s*$))", re.DOTALL)
    return [plain(one) for one in entry.findall(textwrap.dedent(_section(doc, "References")))]


def first_sentence(text: str) -> str:
    r"""Returns the first sentence of a text; an abbreviation before a small letter ends none."""
    return re.split(r"(?<=\.)\s+(?=[A-Z`])", plain(text), maxsplit=1)[0]


# Arguments


def _arguments(found: Definition) -> list[Argument]:
    r"""Returns the arguments of a constructor, and those that it hands on as `**kwargs`."""
    arguments: dict[str, Argument] = {}
    positional, hidden = 0, set()
    for one in order_of_resolution(found):
        given, call, more = _own_arguments(one)
        if given is None:
            continue
        hidden |= {*[*given][:positional]}
        arguments |= {k: v for k, v in given.items() if k not in hidden | {*arguments}}
        if not more:
            break
        # What the class itself hands on is no argument of the user's.
        positional = 0 if call is None else len(call.args)
        hidden |= {k.arg for k in call.keywords if k.arg} if call else set()
    return [*arguments.values()]


def _own_arguments(
    found: Definition,
) -> tuple[dict[str, Argument] | None, ast.Call | None, bool]:
    r"""Returns the arguments of a class's own constructor, or `None` if it has none.

    Returns:
        The arguments by name; the call of the constructor of the next base, or `None`; and whether
        the constructor hands arguments on.
    """
    for node in found.node.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
            call = next((c for c in calls if ast.unparse(c.func) == "super().__init__"), None)
            return dict(_parameters(found.module, node.args)), call, node.args.kwarg is not None
    if any("dataclass" in ast.unparse(one) for one in found.node.decorator_list):
        fields = [n for n in found.node.body if isinstance(n, ast.AnnAssign)]
        described = (_argument(found.module, n.target.id, n.annotation, n.value) for n in fields)
        return {one.name: one for one in described}, None, False
    return None, None, False


def _parameters(module: str, args: ast.arguments) -> Iterator[tuple[str, Argument]]:
    r"""Yields the parameters of a constructor, without `self`, by name."""
    plain_args = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(plain_args) - len(args.defaults)) + [*args.defaults]
    pairs = [*zip(plain_args, defaults, strict=True)][1:]
    for one, default in [*pairs, *zip(args.kwonlyargs, args.kw_defaults, strict=True)]:
        yield one.arg, _argument(module, one.arg, one.annotation, default)


def _argument(
    module: str, name: str, annotation: ast.expr | None, default: ast.expr | None
) -> Argument:
    r"""Returns an argument from the expressions of its type and its default."""
    hint = "Any" if annotation is None else _type(module, annotation)
    return Argument(name, hint, None if default is None else _default(module, default), "")


def _type(module: str, annotation: ast.expr) -> str:
    r"""Returns a type with the values of literals, and with the names of classes alone."""
    text = ast.unparse(annotation)
    for name in {n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)}:
        found = find_definition(module, name)
        if found is not None and isinstance(found.node, ast.Assign):
            value = ast.unparse(found.node.value)
            if value.startswith("Literal["):
                text = re.sub(rf"\b{name}\b", value, text)
    text = re.sub(r"Literal\[([^\]]*)\]", lambda m: m[1].replace(", ", " | "), text)
    return re.sub(r"\b(?:nn|torch)\.|(?<=[a-z])Callable\b", "", text)


def _default(module: str, default: ast.expr) -> str:
    r"""Returns a default; constants are written out."""
    if isinstance(default, ast.Name):
        found = find_definition(module, default.id)
        if found is not None and isinstance(found.node, ast.Assign):
            return _default(found.module, found.node.value)
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "OptimizerSpec":
        path, arguments = map(ast.literal_eval, default.args)
        inner = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        return f"{path.rpartition('.')[2]}({inner})"
    return re.sub(r"\b(?:nn|torch)\.", "", ast.unparse(default))
