"""The course page prepares the first click: the editor's files are in the browser before it; and it warns in time."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.support.hub import make_course, running

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(400)]

ITEM = "A1-Answer"
FROM_CACHE = """() => performance.getEntriesByType("resource")
    .filter((e) => e.name.includes("/_marimo/") && /\\.(js|css)$/.test(e.name))
    .map((e) => e.transferSize === 0)"""


def test_the_first_click_finds_the_editors_files_in_the_browser(
    course_root: Path, context: BrowserContext
) -> None:
    with running(make_course(course_root / "first-click")) as hub:
        page = context.new_page()
        page.goto(f"{hub.url}edit/{ITEM}")  # another visitor's session: the environment is made
        expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=120_000)
        assert context.browser is not None
        fresh = context.browser.new_context(base_url=hub.url)
        fresh.set_default_timeout(120_000)
        tab = fresh.new_page()
        wanted = fresh.request.get("editor-files").json()
        assert len(wanted) > 50
        with tab.expect_response(lambda response: response.url.endswith(wanted[-1])):
            tab.goto("")
        tab.goto(f"edit/{ITEM}")
        expect(tab.get_by_role("heading", name="The answer")).to_be_visible()
        cached = tab.evaluate(FROM_CACHE)
        assert sum(cached) >= len(wanted) * 0.9
        fresh.close()


def test_the_course_page_warns_before_an_idle_notebook_is_stopped(
    course_root: Path, context: BrowserContext
) -> None:
    short = '[hub]\ntitle = "Test course"\nsession_ttl = 40\n'
    with running(make_course(course_root / "idle", short)) as hub:
        page = context.new_page()
        page.goto(f"{hub.url}edit/{ITEM}")
        expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=120_000)
        page.goto(hub.url)
        expect(page.locator(".soon")).to_have_text("stops in under a minute", timeout=60_000)
        expect(page.locator(".soon")).to_have_count(0, timeout=120_000)  # stopped, and gone without a reload
