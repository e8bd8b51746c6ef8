"""What happens to every page when everything that has a name has a terrible one."""

from __future__ import annotations

from dataclasses import replace

from mograder.hub.pages import account_views, file_views, teach_views, update_views, version_views, views
from mograder.hub.teaching.radar import CheckStanding, Cluster
from tests.pages import sample as samples
from tests.pages.sample import LATER, NOW

HOSTILE = "<script>alert(1)</script> 😀 \u202eفصل\u202c " + "W" * 170


def hostile_page(page: views.Page) -> views.Page:
    """A course, a person, messages and visits with such names."""
    note = views.Note(1, HOSTILE, NOW, f"{HOSTILE}\n{HOSTILE}")
    looks = (views.Look(HOSTILE, HOSTILE, NOW), views.Look(HOSTILE, "", NOW))
    return replace(
        page, course_title=HOSTILE, user=HOSTILE, role="instructor", mode_notice=HOSTILE, notice=HOSTILE,
        messages=(note,), visits=looks, sign_out="logout",
    )  # fmt: skip


def hostile_dashboard(page: views.Page) -> views.Dashboard:
    """The dashboard."""
    row = views.ItemRow(HOSTILE, HOSTILE, "modified", True, True, NOW + LATER, views.Tally(3, 5), True, False)
    other = views.ItemRow("W" * 64, "W" * 200, "not_started", False, True, NOW)
    session = views.SessionRow(HOSTILE, HOSTILE, "edit", views.path("edit", "user", HOSTILE, HOSTILE), NOW)
    page = views.Page(HOSTILE, HOSTILE, "instructor", HOSTILE)
    return views.Dashboard(page, NOW, (row, other), (views.LectureRow(HOSTILE, HOSTILE),), (session,))


def hostile_views(plain: views.Page) -> dict[str, object]:
    """Every page with a name on it, by the name of its picture."""
    page = hostile_page(plain)
    check = views.Check(HOSTILE, "danger", (HOSTILE,))
    return {
        "dashboard-hostile": hostile_dashboard(plain),
        "start-hostile": samples.start(page, HOSTILE, "edit", error=HOSTILE, log_tail=HOSTILE),
        "history-hostile": _history(page),
        "files-hostile": _files(page),
        "compare-hostile": samples.comparison(
            page, HOSTILE, HOSTILE, samples.OLD_CELLS, samples.NEW_CELLS.replace("by hand", HOSTILE)
        ),
        "report-hostile": views.CheckReport(
            page, HOSTILE, HOSTILE, (check,), (HOSTILE,), HOSTILE, (HOSTILE,), "validate-report/a/b"
        ),
        "problem-hostile": views.Problem(
            page, 404, HOSTILE, HOSTILE, HOSTILE, views.WayOn("teach", HOSTILE), "", (HOSTILE,), HOSTILE
        ),
        "update-hostile": _update(page),
        "account-hostile": account_views.Account(
            page, NOW, "proxy", (account_views.SignIn("proxy", NOW, NOW),), hostile_dashboard(plain).sessions,
            views.Flash(HOSTILE, "failed"),
        ),
        "sign-out-hostile": views.SignOut(page),
        **_teaching(page),
    }  # fmt: skip


def _teaching(page: views.Page) -> dict[str, object]:
    check = views.Check(HOSTILE, "danger", (HOSTILE,))
    standing = CheckStanding(HOSTILE, 3, 1, 90.0, 2.0, (HOSTILE, "bob"))
    item = teach_views.StudentItem(HOSTILE, HOSTILE, "modified", views.Tally(3, 5), True)
    cell = teach_views.Cell
    row = (cell(HOSTILE, "teach/student/x"), cell(HOSTILE, tone="bad"), cell(""))
    columns = ("Name", "State", "Detail")
    return {
        "course-hostile": teach_views.Course(
            page,
            NOW,
            (teach_views.CourseItem(HOSTILE, HOSTILE, "assignment", HOSTILE, False, 3, 1, HOSTILE),),
            (teach_views.Running(HOSTILE, HOSTILE, "edit", NOW, NOW, 400 << 20, 0.5),),
            (HOSTILE, HOSTILE),
            (teach_views.Published(NOW, HOSTILE, HOSTILE, "failed"),),
            (teach_views.Sent(1, HOSTILE, NOW, HOSTILE, 3),),
            HOSTILE,
        ),
        "confirm-hostile": teach_views.Confirm(page, HOSTILE, HOSTILE, "Stop it", "teach/stop-all"),
        "radar-hostile": teach_views.Radar(
            page, NOW, (HOSTILE, "A1"), HOSTILE, 5, 3, (standing,), (Cluster(HOSTILE, HOSTILE, (HOSTILE, "bob")),),
            names=True,
        ),
        "listing-hostile": teach_views.Listing(
            page, "people", HOSTILE, HOSTILE, columns, (row,), 900, HOSTILE, "teach/people", HOSTILE, HOSTILE
        ),
        "listing-hostile-search": teach_views.Listing(
            page, "people", HOSTILE, HOSTILE, columns, (), 0, HOSTILE, "teach/people", HOSTILE
        ),
        "student-hostile": teach_views.Student(page, HOSTILE, (item,)),
        "help-hostile": teach_views.Help(
            page, HOSTILE, HOSTILE, (teach_views.CellSource(HOSTILE, HOSTILE, "code"),), HOSTILE, (check,),
            (HOSTILE,), has_report=True, active=True,
        ),
        "preview-hostile": teach_views.Preview(page, hostile_dashboard(page), "2026-11-27T23:59", HOSTILE),
    }  # fmt: skip


def _history(page: views.Page) -> version_views.History:
    version = version_views.VersionRow("v1", NOW, "upload", 901, False, 1, 5)
    present = replace(version, id="copy")
    flash = views.Flash(HOSTILE)
    return version_views.History(
        page, HOSTILE, HOSTILE, NOW, (version,), present, True, True, True, flash, "v1", "history/a/b?older=3"
    )


def _files(page: views.Page) -> file_views.Files:
    kept = file_views.KeptFile(HOSTILE, version_views.VersionRow("v9", NOW, "delete", 901))
    files = (file_views.FileRow(HOSTILE, 48_112, NOW), file_views.FileRow(HOSTILE, 3, NOW, linked=False))
    return file_views.Files(
        page, HOSTILE, HOSTILE, NOW, 99 << 20, 100 << 20, 20 << 20, files, (kept,), views.Flash(HOSTILE), "v9"
    )


def _update(page: views.Page) -> update_views.Update:
    sides = (update_views.Side("mine", True), update_views.Side("new", False))
    part = update_views.Part("1", HOSTILE, HOSTILE, sides)
    flash = views.Flash(HOSTILE)
    return update_views.Update(page, HOSTILE, HOSTILE, True, "0" * 32, (HOSTILE,), (part,), True, True, flash)
