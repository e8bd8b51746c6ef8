"""mograder.hub.pages.views: what a page is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mograder.errors import NotFound, SessionFailed, UnsafeNotebook
from mograder.hub.pages import views
from tests.pages.sample import LATER, NOW

ROW = views.ItemRow("A1", "One", "modified", False, True)
PAGE = views.Page("Course", "alice", "student")


@pytest.mark.parametrize(
    ("what", "action"),
    [
        ({"file_status": "not_started"}, "download"),
        ({"file_status": "not_started", "has_release": False}, "none"),
        ({"file_status": "uploaded"}, "edit"),
        ({"last_check": views.Tally(2, 3)}, "edit"),
        ({"last_check": views.Tally(3, 3)}, "export"),
        ({"last_check": views.Tally(3, 3), "session_active": True}, "edit"),
        ({"last_check": views.Tally(3, 3), "check_current": False}, "validate"),
        ({"last_check": views.Tally(2, 3), "check_current": False}, "edit"),
        ({"last_check": views.Tally(3, 3), "check_current": False, "session_active": True}, "edit"),
        ({"last_check": views.Tally(0, 0)}, "edit"),
        ({"last_check": views.Tally(3, 3), "file_status": "exported"}, "edit"),
    ],
)
def test_a_row_has_one_next_action(what: dict[str, object], action: str) -> None:
    assert replace(ROW, **what).next_action == action  # type: ignore[arg-type]


def test_only_a_copy_with_a_release_can_be_reset() -> None:
    assert ROW.can_reset
    assert not replace(ROW, has_release=False).can_reset
    assert not replace(ROW, file_status="not_started").can_reset


def test_what_is_exported_is_never_late() -> None:
    late = replace(ROW, due=NOW - LATER)
    assert late.is_late(NOW)
    assert not replace(late, file_status="exported").is_late(NOW)
    assert not ROW.is_late(NOW)


def test_the_next_due_assignment_is_the_nearest_that_is_not_exported() -> None:
    rows = (
        replace(ROW, name="past", due=NOW - LATER),
        replace(ROW, name="far", due=NOW + 3 * LATER),
        replace(ROW, name="near", due=NOW + 2 * LATER),
        replace(ROW, name="done", due=NOW + LATER, file_status="exported"),
        replace(ROW, name="whenever"),
    )
    found = views.Dashboard(PAGE, NOW, rows).next_due
    assert found is not None
    assert found.name == "near"
    assert views.Dashboard(PAGE, NOW, rows[:1]).next_due is None


@pytest.mark.parametrize(("path", "root"), [("/", ""), ("/edit/A1", "../"), ("/edit/A1/", "../../")])
def test_the_root_is_reached_from_any_depth(path: str, root: str) -> None:
    assert views.relative_root(path) == root


def test_an_address_is_written_for_its_page_and_never_empty() -> None:
    assert PAGE.to("edit/A1") == "edit/A1"
    assert PAGE.to("") == "./"
    assert replace(PAGE, root="../").to("") == "../"


def test_an_address_keeps_what_has_a_meaning_in_urls_out() -> None:
    assert views.path("edit", "A1/../B?#+ü") == "edit/A1%2F..%2FB%3F%23%2B%C3%BC"


def test_a_session_is_stopped_at_the_address_of_its_kind() -> None:
    session = views.SessionRow("bob", "L1", "run", "run/user/bob/L1/", NOW)
    assert session.stop == "stop-run/bob/L1"


def test_a_start_is_under_way_until_it_fails() -> None:
    start = views.Start(PAGE, "A1", "edit", "start-edit-deep/A1", "edit/user/alice/A1/")
    assert not start.under_way
    assert replace(start, steps=(views.Step("Copying"),)).under_way
    assert replace(start, queue_place=2).under_way
    assert not replace(start, queue_place=2, error="It broke.").under_way
    assert start.events == "events/edit/alice/A1"


def test_a_problem_carries_what_its_error_knows() -> None:
    missing = views.Problem.of(PAGE, NotFound("No A9.", tip="publish it"))
    assert (missing.status, missing.sentence, missing.tip) == (404, "No A9.", "publish it")
    assert missing.heading == "There is nothing here"
    unsafe = views.Problem.of(PAGE, UnsafeNotebook("Refused.", findings=["line 3"]))
    assert unsafe.findings == ("line 3",)
    assert views.Problem.of(PAGE, SessionFailed("Died.", log_tail="Killed")).log_tail == "Killed"
