"""How good the checks of an assignment are: what they let pass, and which mistakes they do not notice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from mograder.generate.plan import Plan
from mograder.notebook.checks import check_calls, machinery, marks, question
from mograder.notebook.mutants import Mutant, mutants
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.text import printable
from mograder.proving.judge import Checks, Finding, lecture_problems, release_problems, solution_problems
from mograder.proving.runs import Attempt, Outcome, Try
from mograder.validation.model import ValidationResult
from mograder.validation.sidecar import LABEL_LIMIT

#: A mutant may run for ever: it gets so many times the solution's seconds, and so many seconds besides.
PATIENCE, SLACK_S = 3.0, 10.0

#: A reference that needs more than this part of the time a validation has is slow.
SLOW = 0.5


@dataclass(frozen=True)
class Report:
    """What was found. ``seconds`` is of the solution and of the release; ``noticed`` counts for each check the
    mutants under which it did not pass. ``unnoticed`` are the mutants under which all checks passed: a mistake
    that the checks miss, or none."""

    item: str
    findings: tuple[Finding, ...]
    seconds: dict[str, float]
    mutants: int = 0
    noticed: tuple[tuple[str, int | None, int], ...] = ()
    unnoticed: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As ``mograder lint --json`` prints it."""
        return {
            "item": self.item,
            "seconds": {what: round(seconds, 2) for what, seconds in self.seconds.items()},
            "findings": [_json(finding) for finding in self.findings],
            "checks": [
                {"label": label, "line": line, "noticed": count} for label, line, count in self.noticed
            ],
            "mutants": self.mutants,
            "unnoticed": [_json(finding) for finding in self.unnoticed],
        }


def lint(plan: Plan, start: Try, *, limit: int = 20, timeout_s: float = 120.0) -> Report:
    """Run the solution of ``plan``, its release with nothing written, and at most ``limit`` mutants of the solution.

    The release has the hidden tests in it, as when it is marked. ``timeout_s`` is for each run, in seconds.
    Blocks until all have run. A lecture is run once.

    Raises:
        MograderError: the packages can not be had, or the like.
    """
    text = plan.item.notebook.read_text(encoding="utf-8-sig")
    source = parse_text(text, plan.item.notebook.name)
    files = {file.place: file.path for file in plan.files}
    attempt = partial(Attempt, plan.item.name, files=files, timeout_s=timeout_s)
    if plan.type == "lecture":
        lecture = start(attempt("the lecture", plan.notebook)).result()
        findings = lecture_problems(source, lecture.result)
        return Report(plan.item.name, tuple(findings), {"lecture": lecture.seconds})
    empty = start(attempt("the release with nothing written", plan.notebook, reference=source.text))
    solution = start(attempt("the solution", source.text)).result()
    patience = min(timeout_s, PATIENCE * solution.seconds + SLACK_S)
    tried = _start_mutants(source, start, partial(attempt, timeout_s=patience), limit)
    return _report(plan, source, solution, empty.result(), tried, timeout_s)


_Tried = list[tuple[Mutant, "Future[Outcome]"]]


def _start_mutants(source: Notebook, start: Try, attempt: partial[Attempt], limit: int) -> _Tried:
    made = mutants(source, limit)
    what = [f"mutant {number} of {len(made)}" for number in range(1, len(made) + 1)]
    return [(mutant, start(attempt(name, mutant.text))) for name, mutant in zip(what, made, strict=True)]


def _report(
    plan: Plan, source: Notebook, solution: Outcome, empty: Outcome, tried: _Tried, timeout_s: float
) -> Report:
    checks = Checks(source)
    passing = [check.label for check in solution.result.checks if check.status == "success"]
    results = [(mutant, _passing(future.result().result)) for mutant, future in tried]
    noticed = {label: sum(label not in passed for _, passed in results) for label in passing}
    findings = [
        *solution_problems(source, solution.result),
        *release_problems(source, empty.result),
        *_never_failing(checks, noticed, len(results)),
        *missing_marks(source, solution.result),
        *_slow(source, solution, timeout_s),
    ]
    unnoticed = [
        Finding(source.name, mutant.lineno, f"{mutant.what}: no check notices")
        for mutant, passed in results
        if passing and passed.issuperset(passing)
    ]
    return Report(
        plan.item.name,
        tuple(sorted(findings, key=lambda finding: finding.lineno or 0)),
        {"solution": solution.seconds, "release": empty.seconds},
        len(results),
        tuple((label, checks.line(label), count) for label, count in noticed.items()),
        tuple(unnoticed),
    )


def _passing(result: ValidationResult) -> set[str]:
    return {check.label for check in result.checks if check.status == "success"}


def _never_failing(checks: Checks, noticed: dict[str, int], count: int) -> Iterator[Finding]:
    for label, times in noticed.items():
        if checks.is_about_given_code(label):
            yield checks.finding(label, "can not fail: it uses nothing that students write")
        elif not times and count:
            yield checks.finding(label, f"never fails: it passes under all {count} mutants of the solution")


def missing_marks(source: Notebook, result: ValidationResult) -> Iterator[Finding]:
    """Questions that are checked and have no marks, and marks for what is not checked.

    Only marks that are written out where the grader is made are known.
    """
    names = machinery(source)
    given = marks(source.cells, names)
    if not given:
        if result.checks and not names.classes:
            yield Finding(source.name, None, "no check has marks: there is no Grader")
        return
    written = {
        printable(call.label, LABEL_LIMIT): call.lineno
        for cell in source.cells
        for call in check_calls(cell, names)
        if call.label is not None
    }
    labels = dict.fromkeys((*written, *(check.label for check in result.checks)))
    checked = {question(label): label for label in reversed(labels)}
    for key, label in checked.items():
        if key not in given:
            yield Finding(source.name, written.get(label), f'the question "{key}" has a check and no marks')
    for key, lineno in given.items():
        if key.strip() not in checked:
            yield Finding(source.name, lineno, f'the question "{key}" has marks and no check')


def _slow(source: Notebook, solution: Outcome, timeout_s: float) -> Iterator[Finding]:
    if solution.seconds > SLOW * timeout_s:
        yield Finding(
            source.name,
            None,
            f"the solution runs for {solution.seconds:.0f} s, and a run may take {timeout_s:g} s",
        )


def _json(finding: Finding) -> dict[str, Any]:
    return {"file": finding.file, "line": finding.lineno, "what": finding.what}
