"""What the instructors' pages show of a small class."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mograder.hub.pages import teach_views as teach
from mograder.hub.pages import views
from mograder.hub.teaching.radar import CheckStanding, Cluster
from tests.pages.sample import LATER, NOW, Sample

ITEM = "A2-Regression"
ITEMS = (
    teach.CourseItem("A1-Intro", "Introduction", "assignment", "Everybody", True, 42, 0),
    teach.CourseItem(ITEM, "Regression", "assignment", "From Mon 30 Nov 2026, 08:00", False, 17, 2),
    teach.CourseItem(
        "A3-Bayes", "Bayes", "assignment", "Hidden", False, 0, 0, "There is no numpy 99 for Python 3.11."
    ),
    teach.CourseItem("L01-Intro", "What a model is", "lecture", "Everybody", True, 0, 1),
)
RUNNING = (
    teach.Running("alice", ITEM, "edit", NOW - LATER, NOW, 412 << 20, 0.93),
    teach.Running("bob", "L01-Intro", "run", NOW - LATER, NOW - timedelta(minutes=9)),
)
CHECKS = (
    CheckStanding("Q1: Load the data", 17, 17, 1260.0, 1.0, ()),
    CheckStanding("Q2: Mean and spread", 15, 6, 8400.0, 3.5, ("bob", "carol", "dora")),
    CheckStanding("Q3: Plot", 4, 0, None, None, ("erin",)),
)
CLUSTERS = (
    Cluster("Q2: Mean and spread", "✗ the deviation", ("bob", "carol")),
    Cluster("", "NameError: name 'mu' is not defined", ("dora",)),
)
AUDIT = ("When", "Who", "Role", "Via", "From", "Did", "Action", "Owner", "Item", "Status", "Outcome", "Rule")


def teaching(sample: Sample) -> dict[str, object]:
    """Every page of instructors in its states, by the name of its picture."""
    page = replace(sample.page(""), user="prof", role="instructor")
    radar = teach.Radar(page, NOW, ("A1-Intro", ITEM), ITEM, 17, 17, CHECKS, CLUSTERS)
    cell = teach.Cell
    person = (
        cell("alice", "teach/student/alice"),
        cell("student"),
        cell("yes"),
        cell("2026-11-23\n20:00 UTC", moment="2026-11-23 20:00+00:00"),
    )
    words = (
        "prof",
        "Instructor",
        "login proxy",
        "127.0.0.1",
        f"GET /teach/help/alice/{ITEM}",
        "see and steer the whole course",
    )
    entry = (cell("2026-11-23\n20:00:00 UTC", moment="2026-11-23T20:00:00+00:00"), *map(cell, words))
    entry += tuple(map(cell, ("alice", ITEM, "200", "done", "instructors may")))
    probe = (
        cell("sandbox"),
        cell("warn", tone="warn"),
        cell("No memory control group."),
        cell("Delegate one."),
    )
    published = (
        teach.Published(NOW - LATER, "prof", ITEM, "done"),
        teach.Published(NOW - 2 * LATER, "prof", "A3-Bayes", "failed"),
    )
    sent = (teach.Sent(1, "prof", NOW, "Question 2 is wrong:\nleave it out.", 12),)
    cells = (
        teach.CellSource("_", "import marimo as mo", "code"),
        teach.CellSource("fit", "def fit(x, y):\n    return slope  # " + "far " * 60, "code"),
    )
    checks = (
        views.Check("Q1: Load the data", "success", ("✓ 150 rows",)),
        views.Check("Q2: Mean and spread", "partial", ("✓ the mean", "✗ the deviation")),
    )
    return {
        "course": teach.Course(
            page, NOW, ITEMS, RUNNING, ("carol", "dora"), published, sent, "It is stopped."
        ),
        "course-empty": teach.Course(page, NOW),
        "confirm": teach.Confirm(
            page, f"Stop {ITEM} of alice?", "What was saved stays.", "Stop it", f"teach/stop/edit/alice/{ITEM}"
        ),
        "radar": radar,
        "radar-names": replace(radar, names=True),
        "radar-untried": teach.Radar(page, NOW, ("A1-Intro",), "A1-Intro", 3),
        "radar-empty": teach.Radar(page, NOW),
        "people": teach.Listing(
            page, "people", "People", "Roles are set in mograder.toml.",
            ("Name", "Role", "May enter", "Last seen"), (person,), 1, "", "teach/people", "Nobody.",
        ),
        "tokens": teach.Listing(
            page, "tokens", "Tokens", "Programs sign in with these.", ("Number", "State"),
            ((cell("1", "teach/tokens/1/revoke"), cell("in force", tone="good")),), 1, "", "teach/tokens",
            "None.", "It is revoked.",
        ),
        "audit": teach.Listing(
            page, "audit", "Audit log", "Newest first.", AUDIT, (entry,) * 30, 900, "alice", "teach/audit", "None."
        ),
        "audit-nothing": teach.Listing(
            page, "audit", "Audit log", "Newest first.", AUDIT, (), 0, "zeno", "teach/audit", "None."
        ),
        "health": teach.Listing(
            page, "health", "Health", "Isolation: degraded.", ("What", "State", "Detail", "What to do"), (probe,), 1,
            "", "teach/health", "None.",
        ),
        "student": teach.Student(
            page, "alice", (
                teach.StudentItem("A1-Intro", "Introduction", "not_started", None, active=False),
                teach.StudentItem(ITEM, "Regression", "modified", views.Tally(3, 5), active=True),
            ),
        ),
        "student-empty": teach.Student(page, "alice"),
        "help": teach.Help(
            page, "alice", ITEM, cells, None, checks, ("Cell 7: NameError: name 'mu' is not defined",),
            has_report=True, active=True,
        ),
        "help-broken": teach.Help(
            page, "alice", ITEM, (teach.CellSource("_", "def (:", "unparsable"),), "This is not a notebook."
        ),
        "help-empty": teach.Help(page, "alice", ITEM),
        "preview": teach.Preview(
            page, replace(sample.dashboard(), sessions=()), "2026-11-27T23:59", "Fri 27 Nov 2026, 23:59 GMT"
        ),
        "preview-empty": teach.Preview(
            page, views.Dashboard(page, NOW), "2026-01-01T00:00", "Thu 1 Jan 2026, 00:00 GMT"
        ),
    }  # fmt: skip
