"""The bar over the editor for those who see, move or read otherwise: axe, keyboard, zoom, less motion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.test_bar import ITEM, TAUGHT, open_editor, user_of
from tests.pages.test_look import AXE
from tests.support.hub import RunningHub, make_course, running

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

FOCUSED = "document.querySelector('#mograder-bar').shadowRoot.activeElement"
SHIFTS = """window.moved = [];
new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.moved.push(
    ...entry.sources.map(({ node }) => node?.id ?? "")))).observe({ type: "layout-shift", buffered: true });"""


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "bar-for-everybody", TAUGHT)) as up:
        yield up


def in_the_bar(page: Page) -> list[str]:
    """What axe finds in the bar; marimo's own page is marimo's."""
    page.evaluate(AXE)
    result = page.evaluate("axe.run('#mograder-bar', {resultTypes: ['violations']})")
    return [f"{found['id']}: {[node['target'] for node in found['nodes']]}" for found in result["violations"]]


def test_axe_finds_nothing_in_the_bar_whatever_it_shows(hub: RunningHub, page: Page, pictures: Path) -> None:
    open_editor(page, hub)
    with hub.client("prof") as teacher:
        teacher.post("teach/message", data={"text": "Question 2 is wrong."}).raise_for_status()
    expect(page.locator("#mograder-bar .notes li")).to_have_count(1, timeout=240_000)
    page.get_by_role("button", name="Validate").click()
    expect(page.locator("aside.panel .checks li").first).to_be_visible(timeout=240_000)
    token = page.request.get(hub.url).text().partition('<meta name="csrf" content="')[2].partition('"')[0]
    headers = {"Origin": hub.url.rstrip("/"), "Accept": "application/json", "X-CSRF-Token": token}
    stopped = page.request.post(f"{hub.url}stop-edit/{user_of(page)}/{ITEM}", headers=headers)
    assert stopped.ok
    expect(page.locator("#mograder-bar .alert")).to_be_visible(timeout=240_000)
    found = {}
    for theme, other in (("light", "dark"), ("dark", "light")):
        page.evaluate("([from, to]) => document.body.classList.replace(from, to)", [other, theme])
        expect(page.locator("#mograder-bar")).to_have_attribute("data-theme", theme)
        for width in (1280, 640, 375):  # 640: the window of 1280 at 200 %
            page.set_viewport_size({"width": width, "height": 800})
            found[theme, width] = in_the_bar(page)
            page.screenshot(path=pictures / f"bar-all-{width}-{theme}.png")
    assert {state: what for state, what in found.items() if what} == {}
    page.evaluate(  # or that would prove nothing
        "document.querySelector('#mograder-bar').shadowRoot.append(document.createElement('button'))"
    )
    assert any(finding.startswith("button-name") for finding in in_the_bar(page))


def test_the_bar_is_used_by_keyboard_alone(hub: RunningHub, page: Page) -> None:
    open_editor(page, hub)
    page.keyboard.press("Escape")  # out of the cell that marimo opens a notebook in
    for _ in range(20):
        page.keyboard.press("Shift+Tab")
        if page.evaluate(f"{FOCUSED}?.textContent") == "Validate":
            break
    assert page.evaluate(f"getComputedStyle({FOCUSED}).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    panel = page.locator("aside.panel")
    expect(panel).to_contain_text(re.compile(r"\d of 1 check pass"), timeout=240_000)
    expect(panel).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert page.evaluate(f"{FOCUSED}.textContent") == "Validate"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate(f"{FOCUSED}.textContent") == "Help"
    page.keyboard.press("Enter")
    expect(panel).to_contain_text("run the cell")


def test_nothing_of_the_bar_moves_for_those_who_want_it_so(hub: RunningHub, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    open_editor(page, hub)
    check = page.get_by_role("button", name="Validate")
    with page.expect_response(re.compile("_hub/validate")):
        check.click()
        expect(check).to_have_attribute("aria-busy", "true")
        moving = (
            "document.querySelector('#mograder-bar').shadowRoot.getAnimations().map((a) => a.animationName)"
        )
        assert page.evaluate(moving) == []


def test_the_bar_moves_nothing_when_it_comes_and_asks_no_other_host(
    hub: RunningHub, page: Page, context: BrowserContext
) -> None:
    context.add_init_script(SHIFTS)
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    open_editor(page, hub)
    page.get_by_role("button", name="Validate").click()
    expect(page.locator("aside.panel .checks li").first).to_be_visible(timeout=240_000)
    elsewhere = {url for url in asked if not url.startswith((hub.url, "data:", "blob:"))}
    assert elsewhere == set()
    assert len(asked) > 20
    assert {"root", "mograder-bar"} & set(page.evaluate("window.moved")) == set()
