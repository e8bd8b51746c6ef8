"""What somebody typed is in the file when their idle notebook is stopped (``mograder.sessions.idleness``)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.test_bar import ITEM, answer, notebook_of, open_editor
from tests.support.hub import RunningHub, make_course, running
from tests.support.processes import eventually

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

PATIENCE = 30
"""Seconds without activity after which a session is stopped."""


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "stopped", f'[hub]\ntitle = "Test course"\nsession_ttl = {PATIENCE}\n')
    with running(course) as up:
        yield up


def is_open(page: Page, hub: RunningHub) -> bool:
    return bool(page.context.request.get(f"{hub.url}sessions").json())


def test_what_was_typed_last_is_in_the_file_when_the_notebook_is_stopped(hub: RunningHub, page: Page) -> None:
    open_editor(page, hub)
    cell = page.locator(".cm-content", has_text="answer =").first
    cell.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("answer = 'the last word'")  # and nothing else: it is not run, nobody presses save
    assert eventually(lambda: not is_open(page, hub), 150)
    assert "the last word" in notebook_of(page, hub).read_text()


def test_a_notebook_that_could_not_be_saved_stays_open_until_it_is(hub: RunningHub, page: Page) -> None:
    open_editor(page, hub)
    notebook = notebook_of(page, hub)
    forbid(notebook)
    try:
        with page.expect_response(re.compile("/api/kernel/save")) as tried:
            answer(page, "answer = 'only in the browser'")
        assert tried.value.status == 500
        end = time.monotonic() + 1.5 * PATIENCE
        while time.monotonic() < end:
            assert is_open(page, hub)
            page.wait_for_timeout(500)
    finally:
        notebook.parent.chmod(0o700)
        notebook.chmod(0o600)
    with page.expect_response(re.compile("/api/kernel/save")) as saved:
        page.locator(".cm-content", has_text="answer =").first.click()
        page.keyboard.press("Control+s")
    expect(page.locator(".state")).to_have_text(re.compile("^Saved"))
    assert saved.value.status == 200, saved.value.text()
    assert eventually(lambda: not is_open(page, hub), 150)
    assert "only in the browser" in notebook.read_text()


def test_who_is_idle_is_warned_in_time_and_can_stay(hub: RunningHub, page: Page, pictures: Path) -> None:
    open_editor(page, hub)
    stay = page.get_by_role("button", name="Keep it open")
    expect(stay).to_be_visible(timeout=240_000)
    page.screenshot(path=pictures / "bar-idle.png")
    stay.click()
    expect(stay).to_be_hidden(timeout=240_000)
    expect(page.locator(".state")).to_have_text(re.compile("^Saved"))


def test_the_course_page_warns_before_an_idle_notebook_is_stopped(hub: RunningHub, page: Page) -> None:
    open_editor(page, hub)
    page.goto(hub.url)
    expect(page.locator(".soon")).to_have_text("stops in under a minute", timeout=240_000)
    expect(page.locator(".soon")).to_have_count(0, timeout=240_000)  # stopped, and gone without a reload


def test_an_editor_that_loads_for_longer_than_the_patience_is_still_there_when_it_has_loaded(
    course_root: Path, page: Page
) -> None:
    """As over a slow line: the page is there, a script of the editor's is not yet, so nobody can type."""
    held: list[Route] = []
    page.route("**/_marimo/**/index-*.js", lambda route: held.append(route))
    with running(make_course(course_root / "slow", "[hub]\nsession_ttl = 4\n")) as up:
        page.goto(f"{up.url}edit/{ITEM}")
        page.wait_for_url(f"{up.url}edit/user/*/{ITEM}/", wait_until="commit", timeout=240_000)
        end = time.monotonic() + 16  # a tab that idles so long is stopped: the next lines show it
        while time.monotonic() < end:
            assert is_open(page, up)
            page.wait_for_timeout(500)
        assert held
        for route in held:
            route.continue_()
        page.unroute("**/_marimo/**/index-*.js")
        expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
        assert eventually(lambda: not is_open(page, up), 60)


def forbid(notebook: Path) -> None:
    """Make marimo's save fail, as a full disk does: neither a new file nor the old one can be written."""
    notebook.chmod(0o400)
    notebook.parent.chmod(0o500)
