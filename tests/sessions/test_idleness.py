"""Which sessions nobody needs."""

from __future__ import annotations

from pathlib import Path

from mograder.sessions.idleness import LOADING_SECONDS, Idleness
from mograder.sessions.model import Session, SessionKey, State

TTL = 3600.0


def session(last_seen: float = 0.0) -> Session:
    key = SessionKey("edit", "ada", "A1")
    return Session("1", key, State.READY, Path("s"), Path(), started=0.0, last_seen=last_seen)


def test_a_session_is_idle_too_long_only_after_the_whole_patience() -> None:
    idleness = Idleness(TTL)
    assert not idleness.over(session(), TTL)
    assert idleness.over(session(), TTL + 1)


def test_a_cell_that_computes_is_seen_by_its_processor_time() -> None:
    idleness, mine = Idleness(TTL), session()
    idleness.computes(mine, 5.0, now=0)
    assert idleness.computes(mine, 6.0, now=15)
    assert not idleness.computes(mine, 6.1, now=30)  # marimo's own heartbeat


def test_a_session_that_was_looked_at_once_is_not_judged_yet() -> None:
    idleness, mine = Idleness(TTL), session()
    idleness.computes(mine, 500.0, now=2 * TTL)
    assert not idleness.over(mine, 2 * TTL)
    idleness.computes(mine, 500.0, now=2 * TTL + 15)
    assert idleness.over(mine, 2 * TTL + 15)


def test_the_end_is_announced_five_minutes_before() -> None:
    idleness = Idleness(TTL)
    assert idleness.left(session(), TTL - 301) is None
    assert idleness.left(session(), TTL - 300) == 300
    assert idleness.left(session(), TTL + 5) == 0


def test_a_short_patience_is_announced_in_its_last_quarter() -> None:
    assert Idleness(40).left(session(), 29) is None
    assert Idleness(40).left(session(), 31) == 9


def test_a_page_that_is_being_loaded_is_waited_for_also_where_the_patience_is_short() -> None:
    idleness, mine = Idleness(40), session()
    mine.loading = True
    assert not idleness.over(mine, LOADING_SECONDS)
    assert idleness.left(mine, LOADING_SECONDS - 11) is None, "nobody who waits is warned"
    assert idleness.over(mine, LOADING_SECONDS + 1)
    mine.loading = False
    assert idleness.over(mine, 41)
    mine.loading = True
    assert not Idleness(TTL).over(mine, TTL)


def test_no_patience_is_shorter_than_saving_takes() -> None:
    assert not Idleness(0.1).over(session(), 2.5)


def test_a_session_that_is_gone_is_forgotten() -> None:
    idleness, mine = Idleness(TTL), session()
    idleness.computes(mine, 5.0, now=0)
    idleness.forget(mine)
    assert idleness.over(mine, TTL + 1)
