"""The words of the pages: states, results, times and sizes as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

STATES = {
    "not_started": "Not started",
    "uploaded": "In progress",
    "modified": "In progress",
    "changed": "Changed since export",
    "exported": "Exported",
}

VERDICTS = {"success": "PASS", "partial": "PARTIAL", "danger": "FAIL", "warn": "WAITING"}

KINDS = {"edit": "Editor", "run": "Lecture"}

STEPS = {"waiting": "to do", "running": "under way", "done": "done", "failed": "failed"}

REASONS = {
    "download": "Replaced by the published version",
    "reset": "Replaced by a reset",
    "upload": "Replaced by an upload",
    "restore": "Replaced by an older version",
    "update": "Replaced by an update",
    "save": "Saved in the editor",
    "delete": "Deleted",
    "export": "Exported",
}

CHANGES = {
    "changed": "changed",
    "added": "added",
    "removed": "removed",
    "moved": "moved",
    "same": "the same",
}
"""What became of a cell from one version to another."""

PROBLEMS = {
    400: "This can not be used",
    401: "Please sign in",
    403: "This is not yours to open",
    404: "There is nothing here",
    409: "Not possible right now",
    413: "This is too large",
    422: "This makes no sense to the hub",
    500: "Something broke",
    503: "The hub is busy",
}


def state(file_status: str, exported_before: bool) -> str:
    """The key of `STATES` for the contract's ``file_status``. Raises KeyError for one that is not known."""
    key = "changed" if file_status == "modified" and exported_before else file_status
    STATES[key]  # an unknown status must not become an empty cell
    return key


def reason(word: str) -> str:
    """Why a version was kept; a reason that is not known is shown as it is."""
    return REASONS.get(word, word.capitalize())


def problem_title(status: int) -> str:
    """A heading for an HTTP status."""
    return PROBLEMS.get(status, PROBLEMS[500] if status >= 500 else PROBLEMS[400])


def span(length: timedelta) -> str:
    """A length of time, never longer than it is: ``3 days``, ``1 hour``, ``under a minute``."""
    seconds = int(length.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return _count(seconds // size, unit)
    return "under a minute"


def lasting(seconds: float) -> str:
    """A length of time in seconds, as `span` says it."""
    return span(timedelta(seconds=max(0.0, seconds)))


def time_left(due: datetime, now: datetime) -> str:
    """How far ``due`` is: ``in 3 days`` or ``2 hours ago``."""
    return f"in {span(due - now)}" if due > now else f"{span(now - due)} ago"


def ago(then: datetime, now: datetime) -> str:
    """How long ago ``then`` was; a clock that runs ahead gives ``just now``."""
    return "just now" if now - then < timedelta(minutes=1) else f"{span(now - then)} ago"


def wait(seconds: float) -> str:
    """An estimate of a wait, rounded up: ``about 2 minutes``."""
    return "under a minute" if seconds < 60 else f"about {_count(-int(-seconds // 60), 'minute')}"


def size(octets: int) -> str:
    """A file's size in decimal units: ``812 bytes``, ``12.3 kB``."""
    if octets < 1000:
        return _count(octets, "byte")
    for unit, power in (("kB", 1e3), ("MB", 1e6)):
        if octets < power * 999.95:
            return f"{octets / power:.1f} {unit}"
    return f"{octets / 1e9:.1f} GB"


def day(when: datetime) -> str:
    """A date and time in its own zone: ``Fri 27 Nov 2026, 23:59 GMT``."""
    return f"{when:%a} {when.day} {when:%b %Y, %H:%M} {when:%Z}".rstrip()


def moment(when: datetime) -> str:
    """``when`` for machines, to the minute: ``2026-11-27T23:59Z``."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def outcome(passed: int, total: int) -> str:
    """The heading of a validation: ``3 of 5 checks pass``."""
    if total == 0:
        return "This notebook has no checks"
    return f"{passed} of {_count(total, 'check')} {'passes' if total == 1 else 'pass'}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
