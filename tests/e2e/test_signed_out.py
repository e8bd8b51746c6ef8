"""A page that is left open when its reader signs out elsewhere: it hears nothing more, and says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.attacks.content_hosts import ITEM, Apart, hub_apart, visitor

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ASKED = """performance.getEntriesByType('resource').filter(({name}) => name.includes('_hub/events')).length"""


@pytest.fixture(scope="module", params=["path", "owners"])
def hub(request: pytest.FixtureRequest, course_root: Path) -> Iterator[Apart]:
    with hub_apart(course_root / f"signed-out-{request.param}", request.param) as up:
        up.start("alice")
        yield up


def editor(page: Page, hub: Apart) -> Page:
    page.goto(f"{hub.hub_url}edit/user/alice/{ITEM}/")
    expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
    expect(page.locator("#mograder-bar .state")).to_have_text(re.compile("^Saved"), timeout=240_000)
    return page


def test_the_bar_and_the_dashboard_say_that_one_is_signed_out(chromium: Browser, hub: Apart) -> None:
    with visitor(chromium, hub, "alice") as context:
        dashboard, notebook = context.new_page(), editor(context.new_page(), hub)
        dashboard.goto(hub.hub_url)
        account = context.new_page()
        account.goto(f"{hub.hub_url}logout")
        account.get_by_role("button", name="Sign out").last.click()
        expect(notebook.locator("#mograder-bar .state")).to_have_text("Signed out", timeout=240_000)
        expect(notebook.locator("#mograder-bar .alert")).to_contain_text("What was saved is safe.")
        expect(dashboard.locator(".offline")).to_be_visible(timeout=240_000)
        expect(dashboard.locator(".offline")).to_contain_text("you are signed out")
        asked = notebook.evaluate(ASKED)
        notebook.wait_for_timeout(8000)
        assert (
            notebook.evaluate(ASKED) == asked
        )  # it does not go on asking: a hall of such pages would be held up
        notebook.get_by_role("button", name="Sign in again").click()
        expect(notebook.get_by_role("heading", name="Please sign in")).to_be_visible()


def test_who_signs_in_again_finds_the_notebook_as_it_was(chromium: Browser, hub: Apart) -> None:
    with visitor(chromium, hub, "alice") as context:
        notebook = editor(context.new_page(), hub)
        with hub.running.client("alice") as http:
            http.post("account/sign-out-everywhere").raise_for_status()
        expect(notebook.locator("#mograder-bar .state")).to_have_text("Signed out", timeout=240_000)
        with visitor(chromium, hub, "alice") as fresh:
            context.add_cookies(fresh.cookies())  # type: ignore[arg-type]  # what it gave is what it takes
        notebook.get_by_role("button", name="Sign in again").click()
        expect(notebook.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
        expect(notebook.locator("#mograder-bar .state")).to_have_text(re.compile("^Saved"), timeout=240_000)
