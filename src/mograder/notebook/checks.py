"""Where a notebook reports results: its checks, its grader, and anything else that reaches into them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mograder.notebook.bindings import imported_name
from mograder.notebook.cells import Cell
from mograder.notebook.markers import MARKS, has_line
from mograder.notebook.read import Notebook

_PACKAGE = "mograder"
_PUBLIC = frozenset({"check", "Grader", "hint", "scores", "runtime"})
_SIDECAR = "MOGRADER_SIDECAR"
# Positions inside an f-string are not exact before Python 3.12: the whole string stands for what is in it.
_TEMPLATES: tuple[type[ast.AST], ...] = tuple(
    getattr(ast, name) for name in ("JoinedStr", "TemplateStr") if hasattr(ast, name)
)


@dataclass(frozen=True)
class Machinery:
    """The names through which a notebook reports: ``check`` itself, grader objects, modules, the class."""

    checks: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.checks | self.owners | self.classes

    def __or__(self, other: Machinery) -> Machinery:
        return Machinery(self.checks | other.checks, self.owners | other.owners, self.classes | other.classes)


@dataclass(frozen=True)
class CheckCall:
    """One call that reports a result. ``label`` is None if it is made at run time.

    ``node`` is what to replace to be rid of it: the call, or the f-string that it is in.
    """

    label: str | None
    lineno: int
    node: ast.expr = field(compare=False, repr=False)


def question(label: str) -> str:
    """The part of a label that marks belong to: up to the first colon."""
    return label.partition(":")[0].strip()


def machinery(notebook: Notebook) -> Machinery:
    """The names by which ``notebook`` knows what it imports from `mograder.runtime`."""
    nodes = [node for cell in notebook.cells for top in cell.body for node in ast.walk(top)]
    imports = [
        (alias, node)
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    taken = [
        (alias.name, imported_name(alias))
        for alias, node in imports
        if isinstance(node, ast.ImportFrom) and _is_ours(node.module)
    ]
    modules = {
        imported_name(alias)
        for alias, node in imports
        if isinstance(node, ast.Import) and _is_ours(alias.name)
    }
    classes = {name for original, name in taken if original == "Grader"}
    graders = {name for node in nodes for name in _bound_to_grader(node, classes)}
    return Machinery(
        checks=frozenset(name for original, name in taken if original == "check"),
        owners=frozenset(modules | graders | {name for original, name in taken if original == "runtime"}),
        classes=frozenset(classes),
    )


def check_calls(cell: Cell, names: Machinery) -> list[CheckCall]:
    """The calls in ``cell`` that report a result."""
    return sorted(_calls(cell.body, names), key=lambda call: call.lineno)


def questions(cells: Iterable[Cell], names: Machinery) -> frozenset[str]:
    """Every question that ``cells`` have a check or marks for."""
    cells = tuple(cells)
    labels = [call.label for cell in cells for call in check_calls(cell, names)]
    return frozenset(question(label) for label in [*labels, *marks(cells, names)] if label is not None)


def marks(cells: Iterable[Cell], names: Machinery) -> dict[str, int]:
    """The questions that a grader is given marks for where it is made, each with its line."""
    nodes = (node for cell in cells for top in cell.body for node in ast.walk(top))
    return {
        key.value: key.lineno
        for node in nodes
        if isinstance(node, ast.Call) and _is_grader_class(node.func, names.classes)
        for argument in [*node.args, *(word.value for word in node.keywords)]
        if isinstance(argument, ast.Dict)
        for key in argument.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def is_grading_cell(cell: Cell, names: Machinery) -> bool:
    """Whether ``cell`` checks, holds the marks, or imports what does."""
    if has_line(cell.code, MARKS) or check_calls(cell, names):
        return True
    nodes = [node for top in cell.body for node in ast.walk(top)]
    return any(
        _imports_runtime(node) or any(True for _ in _bound_to_grader(node, names.classes)) for node in nodes
    )


def tampering_lines(cell: Cell, names: Machinery) -> list[int]:
    """Lines of ``cell`` that use a check or grader otherwise than by calling it, or name the results file."""
    used = {
        id(part)
        for top in cell.body
        for node in ast.walk(top)
        for part in _proper_use(node)
    }  # fmt: skip
    lines = set()
    for node in (node for top in cell.body for node in ast.walk(top)):
        if isinstance(node, ast.Name) and node.id in names.names and isinstance(node.ctx, ast.Load):
            if id(node) not in used:
                lines.add(node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _SIDECAR in node.value:
            lines.add(node.lineno)
    return sorted(lines)


def _calls(body: Iterable[ast.stmt], names: Machinery) -> Iterator[CheckCall]:
    stack: list[tuple[ast.AST, ast.expr | None]] = [(node, None) for node in body]
    while stack:
        node, template = stack.pop()
        if template is None and isinstance(node, _TEMPLATES):
            assert isinstance(node, ast.expr)
            template = node
        if isinstance(node, ast.Call) and _is_check(node.func, names):
            yield CheckCall(_label(node), node.lineno, template or node)
        stack += [(child, template) for child in ast.iter_child_nodes(node)]


def _is_check(function: ast.expr, names: Machinery) -> bool:
    if isinstance(function, ast.Name):
        return function.id in names.checks
    if not isinstance(function, ast.Attribute) or function.attr != "check":
        return False
    owner = function.value
    while isinstance(owner, ast.Attribute | ast.Call):  # mograder.runtime.check, Grader({…}).check
        owner = owner.value if isinstance(owner, ast.Attribute) else owner.func
    return isinstance(owner, ast.Name) and owner.id in names.owners | names.classes


def _label(call: ast.Call) -> str | None:
    given = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "label")]
    first = given[0] if given else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _imports_runtime(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return _is_ours(node.module)
    return isinstance(node, ast.Import) and any(_is_ours(alias.name) for alias in node.names)


def _is_ours(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] == _PACKAGE


def _bound_to_grader(node: ast.AST, classes: Iterable[str]) -> Iterator[str]:
    """The names that the assignment ``node`` gives to a new grader."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and isinstance(node.value, ast.Call):
        if not _is_grader_class(node.value.func, classes):
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _is_grader_class(function: ast.expr, classes: Iterable[str]) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr == "Grader"
    return isinstance(function, ast.Name) and function.id in classes


def _proper_use(node: ast.AST) -> Iterator[ast.expr]:
    """The part of ``node`` in which a name of the machinery is at its place."""
    if isinstance(node, ast.Call):
        yield node.func
    elif isinstance(node, ast.Attribute) and node.attr in _PUBLIC and isinstance(node.ctx, ast.Load):
        yield node.value
