"""mograder.hub.pages.words: what people read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.hub.pages import words

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "exported_before", "said"),
    [
        ("not_started", False, "Not started"),
        ("uploaded", False, "In progress"),
        ("modified", False, "In progress"),
        ("modified", True, "Changed since export"),
        ("exported", True, "Exported"),
    ],
)
def test_every_file_status_is_a_state_in_words(status: str, exported_before: bool, said: str) -> None:
    assert words.STATES[words.state(status, exported_before)] == said


def test_a_status_that_is_not_known_is_an_error_and_no_empty_cell() -> None:
    with pytest.raises(KeyError):
        words.state("archived", False)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "under a minute"),
        (59, "under a minute"),
        (60, "1 minute"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (86_399, "23 hours"),
        (2 * 86_400 + 5, "2 days"),
    ],
)
def test_a_span_is_in_its_largest_unit_and_never_too_long(seconds: int, said: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == said


def test_time_left_looks_both_ways() -> None:
    assert words.time_left(NOW + timedelta(days=2), NOW) == "in 2 days"
    assert words.time_left(NOW - timedelta(hours=3), NOW) == "3 hours ago"


def test_a_clock_that_runs_ahead_gives_just_now() -> None:
    assert words.ago(NOW + timedelta(hours=1), NOW) == "just now"
    assert words.ago(NOW - timedelta(minutes=4), NOW) == "4 minutes ago"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "under a minute"), (60, "about 1 minute"), (61, "about 2 minutes")]
)
def test_a_wait_is_rounded_up(seconds: float, said: str) -> None:
    assert words.wait(seconds) == said


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (2_500_000_000, "2.5 GB"),
    ],
)
def test_sizes_are_decimal(octets: int, said: str) -> None:
    assert words.size(octets) == said


@given(st.integers(min_value=0, max_value=10**13))
def test_no_size_has_four_digits_before_its_point_but_gigabytes(octets: int) -> None:
    number, unit = words.size(octets).split()
    assert unit == "GB" or float(number) < 1000


def test_a_day_is_said_in_the_zone_that_it_carries() -> None:
    when = datetime(2026, 11, 27, 23, 59, tzinfo=timezone(timedelta(hours=1), "CET"))
    assert words.day(when) == "Fri 27 Nov 2026, 23:59 CET"


def test_an_outcome_counts_in_grammar() -> None:
    assert words.outcome(1, 1) == "1 of 1 check passes"
    assert words.outcome(3, 5) == "3 of 5 checks pass"
    assert words.outcome(0, 0) == "This notebook has no checks"


def test_a_reason_that_is_not_known_is_shown_as_it_is() -> None:
    assert words.reason("reset") == "Replaced by a reset"
    assert words.reason("migration") == "Migration"


def test_every_status_has_a_title() -> None:
    assert words.problem_title(404) == "There is nothing here"
    assert words.problem_title(405) == words.PROBLEMS[400]
    assert words.problem_title(502) == words.PROBLEMS[500]
