"""An assignment whose solution passes, and what goes wrong with it when it is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

from mograder.notebook.read import Notebook, parse_text
from mograder.proving.runs import Attempt, Outcome
from mograder.validation.model import CheckResult, Status, ValidationResult
from tests.validation.notebooks import FOOTER, HEADER, cell

SOLVED = "### BEGIN SOLUTION\nanswer = 6 * 7\n### END SOLUTION"
TESTED = "check('Q1: answer', [] if answer is ... else [(answer == 42, 'it is 42')])"
GIVEN = "check('Given', [(given == 1, 'it is there')])"


def source_text(solution: str = SOLVED, tests: str = TESTED, given: str = GIVEN) -> str:
    """The source: a grader's cell, what is given, a solution, its check, and a check of what is given."""
    cells = (
        cell("import mograder.runtime\nfrom mograder.runtime import check\ngiven = 1", gives="check, given"),
        cell(solution, gives="answer"),
        cell(tests, needs="answer, check"),
        cell(given, needs="check, given"),
    )
    return HEADER + "".join(cells) + FOOTER


def source(**changes: str) -> Notebook:
    """The same, parsed."""
    return parse_text(source_text(**changes), "A1.py")


def found(*checks: tuple[str, Status], **more: object) -> ValidationResult:
    """What a run found: labels with their status."""
    results = tuple(CheckResult(label, status, ("✗ it is 42",)) for label, status in checks)
    return ValidationResult(**{"checks": results, "export_ok": True, **more})  # type: ignore[arg-type]


PASSED = found(("Q1: answer", "success"), ("Given", "success"))
EMPTY = found(("Q1: answer", "warn"), ("Given", "success"))


def starter(results: Mapping[str, ValidationResult]) -> Callable[[Attempt], Future[Outcome]]:
    """Answers an attempt with the result for the first key that its ``what`` holds."""

    def start(attempt: Attempt) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        result = next(result for key, result in results.items() if key in attempt.what)
        future.set_result(Outcome(result, 1.5))
        return future

    return start
