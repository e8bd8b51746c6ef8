"""``mograder.hub.thinning``: the older, the fewer saves stay, and what matters always does."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mograder.hub.thinning import superfluous

NOW = datetime(2026, 11, 27, 15, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class One:
    when: datetime
    reason: str = "save"
    size: int = 1


def saves(*ages: timedelta) -> list[One]:
    return [One(NOW - age) for age in sorted(ages)]


def staying(versions: list[One], most: int = 10**6, most_bytes: int = 10**9) -> list[One]:
    gone = superfluous(versions, "save", most, most_bytes)
    assert len(set(gone)) == len(gone)
    return [version for version in versions if version not in gone]


def test_every_save_of_the_last_day_stays() -> None:
    versions = saves(*(n * 10 * MINUTE / 60 for n in range(8000)))
    assert staying(versions) == versions


def test_after_a_day_the_last_of_each_hour_stays_after_a_week_the_last_of_each_day() -> None:
    versions = saves(timedelta(), *(2 * DAY + n * MINUTE for n in range(3 * 24 * 60)))
    left = staying(versions)[1:-1]  # the newest and the first of all stay anyway
    assert Counter(version.when.minute for version in left) == {59: 72, 30: 1}
    old = staying(saves(timedelta(), *(10 * DAY + n * HOUR for n in range(10 * 24))))[1:-1]
    assert len({version.when.date() for version in old}) == len(old) == 11
    assert {version.when.hour for version in old[1:]} == {23}


def test_the_first_and_the_last_before_a_replacement_stay() -> None:
    ages = [timedelta(), *(30 * DAY + n * MINUTE for n in range(6))]
    versions = saves(*ages)
    versions.insert(3, One(NOW - 30 * DAY - 1.5 * MINUTE, "reset"))
    newest, last, reset, before, first = staying(versions)
    assert (newest, last) == (versions[0], versions[1])
    assert reset.reason == "reset"
    assert before == versions[4]
    assert first == versions[-1]


def test_what_is_too_much_goes_where_it_is_missed_least() -> None:
    versions = saves(*(n * MINUTE for n in range(100)))
    left = staying(versions, most=10)
    assert len(left) == 10
    assert (left[0], left[-1]) == (versions[0], versions[-1])
    gaps = [newer.when - older.when for newer, older in itertools.pairwise(left)]
    assert gaps[0] <= gaps[len(gaps) // 2] <= gaps[-1]
    assert gaps[-1] < 60 * MINUTE  # old ones are fewer, but not gone


def test_large_notebooks_leave_room_too() -> None:
    versions = [One(NOW - n * MINUTE, size=10) for n in range(50)]
    assert sum(version.size for version in staying(versions, most_bytes=100)) == 100


VERSIONS = st.lists(
    st.tuples(st.integers(0, 60 * 86400), st.sampled_from(["save", "save", "save", "upload"])), max_size=60
)


@given(VERSIONS, st.integers(1, 30))
def test_nothing_that_matters_goes_whatever_there_is(found: list[tuple[int, str]], most: int) -> None:
    unique = dict(found)
    versions = [One(NOW - timedelta(seconds=age), unique[age]) for age in sorted(unique)]
    gone = superfluous(versions, "save", most, 10**9)
    left = [version for version in versions if version not in gone]
    assert all(version.reason == "save" for version in gone)
    assert versions[:1] == left[:1]
    assert versions[-1:] == left[-1:]
    for newer, older in itertools.pairwise(versions):
        if newer.reason != "save":
            assert older in left
    assert superfluous(left, "save", most, 10**9) == []
