"""Regular expressions that a session was seen to use are compiled before the fork."""

from __future__ import annotations

import re

from mograder.marimo_adapter import patterns


def test_what_was_used_is_told_and_can_be_remembered_elsewhere() -> None:
    re.purge()
    text, data = re.compile(r"a{3}(b)", re.IGNORECASE), re.compile(rb"\xff+")
    told = patterns.used()
    assert ("str", r"a{3}(b)", int(re.IGNORECASE)) in told
    re.purge()
    patterns.remember(told)
    assert re.compile(r"a{3}(b)", re.IGNORECASE) == text
    assert re.compile(rb"\xff+") == data
    assert set(told) <= set(patterns.used())


def test_more_are_remembered_than_re_would() -> None:
    re.purge()
    many: list[patterns.Pattern] = [("str", f"x{number}", 0) for number in range(1000)]
    patterns.remember(many)
    assert set(many) <= set(patterns.used())
    re.purge()


def test_what_is_no_pattern_is_left_out() -> None:
    re.purge()
    patterns.remember([("str", "(", 0), ("str", "a", 1 << 30), ("str", "fine", 0)])
    assert ("str", "fine", 0) in patterns.used()
    re.purge()
