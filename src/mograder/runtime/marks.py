"""Checks that are worth marks."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mograder.runtime import host, page
from mograder.runtime.checks import Item, evaluate, finite, publish
from mograder.runtime.results import CheckResult


class Grader:
    """Checks that are worth marks.

    The marks of a check are found by its label up to the first colon; several checks may share a key, and a
    check without a key is not worth anything.

    Args:
        marks: marks available for each key.
        hidden_tests: whether more tests run when the work is marked; then no marks are shown, as they would
            not be the final ones. Left out, the header of the running notebook decides
            (``mograder-hidden-tests = true``).

    Raises:
        ValueError: marks that are negative or not a finite number.

    >>> grader = Grader({"Q1": 10, "Q2": 5})
    >>> result = grader.check("Q1: area", [(True, "the unit is right"), (False, "the value is right", 2)])
    Q1: area: 1 of 2 tests pass. 3.3 of 10 marks.
      ✓ the unit is right
      ✗ the value is right (weight 2)
    >>> dict(grader.scores())
    {'Q1': 3.3, 'Q2': 0.0}
    """

    def __init__(self, marks: Mapping[str, float], *, hidden_tests: bool | None = None) -> None:
        self._marks = {str(key).strip(): finite(f"marks[{key!r}]", value) for key, value in marks.items()}
        self._results: dict[str, CheckResult] = {}
        if hidden_tests is None:
            hidden_tests = host.has_hidden_tests(sys._getframe(1).f_globals.get("__file__"))
        self._hidden = hidden_tests

    def check(self, label: str, checks: Iterable[Item]) -> CheckResult:
        """Like the function `check`; the outcome is kept for `scores`, in place of an earlier one."""
        result = evaluate(label, checks)
        available = self._marks.get(_key(result.label))
        if available is not None and result.tests and not self._hidden:
            result = replace(result, marks=(_earned(available, [result]), available))
        self._results[result.label] = result
        return publish(result)

    def scores(self, *results: CheckResult) -> Scores:
        """Marks by key, shown as a table.

        Args:
            results: ignored, but naming the results of the check cells here tells marimo to run this cell
                again whenever one of them changes: ``grader.scores(q1, q2)``.
        """
        by_key: dict[str, list[CheckResult]] = {key: [] for key in self._marks}
        for result in self._results.values():
            by_key.setdefault(_key(result.label), []).append(result)
        rows = [Row(key, tuple(found), self._marks.get(key)) for key, found in by_key.items()]
        return Scores(rows, hidden=self._hidden)


@dataclass(frozen=True)
class Row:
    """One key with the results of its checks; ``available`` is None where no marks are set."""

    key: str
    results: tuple[CheckResult, ...]
    available: float | None

    @property
    def earned(self) -> float:
        """Marks earned, to one decimal place."""
        return _earned(self.available or 0.0, self.results)

    @property
    def marks(self) -> str:
        """``earned of available``, or a dash."""
        return "–" if self.available is None else f"{self.earned:g} of {self.available:g}"

    @property
    def state(self) -> str:
        """Where the student stands, in words."""
        statuses = {result.status for result in self.results}
        if statuses <= {"warn"}:
            return "waiting for your code"
        return "all tests pass" if statuses == {"success"} else "not all tests pass yet"


class Scores(Mapping[str, float]):
    """Marks earned by key. Shown as a table; with hidden tests, the state of each question without marks."""

    def __init__(self, rows: Iterable[Row], *, hidden: bool) -> None:
        self._rows = tuple(rows)
        self._hidden = hidden

    def __getitem__(self, key: str) -> float:
        return {row.key: row.earned for row in self._rows if row.available is not None}[key]

    def __iter__(self) -> Iterator[str]:
        return (row.key for row in self._rows if row.available is not None)

    def __len__(self) -> int:
        return sum(row.available is not None for row in self._rows)

    @property
    def earned(self) -> float:
        """Sum of the marks earned."""
        return round(math.fsum(self.values()), 1)

    @property
    def available(self) -> float:
        """Sum of the marks available."""
        return math.fsum(row.available or 0.0 for row in self._rows)

    @property
    def lines(self) -> list[list[str]]:
        """The table without its head, as text."""
        if self._hidden:
            return [[row.key, row.state] for row in self._rows]
        total = ["Total", "", f"{self.earned:g} of {self.available:g}"]
        return [*([row.key, row.state, row.marks] for row in self._rows), total]

    @property
    def note(self) -> str:
        """What else there is to say; empty if nothing."""
        return "More tests run when your work is marked; the marks are shown then." if self._hidden else ""

    @property
    def text(self) -> str:
        """The table as HTML."""
        heads = ["Question", "State"] if self._hidden else ["Question", "State", "Marks"]
        return page.table(heads, self.lines, self.note)

    def _mime_(self) -> tuple[str, str]:
        return "text/html", self.text

    def _repr_html_(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        return self.text if host.in_notebook() else format(str(self), spec)

    def __repr__(self) -> str:
        return "\n".join(["  ".join(filter(None, cells)) for cells in self.lines] + [self.note]).rstrip()


def _key(label: str) -> str:
    return label.partition(":")[0].strip()


def _earned(available: float, results: Iterable[CheckResult]) -> float:
    # A check that still waits has no weights: it counts like one failed test, or the others would give all.
    pairs = [(result.earned_weight, result.total_weight if result.tests else 1.0) for result in results]
    earned, total = math.fsum(pair[0] for pair in pairs), math.fsum(pair[1] for pair in pairs)
    return round(available * earned / total, 1) if total else 0.0
