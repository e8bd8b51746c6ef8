"""Pages of a real hub that stay true by themselves: what happens elsewhere is on them without a reload."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.hub import RunningHub, by_proxy, make_course, running

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM = "A1-Answer"
TAUGHT = '[hub]\ntitle = "Test course"\ninstructors = ["prof"]\n'


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "live", TAUGHT)) as up:
        yield up


def visit(chromium: Browser, hub: RunningHub, user: str, path: str = "") -> Page:
    context = chromium.new_context(base_url=hub.url, extra_http_headers=by_proxy(user))
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(path)
    return page


def notebook(hub: RunningHub, user: str) -> Path:
    return hub.course / "hub-notebooks" / user / ITEM / f"{ITEM}.py"


def test_a_result_is_not_taken_for_that_of_a_notebook_that_changed_since(
    chromium: Browser, hub: RunningHub
) -> None:
    with hub.client("bea") as client:
        client.post(f"download-release/bea/{ITEM}").raise_for_status()
        right = notebook(hub, "bea").read_text().replace("None  # YOUR CODE HERE", "42")
        notebook(hub, "bea").write_text(right)
        client.post(f"validate/bea/{ITEM}").raise_for_status()
    page = visit(chromium, hub, "bea")
    row = page.locator(f'li[data-key="{ITEM}"]')
    expect(row).to_contain_text("1 of 1 checks pass")
    expect(row.locator(".first")).to_have_text("Export")
    notebook(hub, "bea").write_text(right.replace("42", "41"))
    page.reload()
    expect(row).to_contain_text("1 of 1 checks passed before the last change")
    expect(row.locator(".first")).to_have_text("Validate")
    row.locator(".first").click()
    expect(row).to_contain_text("0 of 1 checks pass", timeout=240_000)
    expect(row.locator(".facts")).not_to_contain_text("before the last change")
    expect(row.locator(".first")).to_have_text("Edit")
    page.context.close()


@pytest.fixture
def student(hub: RunningHub, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Somebody with a copy; ``name`` tells who."""
    name = "stu-" + str(abs(hash(request.node.name)) % 10**6)
    with hub.client(name) as client:
        client.name = name  # type: ignore[attr-defined]
        client.post(f"download-release/{name}/{ITEM}").raise_for_status()
        yield client
        client.post(f"stop-edit/{name}/{ITEM}")


def watching(chromium: Browser, hub: RunningHub, user: str, path: str = "") -> Page:
    """A page that does not ask by the clock: what changes on it was told by the hub."""
    context = chromium.new_context(base_url=hub.url, extra_http_headers=by_proxy(user))
    context.set_default_timeout(30_000)
    context.add_init_script("window.setInterval = () => 0")
    page = context.new_page()
    with page.expect_response("**/events?seen=*") as stream:
        page.goto(path)
    assert stream.value.headers["content-type"].startswith("text/event-stream")
    page.evaluate("window.same = true")
    return page


def never_left(page: Page) -> bool:
    return bool(page.evaluate("window.same === true"))


def test_a_session_started_in_another_browser_is_on_the_dashboard_at_once(
    chromium: Browser, hub: RunningHub, student: httpx.Client
) -> None:
    name: str = student.name  # type: ignore[attr-defined]
    page = watching(chromium, hub, name)
    expect(page.locator('[data-live="sessions"]')).to_contain_text("Nothing is running.")
    other = chromium.new_context(base_url=hub.url, extra_http_headers=by_proxy(name))
    elsewhere = other.new_page()
    elsewhere.goto(f"edit/{ITEM}")
    elsewhere.wait_for_url("**/edit/user/**", timeout=240_000)
    expect(page.locator('[data-live="sessions"]')).to_contain_text(ITEM, timeout=60_000)
    expect(page.locator(f'li[data-key="{ITEM}"]')).to_contain_text("Editor open")
    student.post(f"stop-edit/{name}/{ITEM}").raise_for_status()
    expect(page.locator('[data-live="sessions"]')).to_contain_text("Nothing is running.", timeout=60_000)
    assert never_left(page)
    other.close()
    page.context.close()


