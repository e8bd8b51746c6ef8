"""Results of checks from the sidecar, a file that student code can write whatever it likes to."""

from __future__ import annotations

import json
import math
from typing import Any

from mograder.notebook.text import printable
from mograder.sentences import Sentence
from mograder.validation.model import STATUSES, CheckResult

#: The most that is read of one sidecar, of one line, and of what a line says; all in bytes or characters.
FILE_LIMIT = 4_000_000
LINE_LIMIT = 1_000_000
LABEL_LIMIT = 200
DETAIL_LIMIT = 2_000
#: The most checks that are kept, and lines of detail of each.
CHECKS_LIMIT = 500
DETAILS_LIMIT = 200


class Sidecar:
    """The results so far. Feed it the file's bytes as they come, in pieces of any size."""

    def __init__(self) -> None:
        self._checks: dict[str, CheckResult] = {}
        self._repeated: dict[str, int] = {}
        self._rest = b""
        self._read = 0
        self._bad_lines = 0
        self._too_many = False

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """One result for each label, in the order in which they first came; the last one of a label counts."""
        return tuple(self._checks.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was odd."""
        notes: list[str] = [
            Sentence(
                'The check "{label}" reported {times} results; the last one counts.', label=label, times=times
            )
            for label, times in self._repeated.items()
        ]
        if self._bad_lines or self._rest:
            count = self._bad_lines + bool(self._rest)
            notes.append(
                Sentence("1 line among the results could not be read.")
                if count == 1
                else Sentence("{count} lines among the results could not be read.", count=count)
            )
        if self._too_many:
            notes.append(Sentence("There are more results than are read; the rest was left out."))
        return tuple(notes)

    @property
    def is_full(self) -> bool:
        """Whether nothing more will be read."""
        return self._too_many

    def feed(self, data: bytes) -> list[CheckResult]:
        """Take the next bytes of the file; the results that they complete."""
        if self._read + len(data) > FILE_LIMIT:
            self._too_many = True
            data = data[: FILE_LIMIT - self._read]
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [check for line in lines if line.strip() and (check := self._take(line))]

    def _take(self, line: bytes) -> CheckResult | None:
        check = _parse(line)
        if check is None:
            self._bad_lines += 1
        elif check.label in self._checks:
            self._repeated[check.label] = self._repeated.get(check.label, 1) + 1
            self._checks[check.label] = check
        elif len(self._checks) >= CHECKS_LIMIT:
            self._too_many = True
            check = None
        else:
            self._checks[check.label] = check
        return check


def _parse(line: bytes) -> CheckResult | None:
    if len(line) > LINE_LIMIT:
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    label, details = said.get("label"), said.get("details", [])
    status = next((known for known in STATUSES if known == said.get("status")), None)
    if not isinstance(label, str) or status is None:
        return None
    if isinstance(details, str):
        details = [details]
    if not isinstance(details, list):
        return None
    return CheckResult(
        label=printable(label, LABEL_LIMIT),
        status=status,
        details=tuple(printable(str(text), DETAIL_LIMIT) for text in details[:DETAILS_LIMIT]),
        earned_weight=_weight(said.get("earned_weight")),
        total_weight=_weight(said.get("total_weight")),
    )


def _weight(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        number = float(value)
    except OverflowError:
        return 0.0
    return number if math.isfinite(number) and number >= 0 else 0.0
