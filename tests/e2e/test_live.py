"""Pages of a real hub that stay true by themselves: what happens elsewhere is on them without a reload."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.hub import RunningHub, by_proxy, make_course, running

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(300)]

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
    expect(row).to_contain_text("0 of 1 checks pass", timeout=90_000)
    expect(row.locator(".facts")).not_to_contain_text("before the last change")
    expect(row.locator(".first")).to_have_text("Edit")
    page.context.close()
