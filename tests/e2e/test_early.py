"""An editor whose cells ran before it was drawn, in a real browser: it looks as if they had waited for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.support.hub import NOTEBOOK, RunningHub, bare_course, publish, running
from tests.support.processes import eventually

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM = "A1-Answer"
COUNT = """
@app.cell
def _():
    from pathlib import Path as _Path

    with open("runs", "a") as _file:
        _file.write("run\\n")
    len(_Path("runs").read_text().splitlines())
    return


if __name__"""


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = bare_course(course_root / "early", '[hub]\ntitle = "Test course"\n')
    publish(course, ITEM, NOTEBOOK.format(title="The answer").replace("if __name__", COUNT.lstrip()))
    with running(course) as up:
        yield up


def workspace(page: Page, hub: RunningHub) -> Path:
    user = re.search(r"/edit/user/([^/]+)/", page.url)[1]  # type: ignore[index]
    return hub.course / "hub-notebooks" / user / ITEM


def test_the_cells_have_run_when_the_editor_is_drawn_and_nothing_says_so(
    hub: RunningHub, context: BrowserContext, pictures: Path
) -> None:
    page = context.new_page()
    # marimo's own scripts wait here until the cells have run: what the page shows afterwards was kept for it.
    held: list[Route] = []
    let_go: list[bool] = []
    page.route(
        re.compile(r"/_marimo/.*/index-[^/]*\.js"),
        lambda route: route.continue_() if let_go else held.append(route),
    )
    page.goto(f"{hub.url}edit/{ITEM}", wait_until="commit")
    page.wait_for_url(re.compile("/edit/user/"), timeout=240_000, wait_until="commit")
    runs = workspace(page, hub) / "runs"
    assert eventually(runs.exists, 60)
    while not held:
        page.wait_for_timeout(50)  # what Chromium asks for is told in here alone
    let_go.append(True)  # more than one is asked for
    for route in held:
        route.continue_()
    expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
    expect(page.locator(".output-area", has_text=re.compile("^1$"))).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("econnected")
    assert runs.read_text() == "run\n"
    page.screenshot(path=pictures / "early.png")

    page.reload()
    expect(page.get_by_text("You have reconnected to an existing session.")).to_be_visible()
    expect(page.locator(".output-area", has_text=re.compile("^1$"))).to_be_visible()
    assert runs.read_text() == "run\n"


def test_a_page_that_stayed_open_has_what_was_typed_in_it_run(
    hub: RunningHub, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"{hub.url}edit/{ITEM}")
    expect(page.locator(".output-area", has_text=re.compile("^1$"))).to_be_visible(timeout=240_000)
    user = workspace(page, hub).parent.name
    assert page.request.post(f"{hub.url}stop-edit/{user}/{ITEM}").ok
    cell = page.locator(".cm-content", has_text="answer = None")
    cell.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("answer = 6 * 7\nanswer")
    assert page.request.post(f"{hub.url}start-edit-deep/{ITEM}").ok
    expect(page.locator(".output-area", has_text=re.compile("^42$"))).to_be_visible(timeout=240_000)
    expect(page.get_by_text("The test passes.")).to_be_visible()
