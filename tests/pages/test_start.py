"""The start page in a browser: straight through when the session is up, and never silent when it is not."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.sample import Sample

pytestmark = pytest.mark.browser

EDITOR = "**/edit/user/alice/A1-Intro/"
POST = "/start-edit-deep/A1-Intro"


def posts(sample: Sample) -> list[str]:
    return [path for method, path in sample.asked if method == "POST"]


def watch_the_spinner(tab: Page) -> None:
    """Note in the tab's session storage after how many milliseconds of a page a spinner was first to be seen."""
    tab.add_init_script(
        """(() => {
            const look = () => {
                const progress = document.getElementById("progress");
                if (progress && getComputedStyle(progress).visibility === "visible")
                    sessionStorage.seen ??= performance.now();
                requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
        })()"""
    )


UNNOTICED = 150
"""Milliseconds for which a start shows nothing. A busy machine may take longer to open what is up."""


def test_a_session_that_is_up_is_opened_without_a_spinner(tab: Page, sample: Sample) -> None:
    watch_the_spinner(tab)
    tab.goto("edit/A1-Intro")
    tab.wait_for_url(EDITOR)
    expect(tab.get_by_role("heading", name="The notebook itself")).to_be_visible()
    assert float(tab.evaluate("sessionStorage.seen") or UNNOTICED) >= UNNOTICED
    assert posts(sample) == [POST]


def test_a_slow_start_shows_its_steps_as_they_happen(tab: Page, sample: Sample) -> None:
    watch_the_spinner(tab)
    sample.hold.clear()
    sample.events = [
        ("step", {"text": "Copying the assignment"}),
        ("step", {"text": "Preparing the packages"}),
    ]
    tab.goto("edit/A1-Intro")
    steps = tab.locator("#steps li")
    expect(steps).to_have_text(["Copying the assignment", "Preparing the packages"])
    expect(steps.nth(0)).to_have_attribute("data-state", "done")
    expect(steps.nth(1)).to_have_attribute("data-state", "running")
    expect(tab.get_by_role("progressbar", name="Opening A1-Intro")).to_be_visible()
    sample.hold.set()
    tab.wait_for_url(EDITOR)
    assert tab.evaluate("sessionStorage.seen") is not None


def test_a_full_hub_says_the_place_and_the_wait(tab: Page, sample: Sample) -> None:
    sample.hold.clear()
    sample.events = [("queued", {"text": "Waiting for a free place", "place": 3, "estimate": 95})]
    tab.goto("edit/A1-Intro")
    expect(tab.locator("#queue")).to_contain_text("Your place in the queue: 3, about 2 minutes.")
    sample.hold.set()
    tab.wait_for_url(EDITOR)


def test_the_step_after_the_queue_takes_the_place_away(tab: Page, sample: Sample) -> None:
    sample.hold.clear()
    sample.events = [
        ("queued", {"text": "Waiting", "place": 1, "estimate": 5}),
        ("step", {"text": "Starting"}),
    ]
    tab.goto("edit/A1-Intro")
    expect(tab.locator("#steps li")).to_have_count(2)
    expect(tab.locator("#queue")).to_be_hidden()


def test_the_end_of_an_earlier_start_does_not_count(tab: Page, sample: Sample) -> None:
    sample.hold.clear()
    sample.events = [
        ("failed", {"detail": "Yesterday's news", "log_tail": ""}),
        ("step", {"text": "Starting"}),
    ]
    tab.goto("edit/A1-Intro")
    expect(tab.locator("#steps li")).to_have_text(["Starting"])
    expect(tab.locator("#failure")).to_be_hidden()


@pytest.mark.parametrize("ready", [{"url": "edit/user/alice/A1-Intro/"}, {"url": ""}])
def test_a_hub_that_works_on_tells_by_events_when_it_is_ready(
    tab: Page, sample: Sample, ready: dict[str, str]
) -> None:
    tab.route(f"**{POST}", lambda route: route.fulfill(json={"status": "ok"}))
    sample.events = [("step", {"text": "Starting"}), ("ready", ready)]
    tab.goto("edit/A1-Intro")
    tab.wait_for_url(EDITOR)


def test_a_hub_that_works_on_tells_by_events_when_it_fails(tab: Page, sample: Sample) -> None:
    tab.route(f"**{POST}", lambda route: route.fulfill(json={"status": "ok"}))
    sample.events = [("failed", {"detail": "No memory left.", "log_tail": "Killed"})]
    tab.goto("edit/A1-Intro")
    expect(tab.get_by_role("alert")).to_contain_text("No memory left.")


