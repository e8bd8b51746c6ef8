"""The instructors' pages on a real hub, in a real browser: ``teach``, ``teach_work``, ``teach_tables``, ``teach_views``
and what all pages share (``common``)."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.pages.conftest import is_trouble
from tests.pages.test_look import SHIFTS, findings
from tests.support.hub import RunningHub, end_engine, make_course, start
from tests.support.students import ITEM, Student

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

CONFIG = '[hub]\ntitle = "<script>alert(1)</script> Course"\ninstructors = ["prof"]\n'
PAGES = ("teach", "teach/radar", "teach/radar?names=show", "teach/student/alice", f"teach/help/alice/{ITEM}",
         "teach/preview", "teach/people", "teach/tokens", "teach/audit", "teach/health", "teach/stop-all")  # fmt: skip
SECRET = {"MOGRADER_HUB_SECRET": "0123456789abcdef" * 4}
HOSTILE = "<script>document.title = 'broken'</script>" + "\u202e" + "W" * 150


class School:
    """A hub with a class: alice has passed, bob is stuck, and both have their notebook open."""

    def __init__(self, stack: ExitStack, course: Path) -> None:
        self.hub: RunningHub = start(course, env=SECRET)
        stack.callback(end_engine, course)
        stack.callback(self.hub.stop, signal.SIGINT)
        self.alice, self.bob, self.prof = (
            stack.enter_context(Student(self.hub, name)) for name in ("alice", "bob", "prof")
        )
        for student, answer in ((self.alice, "42"), (self.bob, "7")):
            student.edit()
            text = student.notebook.read_text()
            student.notebook.write_text(text.replace("None  # YOUR", f"{answer}  # YOUR"))
            student.http.post(f"validate/{student.name}/{ITEM}").raise_for_status()


@pytest.fixture(scope="module")
def school(course_root: Path) -> Iterator[School]:
    with ExitStack() as stack:
        yield School(stack, make_course(course_root / "school", CONFIG))


def visitor(browser: Browser, school: School, name: str, **options: object) -> BrowserContext:
    return browser.new_context(
        base_url=school.hub.url,
        extra_http_headers={"X-Remote-User": name},
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture
def tab(chromium: Browser, school: School) -> Iterator[Page]:
    context = visitor(chromium, school, "prof")
    yield context.new_page()
    context.close()


def test_students_see_none_of_it(school: School) -> None:
    for path in PAGES:
        assert school.bob.http.get(path).status_code == 403, path
    for path in ("teach/message", "teach/stop-all", f"teach/stop/edit/alice/{ITEM}"):
        answer = school.bob.http.post(path, data={"text": "hello"})
        assert answer.status_code == 403, path
    assert school.alice.sessions() == [ITEM]


BROKEN = """() => {
    const found = [];
    for (const cell of document.querySelectorAll("td, th")) {
        const walk = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        for (let node; node = walk.nextNode();)
            for (const word of node.data.matchAll(/(?<!\\S)[\\p{L}\\d.:]{2,12}(?!\\S)/gu)) {
                const range = new Range();
                range.setStart(node, word.index);
                range.setEnd(node, word.index + word[0].length);
                if (range.getClientRects().length > 1) found.push(word[0]);
            }
    }
    return found;
}"""
"""Usual words in tables that do not stand on one line."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_every_page_fits_and_is_quiet(chromium: Browser, school: School, width: int, scheme: str) -> None:
    context = visitor(chromium, school, "prof", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, troubles = context.new_page(), []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda line: troubles.append(line.text) if is_trouble(line.text) else None)
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.add_init_script(SHIFTS)
    pictures = Path(__file__).parents[2] / "test-artifacts"
    pictures.mkdir(exist_ok=True)
    for path in PAGES:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(BROKEN) == [], path
        assert page.locator("h1").count() == 1, path
        assert page.evaluate("window.shifts") <= 0.002, path  # a busy browser may draw a page in two pieces
        assert findings(page, *([] if scheme == "light" else ["color-contrast"])) == [], path
        name = path.split("?")[0].replace("/", "-")
        page.screenshot(path=pictures / f"{name}-{width}-{scheme}.png", full_page=True)
    context.close()
    assert troubles == []
    assert {url for url in asked if not url.startswith(school.hub.url)} == set()


def test_the_course_page_tells_who_is_here_and_stops_one_after_asking(tab: Page, school: School) -> None:
    carol = Student(school.hub, "carol")
    carol.edit()
    tab.goto("teach")
    row = tab.get_by_role("row").filter(has_text="carol")
    expect(row).to_contain_text("MB")
    row.get_by_text("Stop").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text(f"Stop {ITEM} of carol?")
    assert carol.sessions() == [ITEM]
    tab.get_by_role("button", name="Stop it").click()
    expect(tab.get_by_text("It is stopped.")).to_be_visible()
    assert carol.sessions() == []
    assert school.alice.sessions() == [ITEM]
    carol.close()


