"""A student's notebook with the release's own checks: what is run to validate it."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from mograder.notebook.alignment import Alignment, align
from mograder.notebook.bindings import imported_name, public_names
from mograder.notebook.cells import Cell
from mograder.notebook.checks import Machinery, check_calls, is_grading_cell, question, questions
from mograder.notebook.fingerprints import is_editable
from mograder.notebook.integrity import as_release, grading_names
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.text import Edit, Positions, apply_edits, split_lines


def with_release_checks(student: Notebook, release: Notebook) -> str:
    """A copy of ``student`` in which the check and marks cells are those of ``release`` (or of a source).

    A cell of the student's is never replaced: checks of the student's that would count are taken out of it one
    by one, as is what it defines in the place of a check or marks cell; all else in it stays. Then the
    release's cells that are not there as they should be are put in.
    """
    reference = as_release(release)  # cell for cell the same as `release`, which may have hidden tests
    names = grading_names(student, reference)
    alignment = align(student.cells, reference.cells, names, release.cells)
    grading = [
        index
        for index, cell in enumerate(reference.cells)
        if is_grading_cell(cell, names) and not is_editable(cell)
    ]
    protected = frozenset(name for index in grading for name in public_names(reference.cells[index].body))
    cleaned = _cleaned(student, reference, alignment, names, protected)
    return _with_cells(cleaned, release, alignment, grading)


def _cleaned(
    student: Notebook,
    reference: Notebook,
    alignment: Alignment,
    names: Machinery,
    protected: frozenset[str],
) -> Notebook:
    """``student`` without checks that would count and without ``protected`` names of its own.

    Every cell is still there, in its place.
    """
    known = questions(reference.cells, names)
    place = {theirs: ours for ours, theirs in alignment.changed.items()}
    positions = Positions(student.text)
    edits: list[Edit] = []
    for index, cell in enumerate(student.cells):
        if index in alignment.unaltered:
            continue
        allowed = (
            _labels_of_answer_cell(reference.cells[place[index]], names) if index in place else frozenset()
        )
        edits += (
            Edit(*positions.span(call.node), "(None)")
            for call in check_calls(cell, names)
            if call.label is None or (question(call.label) in known and call.label not in allowed)
        )
        edits += _unbinding(cell, protected, positions)
    return parse_text(apply_edits(student.text, edits), student.name)


def _labels_of_answer_cell(cell: Cell, names: Machinery) -> frozenset[str | None]:
    """The labels that the author put into a cell for the student's code."""
    return frozenset(call.label for call in check_calls(cell, names)) if is_editable(cell) else frozenset()


def _unbinding(cell: Cell, protected: frozenset[str], positions: Positions) -> Iterator[Edit]:
    """Edits that take the statements out of ``cell`` that bind nothing but protected names."""
    for node in _statements(cell):
        if isinstance(node, ast.Import | ast.ImportFrom):
            others = [alias for alias in node.names if imported_name(alias) not in protected]
            if len(others) < len(node.names):
                yield Edit(*positions.span(node), _import(node, others) if others else "pass")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name in protected:
                start = positions.span(node)[0]
                if node.decorator_list:
                    first = positions.span(node.decorator_list[0])[0]
                    start = positions.text.rindex("@", 0, first)
                # A cell that is a definition goes with its decorator; an empty one takes its place.
                left = "pass" if cell.kind in ("cell", "setup") else "@app.cell\ndef _():\n    return"
                yield Edit(start, positions.span(node)[1], left)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            bound = public_names([node])
            if bound and bound <= protected:
                yield Edit(*positions.span(node), "pass")


def _statements(cell: Cell) -> Iterator[ast.stmt]:
    """The statements of ``cell`` in its own scope, also those inside ``if``, ``try`` and the like."""
    stack: list[ast.AST] = list(cell.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            stack += ast.iter_child_nodes(node)


def _import(node: ast.Import | ast.ImportFrom, aliases: list[ast.alias]) -> str:
    names = ", ".join(alias.name + (f" as {alias.asname}" if alias.asname else "") for alias in aliases)
    if isinstance(node, ast.Import):
        return f"import {names}"
    return f"from {'.' * node.level}{node.module or ''} import {names}"


def _with_cells(student: Notebook, release: Notebook, alignment: Alignment, wanted: list[int]) -> str:
    """``student`` with the cells ``wanted`` of ``release``.

    In place of the student's copy if that is the same but for its form; else beside what stands there.
    """
    positions = Positions(student.text)
    edits = []
    for index in wanted:
        cell, theirs = release.cells[index], alignment.same.get(index)
        if theirs is not None and student.cells[theirs].code == cell.code:
            continue
        if cell.kind == "setup":
            edits.append(_setup(student, release, cell, positions))
        elif theirs is not None:
            edits.append(Edit(*_lines(student.cells[theirs], positions), _source(release, cell)))
        else:
            edits.append(_insertion(student, release, cell, alignment.changed.get(index), positions))
    return apply_edits(student.text, edits)


def _insertion(
    student: Notebook, release: Notebook, cell: Cell, beside: int | None, positions: Positions
) -> Edit:
    line = _line_after_cells(student) if beside is None else student.cells[beside].first_line
    at = positions.line_start(line)
    before = "" if positions.text[:at].endswith(("\n", "\r")) else "\n"
    return Edit(at, at, f"{before}\n{_source(release, cell)}\n\n")


def _setup(student: Notebook, release: Notebook, cell: Cell, positions: Positions) -> Edit:
    """marimo knows one setup cell, above all others: the release's, with what the student's has besides."""
    theirs = next((other for other in student.cells if other.kind == "setup"), None)
    if theirs is None:
        line = min((other.first_line for other in student.cells), default=_line_after_cells(student))
        at = positions.line_start(line)
        return Edit(at, at, f"{_source(release, cell)}\n\n")
    code = textwrap.indent(f"{cell.code}\n{theirs.code}", "    ")
    return Edit(*_lines(theirs, positions), f"with app.setup:\n{code}\n")


def _lines(cell: Cell, positions: Positions) -> tuple[int, int]:
    return positions.line_start(cell.first_line), positions.line_start(cell.last_line + 1)


def _line_after_cells(notebook: Notebook) -> int:
    call = notebook.app_call
    last = max((cell.last_line for cell in notebook.cells), default=call.end_lineno or call.lineno)
    return last + 1


def _source(notebook: Notebook, cell: Cell) -> str:
    return "".join(split_lines(notebook.text)[cell.first_line - 1 : cell.last_line]).rstrip() + "\n"
