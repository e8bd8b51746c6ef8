"""Testing a student's answer, line by line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from mograder.runtime import host, sidecar
from mograder.runtime.results import CheckResult, Test

#: ``(ok, message)`` or ``(ok, message, weight)``.
Item: TypeAlias = tuple[Any, str] | tuple[Any, str, float]

_MESSAGE_LIMIT = 2000  # characters: the repr of a large array must not fill the page or the report
# Control characters and text-direction overrides: they would act on a terminal that prints a report.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def check(label: str, checks: Iterable[Item]) -> CheckResult:
    """Test a student's answer and say, line by line, what holds and what does not.

    Args:
        label: names the check, for instance ``"Q1: mean speed"``.
        checks: the tests, in any iterable: ``(ok, message)`` or ``(ok, message, weight)``; the weight is 1 if
            it is left out. ``ok`` is anything with a truth value (also numpy's), or a function without
            parameters, which is called: then an exception is a failed test that says what happened.
            Nothing at all means that there is nothing to test yet: "waiting for your code".
            A generator that raises ends there, with one failed test; functions are the better choice.

    Returns:
        A result to leave as the last expression of the cell.

    Raises:
        TypeError: an entry of ``checks`` is not such a tuple.
        ValueError: a weight is negative or not a finite number.
        OSError: the sidecar can not be written (only where the environment asks for one).

    >>> answer = ...
    >>> result = check("Q2", [] if answer is ... else [(answer == 42, "the answer is 42")])
    Q2: Waiting for your code.
    >>> result = check("Q3", [(lambda: 1 / 0 > 1, "the ratio is above 1")])
    Q3: The test does not pass yet.
      ✗ the ratio is above 1 (ZeroDivisionError: division by zero)
    """
    return publish(evaluate(label, checks))


def evaluate(label: str, checks: Iterable[Item]) -> CheckResult:
    """Like `check`, without telling anybody."""
    return CheckResult(" ".join(_clean(str(label)).split()), tuple(_tests(label, iter(checks))))


def publish(result: CheckResult) -> CheckResult:
    """Write ``result`` to the sidecar, if one is asked for, and print it where nobody else shows it."""
    sidecar.record(result)
    if not host.in_notebook():
        print(result)
    return result


def finite(what: str, value: Any) -> float:
    """``value`` as a number that is finite and not negative; else ValueError, which starts with ``what``."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{what} is {value!r:.60}; it must be a finite number, 0 or more.")
    return number


def _tests(label: str, items: Iterator[Item]) -> Iterator[Test]:
    position = 0
    while True:
        position += 1
        try:
            item = next(items)
        except StopIteration:
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001  a generator runs the student's code
            yield Test(False, f"the check stopped here ({_named(error)})")
            return
        yield _test(f"check({label!r}): entry {position}", item)


def _test(where: str, item: Item) -> Test:
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        raise TypeError(
            f"{where} is {item!r:.60}; write (ok, message) or (ok, message, weight) in parentheses."
        )
    weight = finite(f"{where}: the weight", item[2] if len(item) == 3 else 1.0)
    ok, trouble = _truth(item[0])
    return Test(ok, _clean(str(item[1])) + (f" ({trouble})" if trouble else ""), weight)


def _truth(ok: Any) -> tuple[bool, str]:
    try:
        return bool(ok() if callable(ok) else ok), ""
    except (Exception, SystemExit) as error:  # noqa: BLE001  a failure of the student's code is a failed test
        return False, _named(error)


def _named(error: BaseException) -> str:
    text = _clean(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _clean(text: str) -> str:
    text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text).strip()
    return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 1] + "…"
