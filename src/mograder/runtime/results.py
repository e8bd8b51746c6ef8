"""The outcome of a check as a value that knows how to show itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mograder.runtime import host, page

Status: TypeAlias = Literal["warn", "success", "partial", "danger"]


@dataclass(frozen=True)
class Test:
    """One line of a check: did it pass, what it says, how much it counts."""

    __test__ = False  # not a test case for pytest

    ok: bool
    message: str
    weight: float = 1.0

    @property
    def sentence(self) -> str:
        """The message, and the weight where it is not the usual one."""
        return self.message if self.weight == 1 else f"{self.message} (weight {self.weight:g})"

    def __str__(self) -> str:
        return f"{'✓' if self.ok else '✗'} {self.sentence}"


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check. marimo shows it as a coloured box; ``str()`` gives plain text.

    ``marks`` is ``(earned, available)`` where they are to be shown.
    """

    label: str
    tests: tuple[Test, ...]
    marks: tuple[float, float] | None = None

    @property
    def status(self) -> Status:
        """``warn``: nothing to test yet; ``success``: all pass; ``danger``: none; ``partial``: some."""
        if not self.tests:
            return "warn"
        if self.passed == len(self.tests):
            return "success"
        return "partial" if self.passed else "danger"

    @property
    def passed(self) -> int:
        """How many tests pass."""
        return sum(test.ok for test in self.tests)

    @property
    def earned_weight(self) -> float:
        """Sum of the weights of the tests that pass."""
        return math.fsum(test.weight for test in self.tests if test.ok)

    @property
    def total_weight(self) -> float:
        """Sum of all weights; 0 while the check waits for code."""
        return math.fsum(test.weight for test in self.tests)

    @property
    def details(self) -> list[str]:
        """One line per test, with a tick or a cross."""
        return [str(test) for test in self.tests]

    @property
    def summary(self) -> str:
        """The outcome in a sentence or two."""
        marks = " {:g} of {:g} marks.".format(*self.marks) if self.marks else ""
        return _SENTENCES[self.status, len(self.tests) == 1].format(self.passed, len(self.tests)) + marks

    @property
    def text(self) -> str:
        """The box as HTML. Text is escaped: no message can bring in an element or a script."""
        listing = page.test_list([(test.ok, test.sentence) for test in self.tests])
        if self.status == "success":
            listing = page.folded("What was tested", listing)
        return page.box(self.status, self.label, self.summary, listing)

    def _mime_(self) -> tuple[str, str]:
        return "text/html", self.text

    def _repr_html_(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        # Like marimo's own objects: an f-string given to mo.md embeds the box.
        return self.text if host.in_notebook() else format(str(self), spec)

    def __str__(self) -> str:
        return "\n  ".join([f"{self.label}: {self.summary}", *self.details])


# By status and "there is just one test".
_SENTENCES: dict[tuple[Status, bool], str] = {
    ("warn", False): "Waiting for your code.",
    ("success", False): "All {1} tests pass.",
    ("success", True): "The test passes.",
    ("partial", False): "{0} of {1} tests pass.",
    ("danger", False): "None of the {1} tests pass yet.",
    ("danger", True): "The test does not pass yet.",
}
