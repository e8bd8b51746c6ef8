"""``mograder.hub.visibility``: when students see an item."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.errors import Malformed
from mograder.hub.visibility import ALWAYS, Window, machine_zone, read, window, zone

ZURICH = "Europe/Zurich"
WINTER = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)  # 09:00 in Zurich


def test_a_date_is_of_the_zone_that_is_named() -> None:
    found = window("2026-12-01 09:00", "2026-12-20", ZURICH)
    assert found.begin == WINTER
    assert found.end == datetime(2026, 12, 20, 22, 59, tzinfo=UTC)
    assert not found.is_open(WINTER - timedelta(seconds=1))
    assert found.is_open(WINTER)
    assert not found.is_open(found.end)
    assert (
        found.words
        == "Students see it from Tue 1 Dec 2026, 09:00 CET until Sun 20 Dec 2026, 23:59 CET (Europe/Zurich)"
    )


def test_what_is_not_said_stays_and_words_open_an_end() -> None:
    before = window("2026-12-01 09:00", "2026-12-20", ZURICH)
    assert window(None, None, "UTC", before) == before
    assert window("now", None, ZURICH, before).begin is None
    assert window(None, "never", ZURICH, before).end is None
    assert window("now", "never", ZURICH, before).words == "Everybody sees it"
    assert ALWAYS.is_open(WINTER)


@pytest.mark.parametrize(
    ("begin", "end", "place", "said"),
    [
        ("tomorrow", None, ZURICH, "is no date"),
        ("2026-13-01", None, ZURICH, "is no date"),
        ("2026-12-01", None, "Europe/Atlantis", "no time zone"),
        ("2026-12-01", None, "../etc/passwd", "no time zone"),
        ("2026-12-02", "2026-12-01", ZURICH, "before it is visible"),
        ("2026-03-29 02:30", None, ZURICH, "does not exist"),
    ],
)
def test_nonsense_is_said(begin: str, end: str | None, place: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        window(begin, end, place)


MOMENTS = st.none() | st.integers(946_684_800, 4_102_444_800).map(lambda n: datetime.fromtimestamp(n, UTC))


@given(MOMENTS, MOMENTS, st.sampled_from([ZURICH, "UTC", "America/New_York"]))
def test_a_window_is_read_as_it_was_written(begin: datetime | None, end: datetime | None, place: str) -> None:
    written = Window(begin, end, place)
    again = read(written.to_json())
    assert (again.begin, again.end, again.zone) == (begin, end, place)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"from": "x"}', b'{"zone": "No/Where"}'])
def test_what_is_damaged_is_an_error(data: bytes) -> None:
    with pytest.raises((ValueError, Malformed)):
        read(data)


def test_the_machine_has_a_zone() -> None:
    assert zone(machine_zone()).key == machine_zone()
