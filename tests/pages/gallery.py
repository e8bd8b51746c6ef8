"""Pictures of every view, light and dark, wide and narrow: ``python -m tests.pages.gallery DIRECTORY``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from mograder.hub.pages import account_views, update_views, version_views, views
from tests.pages import sample as samples
from tests.pages.sample import Sample, served

HOSTILE = "<script>alert(1)</script> 😀 \u202eفصل\u202c " + "W" * 170
WIDTHS = (1280, 375)
SCHEMES = ("light", "dark")


def all_views(sample: Sample) -> dict[str, views.View]:
    """Every view, by the name of its picture."""
    page = sample.page("")
    step = views.Step
    steps = (step("Copying the assignment", "done"), step("Preparing the packages", "running"))
    log = "Traceback (most recent call last):\n  File \"A2.py\", line 3\nModuleNotFoundError: No module named 'nmpy'"
    empty = views.Dashboard(page, samples.NOW)
    return {
        "dashboard": sample.dashboard(),
        "dashboard-empty": empty,
        "dashboard-flash": sample.dashboard(flash="A2-Regression is stopped. Your work is saved."),
        "dashboard-hostile": hostile_dashboard(page),
        "start": samples.start(page, "A2-Regression", "edit", steps=steps),
        "start-queue": samples.start(
            page, "A2-Regression", "edit", steps=steps[:1], queue_place=3, estimate=95
        ),
        "start-failed": samples.start(
            page, "A2-Regression", "edit", error="The notebook's packages could not be had.", log_tail=log
        ),
        "history": samples.history(page, "alice", "A2-Regression"),
        "history-empty": version_views.History(page, "alice", "A2-Regression", samples.NOW, can_reset=False),
        "files": samples.belongings(page, "alice", "A2-Regression"),
        "files-full": samples.belongings(page, "alice", "A2-Regression", 95 << 20),
        "compare": samples.comparison(page, "alice", "A2-Regression"),
        "compare-hostile": samples.comparison(
            page, HOSTILE, HOSTILE, samples.OLD_CELLS, samples.NEW_CELLS.replace("by hand", HOSTILE)
        ),
        "compare-text": samples.comparison(page, "alice", "A2-Regression", "def (:", "def a():\n    pass"),
        "account": account_views.Account(
            page,
            samples.NOW,
            "proxy",
            (account_views.SignIn("proxy", samples.NOW, samples.NOW),),
            sample.dashboard().sessions,
        ),
        "update": samples.update(page, "alice", "A2-Regression"),
        "update-none": update_views.Update(page, "alice", "A2-Regression", can_undo=True),
        "report": samples.report(page, "alice", "A2-Regression"),
        "problem-404": views.Problem(
            page, 404, 'No release named "A9". Published: A1, A2, L01-Intro.', tip="mograder hub publish A9"
        ),
        "problem-upload": views.Problem(
            page,
            400,
            "This notebook holds what has no place in coursework, so it was not uploaded.",
            way_on=views.WayOn("history/alice/A2-Regression#upload", "Upload another file"),
            findings=("line 3: import subprocess", "line 17: eval(…)"),
        ),
        "problem-401": views.Problem(
            views.Page(sample.title, "", "student"),
            401,
            "Your sign-in has ended.",
            way_on=views.WayOn("", "Sign in"),
        ),
    }


def hostile_dashboard(page: views.Page) -> views.Dashboard:
    """What happens when everything that has a name has a terrible one."""
    row = views.ItemRow(
        HOSTILE, HOSTILE, "modified", True, True, samples.NOW + samples.LATER, views.Tally(3, 5), True, False
    )
    other = views.ItemRow("W" * 64, "W" * 200, "not_started", False, True, samples.NOW)
    session = views.SessionRow(
        HOSTILE, HOSTILE, "edit", views.path("edit", "user", HOSTILE, HOSTILE), samples.NOW
    )
    page = views.Page(HOSTILE, HOSTILE, "instructor", HOSTILE)
    return views.Dashboard(page, samples.NOW, (row, other), (views.LectureRow(HOSTILE, HOSTILE),), (session,))


def shoot(browser: Browser, directory: Path) -> None:
    """Take all pictures."""
    sample = Sample()
    sample.notice = None
    with served(sample) as hub:
        for width in WIDTHS:
            for scheme in SCHEMES:
                context = browser.new_context(
                    base_url=hub, viewport={"width": width, "height": 800}, color_scheme=scheme
                )
                tab = context.new_page()
                for name, view in all_views(sample).items():
                    sample.view = view
                    _show(tab, sample, name)
                    tab.screenshot(path=directory / f"{name}-{width}-{scheme}.png", full_page=True)
                    _go_on(tab, sample, name)
                _dance(tab, directory, f"{width}-{scheme}")
                context.close()


STEPS = [("step", {"text": "Copying the assignment for you"}), ("step", {"text": "Preparing the packages"})]
QUEUE = [("queued", {"text": "Waiting for a free place", "place": 3, "estimate": 95})]


def _show(tab: Page, sample: Sample, name: str) -> None:
    """Open a view; a start is held half-way, as its events tell."""
    sample.hold.clear()
    sample.events = STEPS[:1] + QUEUE if name == "start-queue" else STEPS
    tab.goto("view" if name != "dashboard" else "")
    if name in ("start", "start-queue"):
        tab.locator("#steps li").nth(1).wait_for()


def _go_on(tab: Page, sample: Sample, name: str) -> None:
    sample.hold.set()
    if name in ("start", "start-queue"):
        tab.wait_for_url("**/edit/user/**")


def _dance(tab: Page, directory: Path, suffix: str) -> None:
    """The pictures that need a hand: results, the open menu, the question before a reset."""
    tab.goto("")
    tab.get_by_role("button", name="Validate A2-Regression").click()
    tab.get_by_role("heading", name="1 of 4 checks").wait_for()
    tab.screenshot(path=directory / f"results-{suffix}.png", full_page=True)
    tab.get_by_label("More for A2-Regression").click()
    tab.screenshot(path=directory / f"menu-{suffix}.png")
    tab.get_by_role("button", name="Reset…").click()
    tab.get_by_role("dialog").wait_for()
    tab.screenshot(path=directory / f"reset-{suffix}.png")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shoot(launched, target)
        launched.close()
