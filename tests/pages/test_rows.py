"""``mograder.hub.pages.rows``: a row that is not made again says what a new one would."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mograder.hub.pages import views
from mograder.hub.pages.language import speaking
from mograder.hub.pages.render import _assignment
from mograder.hub.pages.rows import Rows

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ROW = views.ItemRow("A1", "A1", "modified", False, True, due=NOW + timedelta(hours=2))


@pytest.fixture
def made() -> list[str]:
    """Who it was made for, each time that one was made."""
    return []


@pytest.fixture
def rows(made: list[str]) -> Rows:
    def make(page: views.Page, row: views.ItemRow, now: datetime) -> str:
        made.append(page.user)
        return _assignment(page, row, now)

    return Rows(make)


def page(user: str) -> views.Page:
    return views.Page("Course", user, "student")


def new(user: str, row: views.ItemRow, now: datetime) -> str:
    return _assignment(page(user), row, now).replace("\n", "")


@pytest.mark.parametrize(
    "user", ["ada", "bob@example.org", "Ünal", "a+b", "<script>alert(1)</script>", "Ω🎓"]
)
def test_one_row_does_for_all_and_names_each(rows: Rows, made: list[str], user: str) -> None:
    assert rows.html(page("eve"), ROW, NOW) == new("eve", ROW, NOW)
    assert rows.html(page(user), ROW, NOW) == new(user, ROW, NOW)
    assert len(made) == 1


def test_time_that_passes_shows(rows: Rows) -> None:
    for minutes in (0, 59, 60, 61, 119, 119.5, 120, 121, 500, 5000):
        now = NOW + timedelta(minutes=minutes)
        assert rows.html(page("ada"), ROW, now) == new("ada", ROW, now), minutes


def test_whatever_is_different_of_a_row_is_shown(rows: Rows) -> None:
    changes = [
        {"file_status": "exported"},
        {"file_status": "not_started"},
        {"session_active": True},
        {"has_release": False},
        {"due": None},
        {"last_check": views.Tally(1, 2)},
        {"last_check": views.Tally(1, 2), "check_current": False},
        {"update_available": True},
        {"visible": False},
        {"exported_before": True},
        {"disk": "9 of 10 MB"},
        {"title": "<b>"},
    ]
    for change in changes:
        row = replace(ROW, **change)  # type: ignore[arg-type]
        assert rows.html(page("ada"), row, NOW) == new("ada", row, NOW), change


def test_each_language_has_its_own(rows: Rows) -> None:
    english = rows.html(page("ada"), ROW, NOW)
    with speaking("de"):
        assert rows.html(page("ada"), ROW, NOW) == new("ada", ROW, NOW) != english


def test_what_is_kept_is_bounded(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mograder.hub.pages.rows._ROOM", 3)
    for number in range(10):
        rows.html(page("ada"), replace(ROW, name=f"A{number}"), NOW)
    assert len(rows._made) <= 3
