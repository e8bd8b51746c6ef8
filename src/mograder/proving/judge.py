"""What a run says about the author's notebook: problems as sentences, each with its place in the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mograder.notebook.cells import UNNAMED, Cell
from mograder.notebook.checks import check_calls, machinery
from mograder.notebook.dependence import resting_on_solutions
from mograder.notebook.read import Notebook
from mograder.notebook.text import printable
from mograder.validation.model import CellError, CheckResult, ValidationResult
from mograder.validation.sidecar import LABEL_LIMIT


@dataclass(frozen=True)
class Finding:
    """``what`` is the matter, in line ``lineno`` of ``file`` (None: nowhere in particular)."""

    file: str
    lineno: int | None
    what: str

    def __str__(self) -> str:
        place = self.file if self.lineno is None else f"{self.file}:{self.lineno}"
        return f"{place}: {self.what}"


class Checks:
    """The checks of a source notebook, as far as their labels are written out in it."""

    def __init__(self, source: Notebook) -> None:
        self.source = source
        self._names = machinery(source)
        self._resting = resting_on_solutions(source)
        self._homes: dict[str, tuple[int, int]] = {}  # label -> line, number of the cell
        for number, cell in enumerate(source.cells):
            for call in check_calls(cell, self._names):
                if call.label is not None:
                    self._homes.setdefault(printable(call.label, LABEL_LIMIT), (call.lineno, number))

    def finding(self, label: str, what: str) -> Finding:
        """A finding about the check ``label``, which it names, with its line."""
        return Finding(self.source.name, self.line(label), f'the check "{label}" {what}')

    def line(self, label: str) -> int | None:
        """Where the check is; None if its label is made at run time."""
        return self._homes[label][0] if label in self._homes else None

    def is_about_given_code(self, label: str) -> bool:
        """Whether nothing that students write can change the outcome; False if that is not known."""
        return label in self._homes and self._homes[label][1] not in self._resting

    def labels_in(self, cell: Cell) -> list[str]:
        """The labels written out in ``cell``."""
        return [
            printable(call.label, LABEL_LIMIT)
            for call in check_calls(cell, self._names)
            if call.label is not None
        ]

    def silent(self, result: ValidationResult) -> Iterator[str]:
        """The first label of each cell whose checks said nothing at all."""
        said = {check.label for check in result.checks}
        for cell in self.source.cells:
            labels = self.labels_in(cell)
            if labels and not said.intersection(labels) and not cell.disabled:
                yield labels[0]


def solution_problems(source: Notebook, result: ValidationResult) -> list[Finding]:
    """Why the solution does not pass all its checks; nothing if it does."""
    checks = Checks(source)
    problems = [_raises(source, error, "the solution") for error in result.cell_errors]
    problems += [
        checks.finding(check.label, _does_not_pass(check))
        for check in result.checks
        if check.status != "success"
    ]
    if not result.export_ok:
        problems.append(Finding(source.name, None, f"the solution: {result.export_error}"))
    elif not result.cell_errors:
        problems += [
            checks.finding(label, "says nothing when the solution runs") for label in checks.silent(result)
        ]
    return problems


def release_problems(source: Notebook, result: ValidationResult) -> list[Finding]:
    """Why students could not start from the release, or would be told wrongly that they are done.

    ``source`` has the same cells as the release. A check of code that is given may pass.
    """
    checks = Checks(source)
    problems = [finding for error in result.cell_errors if (finding := _raising_check(checks, error))]
    problems += [
        checks.finding(check.label, "passes with nothing written")
        for check in result.checks
        if check.status == "success" and not checks.is_about_given_code(check.label)
    ]
    if not result.export_ok:
        problems.append(Finding(source.name, None, f"the release: {result.export_error}"))
    return problems


def release_notes(source: Notebook, result: ValidationResult) -> list[Finding]:
    """What students see at their start that the author may not expect: cells that raise, checks that are silent."""
    checks = Checks(source)
    others = [error for error in result.cell_errors if not _raising_check(checks, error)]
    notes = [_raises(source, error, "with nothing written, it") for error in others]
    if notes:
        notes += [
            checks.finding(label, "says nothing before something is written")
            for label in checks.silent(result)
            if not checks.is_about_given_code(label)
        ]
    return notes


def lecture_problems(source: Notebook, result: ValidationResult) -> list[Finding]:
    """Why a lecture does not run to its end."""
    problems = [_raises(source, error, "the lecture") for error in result.cell_errors]
    if not result.export_ok:
        problems.append(Finding(source.name, None, f"the lecture: {result.export_error}"))
    return problems


def _does_not_pass(check: CheckResult) -> str:
    if check.status == "warn":
        return "waits for code although the solution is there"
    failed = next((text for text in check.details if text.startswith("✗")), "")
    why = f" ({printable(failed.removeprefix('✗'), 200)})" if failed else ""
    return f"does not pass with the solution{why}"


def _raising_check(checks: Checks, error: CellError) -> Finding | None:
    """A finding if the cell that raised is one with checks."""
    cell = _cell(checks.source, error)
    labels = checks.labels_in(cell) if cell else []
    if not labels:
        return None
    return checks.finding(labels[0], f"raises with nothing written, in place of failing ({error.message})")


def _raises(source: Notebook, error: CellError, what: str) -> Finding:
    cell = _cell(source, error)
    name = f" in the cell {cell.name}" if cell and cell.name != UNNAMED else ""
    lineno = cell.first_line if cell else None
    return Finding(source.name, lineno, f"{what} raises {error.message}{name}")


def _cell(source: Notebook, error: CellError) -> Cell | None:
    known = error.number is not None and error.number < len(source.cells)
    return source.cells[error.number] if known and error.number is not None else None
