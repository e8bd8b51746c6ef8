"""The course page prepares the first click: the editor's files are in the browser before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.hub import NOTEBOOK, RunningHub, make_course, publish, running

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM = "A1-Answer"
FROM_CACHE = """() => performance.getEntriesByType("resource")
    .filter((e) => e.name.includes("/_marimo/") && /\\.(js|css)$/.test(e.name))
    .map((e) => e.transferSize === 0)"""


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    """With an environment that is made."""
    course = make_course(course_root / "first-click")
    publish(course, "A2-Again", NOTEBOOK.format(title="Once more"))
    with running(course) as up:
        with up.client("first") as client:
            client.post(f"start-edit-deep/{ITEM}").raise_for_status()
        yield up


def test_the_first_click_finds_the_editors_files_in_the_browser(hub: RunningHub, chromium: Browser) -> None:
    with chromium.new_context(base_url=hub.url) as fresh:
        fresh.set_default_timeout(120_000)
        tab = fresh.new_page()
        wanted = fresh.request.get("editor-files").json()
        assert len(wanted) > 50
        with tab.expect_response(lambda response: response.url.endswith(wanted[-1])):
            tab.goto("")
        tab.goto(f"edit/{ITEM}")
        expect(tab.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
        cached = tab.evaluate(FROM_CACHE)
        assert sum(cached) >= len(wanted) * 0.9


def _until_quiet(page: Page, asked: list[str]) -> None:
    """Wait until a page has asked for no more of the editor's files for a while; nothing tells when it is done."""
    before = -1
    while before != (before := sum("/_marimo/" in url for url in asked)):
        page.wait_for_timeout(3000)


def test_in_a_second_notebook_no_file_of_the_editors_crosses_the_wire(
    hub: RunningHub, context: BrowserContext
) -> None:
    """Of whatever type: only what is the notebook's own, and the hub's bar over it, is asked for again."""
    first = context.new_page()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    first.goto(f"{hub.url}edit/{ITEM}")
    expect(first.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
    _until_quiet(first, asked)
    second = context.new_page()
    line = context.new_cdp_session(second)
    responses: dict[str, dict[str, Any]] = {}
    from_memory: set[str] = set()
    line.on("Network.responseReceived", lambda event: responses.update({event["requestId"]: event}))
    line.on("Network.requestServedFromCache", lambda event: from_memory.add(event["requestId"]))
    line.send("Network.enable")
    second.goto(f"{hub.url}edit/A2-Again")
    expect(second.get_by_role("heading", name="Once more")).to_be_visible(timeout=240_000)
    _until_quiet(second, asked)
    kept, crossed = [], []
    for number, event in responses.items():
        answer = event["response"]
        cached = answer["fromDiskCache"] or number in from_memory
        (kept if cached else crossed).append((event["type"], answer["url"]))
    editors = [(kind, url) for kind, url in kept if "/_marimo/" in url]
    assert {"Script", "Stylesheet", "Font"} <= {kind for kind, _ in editors}
    assert len(editors) > 100
    assert [url for _, url in crossed if "/_marimo/" in url] == []
    files = [url for kind, url in crossed if kind in ("Script", "Stylesheet", "Font", "Image", "Manifest")]
    assert [url for url in files if "/_hub/" not in url and "/static/" not in url] == []