def test_a_message_reaches_every_page_does_nothing_and_is_put_away_by_each(
    chromium: Browser, tab: Page, school: School
) -> None:
    tab.goto("teach")
    tab.get_by_role("textbox").fill(HOSTILE)
    tab.get_by_role("button", name="Send to everybody").click()
    expect(tab.get_by_text("on everybody's pages now")).to_be_visible()
    context = visitor(chromium, school, "bob", viewport={"width": 375, "height": 800})
    bobs = context.new_page()
    bobs.goto("")
    message = bobs.get_by_role("region", name="Messages")
    expect(message).to_contain_text("<script>document.title")
    expect(message).to_contain_text("prof")
    assert bobs.title() != "broken"
    assert bobs.evaluate("document.documentElement.scrollWidth") <= 375
    message.get_by_role("button", name="Put this message away").click()
    expect(message.get_by_role("article")).to_have_count(0)
    bobs.reload()
    expect(message.get_by_role("article")).to_have_count(0)
    assert len(school.alice.http.get("messages").json()) == 1
    context.close()


def test_the_radar_counts_the_class_and_names_nobody_until_it_is_asked_to(tab: Page, school: School) -> None:
    tab.goto("teach/radar")
    expect(tab.get_by_role("main")).to_contain_text("Q1: the answer")
    expect(tab.get_by_role("main")).to_contain_text("It is 42.")
    assert "bob" not in tab.content()
    tab.goto("teach/radar?names=show")
    expect(tab.get_by_role("main")).to_contain_text("bob")


def test_help_shows_the_source_runs_nothing_and_is_told_to_the_student_and_the_log(
    tab: Page, school: School
) -> None:
    kept = school.alice.notebook.read_text()
    hostile = f'mo.md("""{HOSTILE}""")'
    school.alice.notebook.write_text(kept.replace('mo.md("""# The answer""")', hostile))
    tab.goto(f"teach/help/alice/{ITEM}")
    expect(tab.get_by_role("main")).to_contain_text("answer = 42")
    expect(tab.get_by_role("main")).to_contain_text("<script>document.title")
    assert tab.title() != "broken"
    school.alice.notebook.write_text(kept)
    assert f"prof</bdi> looked at <bdi>{ITEM}" in school.alice.http.get("").text
    audit = school.prof.http.get("teach/audit", params={"q": "teach/help alice", "format": "json"}).json()
    assert audit[0]["Who"] == "prof"
    assert (audit[0]["Owner"], audit[0]["Item"]) == ("alice", ITEM)


def test_tables_are_searched_on_the_server_and_taken_away(school: School) -> None:
    page = school.prof.http.get("teach/people", params={"q": "ALICE"}).text
    assert "alice" in page
    assert "bob" not in page
    table = school.prof.http.get("teach/people", params={"format": "csv"})
    assert "attachment" in table.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert {row["Name"]: row["Role"] for row in rows}.items() >= {
        "alice": "student",
        "prof": "instructor",
    }.items()
    seen = re.search(r"<time [^>]*>([-\d]+)\n([:\d]+) UTC</time>", school.prof.http.get("teach/audit").text)
    assert seen is not None
    at = {"q": " ".join(seen.groups()), "format": "json"}  # what is read is found
    assert school.prof.http.get("teach/audit", params=at).json()
    empty = school.prof.http.get("teach/people", params={"q": quote("nobody-at-all")})
    assert empty.status_code == 200
    assert school.prof.http.get("teach/people", params={"format": "xls"}).status_code == 422


def test_a_token_is_listed_and_ended_after_asking(tab: Page, school: School) -> None:
    words = ["-m", "mograder", "hub", "-C", str(school.hub.course), "generate-token", "alice"]
    made = subprocess.run(
        [sys.executable, *words], env={**os.environ, **SECRET}, capture_output=True, check=True
    )
    token = made.stdout.decode().strip()
    bearer = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{school.hub.url}assignments", headers=bearer).status_code == 200
    tab.goto("teach/tokens")
    row = tab.get_by_role("row").filter(has_text="alice")
    expect(row).to_contain_text("in force")
    assert token not in tab.content()
    row.get_by_role("link").click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("of alice?")
    tab.get_by_role("button", name="Revoke it").click()
    expect(tab.get_by_text("It is revoked")).to_be_visible()
    expect(row).to_contain_text("revoked")
    assert httpx.get(f"{school.hub.url}assignments", headers=bearer).status_code == 401
    assert school.bob.http.post("teach/tokens/1/revoke").status_code == 403


def test_a_preview_is_what_a_newcomer_sees_and_changes_nothing(tab: Page, school: School) -> None:
    tab.goto("teach/preview")
    expect(tab.get_by_role("main")).to_contain_text("A1: Answer")
    assert not (school.hub.course / "hub-notebooks" / "prof").exists()
    assert school.prof.http.get("teach/preview", params={"at": "yesterday"}).status_code == 422


def test_all_are_stopped_after_asking(tab: Page, school: School) -> None:
    tab.goto("teach/stop-all")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("notebooks that are open?")
    tab.get_by_role("button", name="Stop them all").click()
    expect(tab.get_by_text("Every notebook is stopped.")).to_be_visible()
    assert school.prof.http.get("sessions").json() == []
