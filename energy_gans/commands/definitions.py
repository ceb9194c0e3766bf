r"""Definitions of classes and constants, found in source files without importing them."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Definition(NamedTuple):
    r"""A definition, and the module that holds it."""

    module: str
    node: ast.ClassDef | ast.Assign


@cache
def _file(module: str) -> Path | None:
    r"""Returns the source file of a module, or `None`; no package is imported for it."""
    top, *parts = module.split(".")
    spec = importlib.util.find_spec(top) if top else None
    if spec is None:
        return None
    folders = [Path(folder, *parts) for folder in spec.submodule_search_locations or ()]
    files = [f for place in folders for f in (place / "__init__.py", place.with_suffix(".py"))]
    return next(filter(Path.is_file, [*files, *([Path(spec.origin)] if not parts else [])]), None)


@cache
def statements_of(module: str) -> list[ast.stmt]:
    r"""Returns the statements of a module, with those of conditions; none if it has no source."""
    file = _file(module)
    if file is None or file.suffix != ".py":
        return []
    pending, found = [*ast.parse(file.read_text(encoding="utf-8")).body], []
    while pending:
        node = pending.pop(0)
        found.append(node)
        if isinstance(node, (ast.If, ast.Try)):
            pending += node.body
    return found


@cache
def find_definition(module: str, name: str) -> Definition | None:
    r"""Returns the definition of a name in a module, which may have imported it."""
    stars = []
    for node in statements_of(module):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return Definition(module, node)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return Definition(module, node)
        if isinstance(node, ast.ImportFrom):
            source = _absolute(node, module)
            if source == module:
                # A submodule, and no class.
                continue
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find_definition(source, alias.name)
            stars += [source] * any(alias.name == "*" for alias in node.names)
    return next((found for star in stars if (found := find_definition(star, name))), None)


def _absolute(node: ast.ImportFrom, module: str) -> str:
    r"""Returns the module that an import names, from a module that may import relatively."""
    if not node.level:
        return node.module or ""
    parts, file = module.split("."), _file(module)
    is_package = file is not None and file.stem == "__init__"
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def order_of_resolution(found: Definition) -> list[Definition]:
    r"""Returns a class and those of its bases that are in the same package, nearest first."""
    order, package = [found], found.module.partition(".")[0]
    for base in found.node.bases:
        one = find_definition(found.module, base.id) if isinstance(base, ast.Name) else None
        is_class = one is not None and isinstance(one.node, ast.ClassDef)
        if is_class and one.module.partition(".")[0] == package:
            order += order_of_resolution(one)
    # The last of equal ones counts.
    return [one for i, one in enumerate(order) if one not in order[i + 1 :]]
