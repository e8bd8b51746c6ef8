"""Where a class stands with an assignment: pure sums over everybody's tries."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from mograder.hub.store.classroom import Attempt
from mograder.hub.store.state import StoredResult

MOST_CHECKS = 100
MOST_CLUSTERS = 12
_LONGEST = 200
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class CheckStanding:
    """One check in a class. ``stuck`` are those who tried and have not passed, sorted.

    ``median_seconds`` is from the first copy of the assignment to the first pass, ``median_tries`` until that pass.
    """

    label: str
    tried: int
    passed: int
    median_seconds: float | None
    median_tries: float | None
    stuck: tuple[str, ...]


@dataclass(frozen=True)
class Cluster:
    """The same trouble in several notebooks: ``where`` is the check's label, or the cell's name."""

    where: str
    text: str
    students: tuple[str, ...]


def standings(attempts: Iterable[Attempt]) -> tuple[CheckStanding, ...]:
    """Each check, in the order in which the class came to them."""
    by_label: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_label[attempt.label].append(attempt)
    # A label that one student made up comes last, and far down the list not at all.
    order = sorted(by_label.items(), key=lambda pair: -len(pair[1]))[:MOST_CHECKS]
    return tuple(
        _standing(label, tries) for label, tries in sorted(order, key=lambda pair: _natural(pair[0]))
    )


def _standing(label: str, tries: Sequence[Attempt]) -> CheckStanding:
    passed = [a for a in tries if a.first_passed is not None]
    times = [a.first_passed - a.began for a in passed if a.first_passed and a.began is not None]
    return CheckStanding(
        label=label,
        tried=len(tries),
        passed=len(passed),
        median_seconds=median(times) if times else None,
        median_tries=median([a.tries for a in passed]) if passed else None,
        stuck=tuple(sorted(a.user for a in tries if a.first_passed is None)),
    )


def clusters(results: Iterable[tuple[str, StoredResult]]) -> tuple[Cluster, ...]:
    """What goes wrong now and for how many, the most frequent first; numbers in a message make no difference."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    shown: dict[tuple[str, str], tuple[str, str]] = {}
    for user, stored in results:
        for where, text in troubles(json.loads(stored.result)):
            key = (where, _NUMBERS.sub("#", text))
            found[key].add(user)
            shown.setdefault(key, (where, text))
    ranked = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:MOST_CLUSTERS]
    return tuple(Cluster(*shown[key], tuple(sorted(users))) for key, users in ranked)


def troubles(result: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """(where, what) of everything that is wrong in a validation's JSON."""
    for error in result.get("cell_errors") or ():
        yield "", str(error.get("message", ""))[:_LONGEST]
    for check in result.get("checks") or ():
        if check["status"] not in ("danger", "partial"):
            continue
        details = check["details"].splitlines() if isinstance(check["details"], str) else check["details"]
        for detail in details or ():
            if not str(detail).lstrip().startswith("✓"):
                yield str(check["label"])[:_LONGEST], str(detail).strip()[:_LONGEST]


def _natural(label: str) -> tuple[object, ...]:
    """Q2 before Q10."""
    parts = re.split(r"(\d{1,9})", label)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)
