"""Which names some statements bind in their own scope: what marimo calls the definitions of a cell."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def bound_names(statements: Iterable[ast.stmt]) -> list[tuple[str, int]]:
    """Each name that is bound with the line where it happens, in the order of the file.

    Assignments of every form, imports, definitions, loop and ``with`` targets, ``match`` captures. Not what
    happens inside functions, classes, lambdas, or to the loop variables of comprehensions.
    """
    found = []
    stack: list[ast.AST] = list(statements)
    while stack:
        node = stack.pop()
        place = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
        found += [(place, name) for name in _own_names(node)]
        stack += _same_scope(node)
    return [(name, place[0]) for place, name in sorted(found, key=lambda item: item[0])]


def public_names(statements: Iterable[ast.stmt]) -> frozenset[str]:
    """The bound names that other cells can see: all that do not begin with an underscore."""
    return frozenset(name for name, _ in bound_names(statements) if not name.startswith("_"))


def imported_name(alias: ast.alias) -> str:
    """The name that ``import a.b`` or ``import a as b`` binds."""
    return alias.asname or alias.name.partition(".")[0]


def _own_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, _Definition):
        yield node.name
    elif isinstance(node, ast.Import):
        yield from map(imported_name, node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names if alias.name != "*")
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The children of ``node`` that share its scope."""
    if isinstance(node, _Definition | ast.Lambda):
        return
    if isinstance(node, ast.comprehension):
        yield node.iter
        yield from node.ifs
    elif isinstance(node, ast.AnnAssign) and node.value is None:
        return
    else:
        yield from ast.iter_child_nodes(node)
