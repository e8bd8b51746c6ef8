"""The instructor's way through a lesson, and what students see of it, in a real browser on a real hub."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.hub import NOTEBOOK, RunningHub, by_proxy, make_course, publish, running
from tests.support.students import ITEM, Student

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

CONFIG = '[hub]\ntitle = "Test course"\ninstructors = ["prof"]\n'
UNMARKED = "window.unmarked = true"
"""Gone after a reload."""


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "lesson", CONFIG)) as up:
        yield up


@pytest.fixture
def alice(hub: RunningHub) -> Iterator[Student]:
    with Student(hub, "alice") as student:
        student.http.post(f"download-release/alice/{ITEM}").raise_for_status()
        yield student


@pytest.fixture
def visits(chromium: Browser) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def visit(visits: ExitStack, chromium: Browser, hub: RunningHub, name: str, *, scripts: bool = True) -> Page:
    context = visits.enter_context(
        chromium.new_context(
            base_url=hub.url,
            extra_http_headers=by_proxy(name),
            java_script_enabled=scripts,
            accept_downloads=True,
        )
    )
    context.set_default_timeout(30_000)
    return context.new_page()


def answer(student: Student, value: str) -> None:
    """Write an answer and press Validate."""
    text = re.sub(r"answer = .*", f"answer = {value}", student.notebook.read_text())
    student.notebook.write_text(text)
    student.http.post(f"validate/{student.name}/{ITEM}").raise_for_status()


def by_keyboard(page: Page, goal: Locator) -> None:
    """Go to a control with the Tab key, see that one sees it, and press it."""
    element = goal.element_handle()
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("element => element === document.activeElement", element):
            break
    expect(goal).to_be_focused()
    assert goal.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")


def test_the_radar_follows_the_class_without_a_reload_and_names_by_a_switch(
    chromium: Browser, hub: RunningHub, visits: ExitStack, alice: Student
) -> None:
    with Student(hub, "bob") as bob:
        bob.http.post(f"download-release/bob/{ITEM}").raise_for_status()
        answer(bob, "7")
        page = visit(visits, chromium, hub, "prof")
        page.goto("teach/radar")
        page.evaluate(UNMARKED)
        row = page.get_by_role("row").filter(has_text="Q1: the answer")
        expect(row).to_contain_text("0 of 1")
        expect(row.locator("td").last).to_have_text("–")
        answer(alice, "42")
        expect(row).to_contain_text("1 of 2", timeout=240_000)
        expect(row.locator("td").last).to_contain_text("minute")
        assert page.evaluate("window.unmarked")
        expect(page.get_by_role("main")).not_to_contain_text("bob")
        page.get_by_label("Show names").check()
        page.get_by_role("button", name="Show").click()
        expect(row.get_by_role("link", name="bob")).to_be_visible()
        page.get_by_label("Show names").uncheck()
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("main")).not_to_contain_text("bob")


def test_the_course_tells_who_is_at_what_how_busy_it_is_and_what_was_published(
    chromium: Browser, hub: RunningHub, visits: ExitStack, alice: Student
) -> None:
    alice.edit()
    reader = visit(visits, chromium, hub, "rita")
    reader.goto("")
    with hub.client("prof") as prof:
        files = {"files": ("A2-New.py", NOTEBOOK.format(title="New"))}
        prof.post("publish/A2-New", files=files).raise_for_status()
    page = visit(visits, chromium, hub, "prof")
    page.goto("teach")
    row = page.get_by_role("row").filter(has_text="alice").first
    expect(row).to_contain_text(ITEM)
    expect(row.locator("[data-label='Memory']")).to_have_text(re.compile(r"\d MB$"))
    expect(row.locator("[data-label='Cores busy']")).to_have_text(re.compile(r"^\d\.\d$"), timeout=240_000)
    expect(page.get_by_text("On the course's pages in the last minutes:")).to_contain_text("rita")
    log = page.get_by_role("region", name="Published").get_by_role("row").filter(has_text="A2-New")
    expect(log).to_contain_text("prof")
    expect(log).to_contain_text("done")
    alice.stop()


def test_a_date_is_filled_in_and_the_course_is_as_it_will_be_then(
    chromium: Browser, hub: RunningHub, visits: ExitStack
) -> None:
    begins = datetime.now().astimezone() + timedelta(days=30)
    with hub.client("prof") as prof:
        files = {"files": ("A3-Later.py", NOTEBOOK.format(title="Later"))}
        dates = {"from": begins.strftime("%Y-%m-%d %H:%M")}
        prof.post("publish/A3-Later", files=files, params=dates).raise_for_status()
    page = visit(visits, chromium, hub, "prof")
    page.goto("teach/preview")
    shown = page.locator(".preview")
    expect(shown).to_contain_text("A1: Answer")
    expect(shown).not_to_contain_text("Later")
    page.get_by_label("On").fill((begins + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Show").click()
    expect(shown).to_contain_text("Later")


@pytest.mark.parametrize(
    ("table", "words", "column"),
    [
        ("people", "prof", "Name"),
        ("tokens", "", "Number"),
        ("audit", "prof", "Who"),
        ("health", "sandbox", "What"),
    ],
)
def test_a_table_is_searched_and_what_was_found_is_taken_away(
    chromium: Browser, hub: RunningHub, visits: ExitStack, table: str, words: str, column: str
) -> None:
    page = visit(visits, chromium, hub, "prof")
    page.goto(f"teach/{table}")
    page.get_by_label("Search").fill(words)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_label("Search")).to_have_value(words)
    rows = page.locator("tbody tr")
    for row in rows.all():
        expect(row).to_contain_text(re.compile(words, re.I))
    with page.expect_download() as as_csv:
        page.get_by_role("button", name="CSV").click()
    with page.expect_download() as as_json:
        page.get_by_role("button", name="JSON").click()
    assert (as_csv.value.suggested_filename, as_json.value.suggested_filename) == (
        f"{table}.csv",
        f"{table}.json",
    )
    with Path(as_csv.value.path()).open(encoding="utf-8-sig", newline="") as file:
        table_of_csv = csv.reader(file)
        assert column in next(table_of_csv)
        # The audit log goes on meanwhile, and may write down a look of ours.
        assert len(list(table_of_csv)) >= rows.count()
    assert len(json.loads(Path(as_json.value.path()).read_text())) >= rows.count()
    assert rows.count() > 0 or table == "tokens"


def test_a_student_sees_who_looked_at_what(
    chromium: Browser, hub: RunningHub, visits: ExitStack, alice: Student
) -> None:
    teacher, student = (visit(visits, chromium, hub, name) for name in ("prof", "alice"))
    teacher.goto("teach/student/alice")
    teacher.get_by_role("link", name=f"Look at {ITEM}").click()
    expect(teacher.get_by_role("heading", level=1)).to_have_text(f"{ITEM} of alice")
    student.goto("")
    student.get_by_text("Your instructors looked at your work").click()
    expect(student.locator(".foot li").first).to_contain_text(f"prof looked at {ITEM}")


def test_a_cell_comes_back_and_a_file_goes_by_keyboard_alone(
    chromium: Browser, hub: RunningHub, visits: ExitStack, alice: Student
) -> None:
    alice.notebook.write_text(re.sub(r"answer = .*", "answer = 5", alice.notebook.read_text()))
    page = visit(visits, chromium, hub, "alice")
    page.goto(f"compare/alice/{ITEM}?old=release")
    by_keyboard(page, page.get_by_role("button", name="Restore cell 3 as it was"))
    expect(page.get_by_text("The cell is back")).to_be_visible()
    assert "answer = None" in alice.notebook.read_text()
    page.goto(f"files/alice/{ITEM}")
    by_keyboard(page, page.get_by_role("button", name="Delete data.csv"))
    expect(page.get_by_role("status").filter(has_text="is deleted")).to_be_visible()
    assert not (alice.workspace / "data.csv").exists()


def test_a_message_is_sent_and_a_notebook_stopped_by_keyboard_alone(
    chromium: Browser, hub: RunningHub, visits: ExitStack, alice: Student
) -> None:
    alice.edit()
    page = visit(visits, chromium, hub, "prof")
    page.goto("teach")
    page.get_by_role("link", name="Course", exact=True).focus()
    while not page.evaluate("document.activeElement.matches('textarea')"):
        page.keyboard.press("Tab")
    page.keyboard.type("The lesson begins.")
    by_keyboard(page, page.get_by_role("button", name="Send to everybody"))
    expect(page.locator(".messages article", has_text="The lesson begins.")).to_be_visible()
    by_keyboard(page, page.get_by_role("link", name=f"Stop {ITEM} of alice"))
    by_keyboard(page, page.get_by_role("button", name="Stop it"))
    expect(page.get_by_text("It is stopped.")).to_be_visible()
    assert alice.sessions() == []


def test_teaching_the_account_and_updates_work_without_scripts(
    chromium: Browser, hub: RunningHub, visits: ExitStack, alice: Student
) -> None:
    page = visit(visits, chromium, hub, "prof", scripts=False)
    page.goto("teach")
    page.get_by_role("textbox").fill("No script was needed.")
    page.get_by_role("button", name="Send to everybody").click()
    expect(page.get_by_text("on everybody's pages now")).to_be_visible()
    page.get_by_role("button", name="Take back: No script was needed.").click()
    expect(page.get_by_text("The message is taken back.")).to_be_visible()
    answer(alice, "7")
    page.get_by_role("link", name="Radar", exact=True).click()
    page.get_by_label("Assignment").select_option(ITEM)
    page.get_by_label("Show names").check()
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="alice").first.click()
    expect(page.get_by_role("main")).to_contain_text("answer = 7")
    page.get_by_role("link", name="All work of alice").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("alice")

    mine = visit(visits, chromium, hub, "alice", scripts=False)
    mine.goto("account")
    mine.get_by_label("Dark", exact=True).check()
    mine.get_by_role("button", name="Keep").first.click()
    expect(mine.locator("html")).to_have_attribute("data-theme", "dark")
    publish(hub.course, ITEM, NOTEBOOK.format(title="The better question"))
    mine.goto(f"update/alice/{ITEM}")
    mine.get_by_role("button", name="Get the update").click()
    expect(mine.get_by_text("You have the new version now")).to_be_visible()
    assert "The better question" in alice.notebook.read_text()