def test_an_instructor_sees_notebooks_and_results_come_in(
    chromium: Browser, hub: RunningHub, student: httpx.Client
) -> None:
    name: str = student.name  # type: ignore[attr-defined]
    course, radar = (
        watching(chromium, hub, "prof", "teach"),
        watching(chromium, hub, "prof", f"teach/radar?item={ITEM}&names=show"),
    )
    dashboard = watching(chromium, hub, "prof")
    student.post(f"start-edit/{name}/{ITEM}").raise_for_status()
    expect(course.locator('[data-live="running"]')).to_contain_text(name, timeout=60_000)
    expect(dashboard.locator('[data-live="sessions"]')).to_contain_text(name, timeout=60_000)
    wrong = notebook(hub, name).read_text().replace("None  # YOUR CODE HERE", "41")
    notebook(hub, name).write_text(wrong)
    student.post(f"validate/{name}/{ITEM}").raise_for_status()
    expect(radar.locator('[data-live="radar"]')).to_contain_text(name, timeout=60_000)
    for page in (course, radar, dashboard):
        assert never_left(page)
        page.context.close()


@pytest.mark.parametrize("path", ["", "account", "files/{name}/" + ITEM, "results/{name}/" + ITEM])
def test_messages_and_an_instructors_look_are_on_every_page_at_once(
    chromium: Browser, hub: RunningHub, student: httpx.Client, path: str
) -> None:
    name: str = student.name  # type: ignore[attr-defined]
    if path.startswith("results"):
        student.post(f"validate/{name}/{ITEM}").raise_for_status()
    page = watching(chromium, hub, name, path.format(name=name))
    with hub.client("prof") as teacher:
        sent = teacher.post("teach/message", data={"text": f"Read this, {name}"}).json()
        message = page.locator(".messages article", has_text=f"Read this, {name}")
        expect(message).to_be_visible(timeout=60_000)
        teacher.get(f"teach/help/{name}/{ITEM}").raise_for_status()
        expect(page.get_by_text("Your instructors looked at your work once lately")).to_be_visible(
            timeout=60_000
        )
        page.locator(".foot summary").click()
        expect(page.locator(".foot")).to_contain_text(f"prof looked at {ITEM}")
        teacher.post(f"teach/message/{sent['id']}/withdraw").raise_for_status()
        expect(message).to_have_count(0, timeout=60_000)
        expect(page.locator(".foot")).to_contain_text(f"prof looked at {ITEM}")  # and it stays open
    assert never_left(page)
    page.context.close()


def test_a_message_is_put_away_on_a_page_that_it_came_to_by_itself(
    chromium: Browser, hub: RunningHub, student: httpx.Client
) -> None:
    name: str = student.name  # type: ignore[attr-defined]
    page = watching(chromium, hub, name, f"teach/radar/{name}")  # a page of ours that says that there is none
    with hub.client("prof") as teacher:
        teacher.post("teach/message", data={"text": "Put me away"}).raise_for_status()
    message = page.locator(".messages article", has_text="Put me away")
    message.get_by_role("button").click()
    page.wait_for_url(hub.url)
    expect(message).to_have_count(0)
    page.context.close()


def test_a_page_that_nobody_looks_at_holds_no_line(
    chromium: Browser, hub: RunningHub, student: httpx.Client
) -> None:
    page = watching(chromium, hub, student.name)  # type: ignore[attr-defined]
    hide = """yes => {
        Object.defineProperty(document, "hidden", {configurable: true, get: () => yes});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with page.expect_event("requestfailed", lambda request: "/events?" in request.url):
        page.evaluate(hide, True)
    with page.expect_response("**/events?seen=*"):
        page.evaluate(hide, False)
    page.context.close()


def test_streams_end_cleanly_when_the_hub_does(course_root: Path) -> None:
    with (
        running(make_course(course_root / "live-end", TAUGHT)) as hub,
        hub.client("cleo") as client,
        client.stream("GET", "events?seen=nothing") as stream,
    ):
        lines = stream.iter_lines()
        assert any(line.startswith("data: ") for line in lines)
        hub.stop()
        assert not any(lines)  # read to a proper end: a stream that is cut raises
