"""The student's way through an assignment and a lecture, word for word, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.conftest import CHROMIUM, browsing
from tests.support.hub import RunningHub

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

A1, L1 = "A1-Heat-Equation", "L01-Random-Walks"
ANSWER = '''def largest_dt(dx, alpha):
    """The longest stable time step in seconds."""
    return dx**2 / (2 * alpha)'''


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """All of it, as students have it; elsewhere what draws pages is enough."""
    with browsing(CHROMIUM) as browser:
        yield browser


def until(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for something on disk, of which no event tells."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.05)


def user_of(page: Page) -> str:
    return page.locator(".who bdi").inner_text()


def open_in_new_tab(context: BrowserContext, click: Callable[[], None]) -> Page:
    with context.expect_page() as opened:
        click()
    return opened.value


def write_answer(editor: Page) -> None:
    """Replace the cell of Question 2 and run it, as a student does with the keyboard."""
    cell = editor.locator(".cm-content", has_text="def largest_dt").first
    cell.scroll_into_view_if_needed()
    cell.click()
    editor.keyboard.press("Control+a")
    editor.keyboard.insert_text(ANSWER)
    editor.keyboard.press("Control+Enter")


def test_download_edit_validate_export_reset(
    demo_hub: RunningHub, context: BrowserContext, page: Page, pictures: Path
) -> None:
    page.goto(demo_hub.url)
    user = user_of(page)
    notebook = demo_hub.course / "hub-notebooks" / user / A1 / f"{A1}.py"
    row = page.locator(f'li[data-key="{A1}"]')
    expect(row).to_contain_text("Not started")
    page.screenshot(path=pictures / "dashboard-new.png")

    row.get_by_role("button", name=re.compile("^Download")).click()
    expect(row).to_contain_text("In progress")
    assert notebook.exists()

    editor = open_in_new_tab(context, lambda: row.get_by_role("link", name=re.compile("^Edit")).first.click())
    expect(editor).to_have_url(re.compile(rf"/edit/user/{user}/{A1}/"), timeout=240_000)
    expect(editor.get_by_role("heading", name="The rod without a label").first).to_be_visible(timeout=240_000)
    expect(editor.get_by_text("Q2: the speed limit").first).to_be_attached(timeout=240_000)

    write_answer(editor)
    until(lambda: "return dx**2 / (2 * alpha)" in notebook.read_text(), "the edit is saved")
    expect(editor.get_by_text(re.compile("nodes twice as far apart")).first).to_be_attached()
    editor.screenshot(path=pictures / "editor.png")

    page.bring_to_front()
    expect(page.locator('[data-live="sessions"]')).to_contain_text(re.compile("heat", re.I))
    row.get_by_role("button", name=re.compile("^Validate")).first.click()
    expect(page.get_by_text("Q2: the speed limit")).to_be_visible(timeout=240_000)
    expect(page.get_by_text("PASS", exact=True).first).to_be_visible()
    page.screenshot(path=pictures / "validated.png", full_page=True)

    with page.expect_download() as download:
        export = row.get_by_role("link", name=re.compile("^Export"))
        if not export.first.is_visible():
            row.locator("summary").click()
        export.first.click()
    assert download.value.suggested_filename == f"{A1}.py"
    assert Path(download.value.path()).read_text() == notebook.read_text()
    expect(row).to_contain_text("Exported")

    reset = row.get_by_role("button", name=re.compile("^Reset")).first
    if not reset.is_visible():
        row.locator("summary").click()
    reset.click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Reset")).click()
    until(lambda: "return dx**2 / (2 * alpha)" not in notebook.read_text(), "the release is back")
    release = demo_hub.course / "hub-release" / A1 / f"{A1}.py"
    assert notebook.read_bytes() == release.read_bytes()

    page.goto(f"{demo_hub.url}history/{user}/{A1}")
    expect(page.get_by_text(re.compile("Replaced by a reset")).first).to_be_visible()
    page.screenshot(path=pictures / "history.png")
    page.get_by_role("button", name=re.compile("^Restore")).first.click()
    until(lambda: "return dx**2 / (2 * alpha)" in notebook.read_text(), "the old work is back")


def test_a_deep_link_opens_the_editor_and_reconnects_to_it(
    demo_hub: RunningHub, context: BrowserContext, page: Page, pictures: Path
) -> None:
    page.goto(f"{demo_hub.url}edit/{A1}")
    expect(page).to_have_url(re.compile(rf"/edit/user/[^/]+/{A1}/"), timeout=240_000)
    expect(page.get_by_role("heading", name="The rod without a label").first).to_be_visible(timeout=240_000)
    user = re.search(r"/edit/user/([^/]+)/", page.url)[1]  # type: ignore[index]
    notebook = demo_hub.course / "hub-notebooks" / user / A1 / f"{A1}.py"
    write_answer(page)
    until(lambda: "return dx**2 / (2 * alpha)" in notebook.read_text(), "the edit is saved")

    again = context.new_page()
    again.goto(f"{demo_hub.url}edit/{A1}")
    expect(again).to_have_url(re.compile(rf"/edit/user/{user}/{A1}/"))
    assert "return dx**2 / (2 * alpha)" in notebook.read_text()
    sessions = context.request.get(f"{demo_hub.url}sessions").json()
    assert [session["assignment"] for session in sessions] == [A1]

    page.goto(demo_hub.url)
    page.get_by_role("button", name=re.compile("^Stop")).first.click()
    expect(page.locator('[data-live="sessions"]')).to_contain_text("Nothing is running")
    assert context.request.get(f"{demo_hub.url}sessions").json() == []


def test_a_lecture_runs_and_links_to_the_assignment(
    demo_hub: RunningHub, context: BrowserContext, page: Page, pictures: Path
) -> None:
    page.goto(demo_hub.url)
    lecture = open_in_new_tab(
        context,
        lambda: page.locator(f'li[data-key="{L1}"]').get_by_role("link", name=re.compile("^Run")).click(),
    )
    expect(lecture).to_have_url(re.compile(rf"/run/user/[^/]+/{L1}/"), timeout=240_000)
    expect(lecture.get_by_role("slider").first).to_be_visible(timeout=240_000)
    lecture.screenshot(path=pictures / "lecture.png")


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dashboard_is_worth_looking_at(
    demo_hub: RunningHub, context: BrowserContext, page: Page, pictures: Path, width: int, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 860})
    page.goto(demo_hub.url)
    expect(page.locator(f'li[data-key="{A1}"]')).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=pictures / f"dashboard-{width}-{scheme}.png")
