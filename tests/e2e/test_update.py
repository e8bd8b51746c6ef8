"""Getting an update of an assignment, as students do it: ``mograder.hub.pages.updates`` and ``update_views``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.hub import NOTEBOOK, RunningHub, make_course, publish, running
from tests.support.processes import eventually

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM = "A1-Answer"
OLD = NOTEBOOK.format(title="The answer")
NEW = OLD.replace("# The answer", "# The better question").replace(
    "# YOUR CODE HERE", "# YOUR CODE HERE, an int"
)


@pytest.fixture
def hub(course_root: Path, request: pytest.FixtureRequest) -> Iterator[RunningHub]:
    with running(make_course(course_root / f"update-{request.node.name[:20]}")) as up:
        yield up


def begin(page: Page, hub: RunningHub) -> Path:
    page.goto(hub.url)
    page.get_by_role("button", name=f"Download {ITEM}").click()
    expect(page.get_by_role("link", name=f"Edit {ITEM}")).to_be_visible()
    (mine,) = (hub.course / "hub-notebooks").glob(f"*/{ITEM}/{ITEM}.py")
    return mine


def test_an_update_is_told_shown_made_and_undone(hub: RunningHub, page: Page, pictures: Path) -> None:
    mine = begin(page, hub)
    expect(page.get_by_text("Update available")).to_have_count(0)
    answered = mine.read_text().replace("answer = None  # YOUR CODE HERE", "answer = 42")
    mine.write_text(answered)
    publish(hub.course, ITEM, NEW)
    page.reload()
    expect(page.get_by_text("Update available")).to_be_visible()
    page.screenshot(path=pictures / "update-dashboard.png")
    page.get_by_role("link", name="Get the update of").click()
    expect(page.get_by_role("group", name="Cell 1 of 1")).to_contain_text("answer = 42")
    for width in (1280, 375):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=pictures / f"update-{width}-{scheme}.png", full_page=True)
    assert mine.read_text() == answered
    expect(page.get_by_label("Keep mine")).to_be_checked()
    page.get_by_role("button", name="Get the update").click()
    expect(page.get_by_text("You have the new version now")).to_be_visible()
    assert "The better question" in mine.read_text()
    assert "answer = 42" in mine.read_text()
    page.get_by_role("button", name="Undo the last update").click()
    expect(page.get_by_text("as it was before the update")).to_be_visible()
    assert mine.read_text() == answered
    page.goto(hub.url)
    expect(page.get_by_text("Update available")).to_be_visible()


def test_a_page_that_is_out_of_date_changes_nothing(hub: RunningHub, page: Page) -> None:
    mine = begin(page, hub)
    publish(hub.course, ITEM, NEW)
    page.reload()
    page.get_by_role("link", name="Get the update of").click()
    text = mine.read_text() + "# later\n"
    mine.write_text(text)
    page.get_by_role("button", name="Get the update").click()
    expect(page.get_by_role("main")).to_contain_text("was changed since you looked")
    assert mine.read_text() == text


def test_an_open_editor_is_closed_for_the_update_and_nothing_of_it_lost(hub: RunningHub, page: Page) -> None:
    mine = begin(page, hub)
    page.goto(f"{hub.url}edit/{ITEM}")
    expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
    cell = page.locator(".cm-content", has_text="answer =").first
    cell.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("answer = 41 + 1")
    assert eventually(lambda: "41 + 1" in mine.read_text(), 30)
    publish(hub.course, ITEM, NEW)
    user = mine.parents[1].name
    page.goto(f"{hub.url}update/{user}/{ITEM}")
    expect(page.get_by_text("is closed for the update")).to_be_visible()
    page.get_by_role("button", name="Get the update").click()
    expect(page.get_by_text("You have the new version now")).to_be_visible()
    assert "41 + 1" in mine.read_text()
    page.goto(f"{hub.url}edit/{ITEM}")
    expect(page.get_by_role("heading", name="The better question")).to_be_visible(timeout=240_000)