def test_a_failure_is_said_with_the_log_and_can_be_tried_again(tab: Page, sample: Sample) -> None:
    sample.refuse[POST] = (
        500,
        {"detail": "The notebook server ended at once.", "log_tail": "Killed <b>1</b>"},
    )
    tab.goto("edit/A1-Intro")
    expect(tab.get_by_role("heading", name="Could not open A1-Intro")).to_be_visible()
    expect(tab.get_by_role("alert")).to_contain_text("The notebook server ended at once.")
    expect(tab.get_by_role("progressbar")).to_be_hidden()
    tab.get_by_text("Last lines of the log").click()
    expect(tab.get_by_text("Killed <b>1</b>")).to_be_visible()
    sample.refuse.clear()
    tab.get_by_role("button", name="Try again").click()
    tab.wait_for_url(EDITOR)
    assert posts(sample) == [POST, POST]


def test_a_failure_that_the_hub_rendered_waits_for_the_person(tab: Page, sample: Sample) -> None:
    from tests.pages.gallery import all_views

    sample.view = all_views(sample)["start-failed"]
    tab.goto("view")
    expect(tab.get_by_role("button", name="Try again")).to_be_visible()
    assert posts(sample) == []


def test_a_busy_hub_is_asked_again_when_it_says(tab: Page, sample: Sample) -> None:
    sample.refuse[POST] = (503, {"detail": "The hub is stopping; it is back in a moment."})
    tab.goto("edit/A1-Intro")
    expect(tab.get_by_text("The hub is stopping")).to_be_visible()
    sample.refuse.clear()
    tab.wait_for_url(EDITOR)


def test_a_lost_connection_is_tried_again(tab: Page, sample: Sample) -> None:
    refused: list[str] = []

    def once(route: object) -> None:
        if refused:
            route.continue_()  # type: ignore[attr-defined]
        else:
            refused.append("once")
            route.abort()  # type: ignore[attr-defined]

    tab.route(f"**{POST}", once)
    tab.goto("edit/A1-Intro")
    expect(tab.get_by_text("The hub does not answer; trying again")).to_be_visible()
    tab.wait_for_url(EDITOR)
    assert posts(sample) == [POST]


def test_a_start_whose_steps_are_refused_says_so_and_opens_all_the_same(tab: Page, sample: Sample) -> None:
    sample.hold.clear()
    tab.route("**/events/**", lambda route: route.fulfill(status=429, json={}))
    tab.goto("edit/A1-Intro")
    expect(tab.locator("#steps li")).to_have_text([re.compile("does not say how far it is")])
    expect(tab.get_by_role("button", name="Try again")).to_be_visible()
    expect(tab.get_by_role("link", name="Back to the course")).to_be_visible()
    sample.hold.set()
    tab.wait_for_url(EDITOR)


def test_who_is_signed_out_is_led_to_the_login_and_not_round_in_a_circle(tab: Page, sample: Sample) -> None:
    """A login proxy sends a script's request elsewhere; only a whole page can follow."""
    away = {"Location": "https://login.example/"}
    tab.route(f"**{POST}", lambda route: route.fulfill(status=302, headers=away))
    tab.goto("edit/A1-Intro")
    expect(tab.get_by_role("alert")).to_contain_text("You are signed out.")
    tab.unroute(f"**{POST}")
    with tab.expect_request(lambda request: request.is_navigation_request()):
        tab.get_by_role("button", name="Try again").click()
    tab.wait_for_url(EDITOR)


@pytest.mark.parametrize("url", ["//evil.example/", "https://evil.example/", "\\\\evil.example/"])
def test_an_address_outside_the_hub_is_not_followed(tab: Page, url: str) -> None:
    tab.route(f"**{POST}", lambda route: route.fulfill(json={"status": "ok", "url": url}))
    tab.route("**/*evil*/**", lambda route: route.abort())
    tab.goto("edit/A1-Intro")
    expect(tab.get_by_role("heading", name="Could not open A1-Intro")).to_be_visible()
    assert tab.url.endswith("/edit/A1-Intro")


def test_back_leads_to_where_one_came_from_and_not_to_the_start_page(tab: Page) -> None:
    tab.goto("")
    tab.goto("edit/A1-Intro")
    tab.wait_for_url(EDITOR)
    tab.go_back()
    expect(tab.get_by_role("heading", name="Assignments")).to_be_visible()


def test_a_lecture_starts_in_the_same_way(tab: Page, sample: Sample) -> None:
    tab.goto("run/L01-Intro")
    tab.wait_for_url("**/run/user/alice/L01-Intro/")
    assert posts(sample) == ["/start-run/L01-Intro"]


def test_without_scripts_a_button_opens_the_notebook(chromium: Browser, hub: str, sample: Sample) -> None:
    context = chromium.new_context(base_url=hub, java_script_enabled=False)
    page = context.new_page()
    page.goto("edit/A1-Intro")
    expect(page.get_by_role("button", name="Open it now")).to_be_visible()
    expect(page.get_by_text("The notebook itself needs JavaScript")).to_be_visible()
    page.get_by_role("button", name="Open it now").click()
    assert posts(sample) == [POST]
    context.close()
