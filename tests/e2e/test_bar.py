"""The bar over the editor (``mograder.hub.pages.bar``, ``mograder.hub.api.editor``), in a real browser."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.support.hub import RunningHub, by_proxy, make_course, running
from tests.support.processes import descendants, eventually

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM = "A1-Answer"
WINDOW: ViewportSize = {"width": 1280, "height": 900}
TAUGHT = """[hub]
title = "Test course"
instructors = ["prof"]
accent = "#a03070"
session_disk_mb = 20
"""


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "bar", TAUGHT)) as up:
        yield up


def open_editor(page: Page, hub: RunningHub) -> None:
    page.goto(f"{hub.url}edit/{ITEM}")
    in_the_editor(page)


def in_the_editor(page: Page) -> None:
    expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
    expect(page.locator(".state")).to_have_text(re.compile("^Saved"), timeout=240_000)


@pytest.fixture(scope="module")
def opened(hub: RunningHub, chromium: Browser) -> Iterator[Page]:
    """An editor for the tests that only look at it, or type."""
    with chromium.new_context(viewport=WINDOW, accept_downloads=True) as visitor:
        visitor.set_default_timeout(240_000)
        page = visitor.new_page()
        open_editor(page, hub)
        yield page


@pytest.fixture
def desk(opened: Page) -> Page:
    """The editor that is open, as wide and as bright as it was."""
    opened.set_viewport_size(WINDOW)
    opened.evaluate("document.body.classList.replace('dark', 'light')")
    expect(opened.locator("#mograder-bar")).to_have_attribute("data-theme", "light")
    opened.keyboard.press("Escape")
    expect(opened.locator("aside.panel")).to_be_hidden()
    return opened


def answer(page: Page, text: str) -> None:
    cell = page.locator(".cm-content", has_text="answer =").first
    cell.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.keyboard.press("Control+Enter")


def user_of(page: Page) -> str:
    return re.search(r"/edit/user/([^/]+)/", page.url)[1]  # type: ignore[index]


def notebook_of(page: Page, hub: RunningHub) -> Path:
    return hub.course / "hub-notebooks" / user_of(page) / ITEM / f"{ITEM}.py"


def saved(page: Page, hub: RunningHub, text: str) -> None:
    """Wait until marimo has written what was typed: about a second later."""
    assert eventually(lambda: text in notebook_of(page, hub).read_text(), 30)


def newest_session(hub: RunningHub) -> list[int]:
    """Its server, helper and kernel."""
    command = b"marimo_adapter.warm"
    warm = next(pid for pid in descendants(hub.pid) if command in Path(f"/proc/{pid}/cmdline").read_bytes())
    server = max(int(pid) for pid in Path(f"/proc/{warm}/task/{warm}/children").read_text().split())
    return [server, *descendants(server)]


def test_the_checks_are_shown_beside_the_code(hub: RunningHub, page: Page) -> None:
    open_editor(page, hub)
    answer(page, "answer = 42")
    saved(page, hub, "answer = 42")
    page.get_by_role("button", name="Validate").click()
    panel = page.locator("aside.panel")
    expect(panel).to_contain_text("1 of 1 check passes", timeout=240_000)
    edge = panel.bounding_box()
    assert edge is not None
    for cell in page.locator("#root .marimo-cell").all():
        box = cell.bounding_box()
        assert box is None or box["x"] + box["width"] <= edge["x"] + 1
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_the_bar_never_covers_the_notebook_and_leaves_in_full_screen(hub: RunningHub, desk: Page) -> None:
    bar = desk.locator("#mograder-bar header.bar")
    bar.locator(".title").evaluate(
        "(title) => { title.textContent = 'A1-Heat-Equation' }"
    )  # longer than here
    for width in (1280, 375):
        desk.set_viewport_size({"width": width, "height": 800})
        expect(bar).to_be_visible()
        edges = "[document.querySelector('#root').getBoundingClientRect(), innerWidth, innerHeight]"
        root, inner_width, inner_height = desk.evaluate(edges)
        box = bar.bounding_box()
        assert box is not None
        assert root["top"] >= box["height"] - 0.5
        assert (root["right"], root["bottom"]) == (inner_width, inner_height)
        assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert bar.locator(".state").evaluate("(state) => state.scrollWidth <= state.clientWidth"), "cut off"
    desk.evaluate("document.documentElement.requestFullscreen()")
    expect(bar).to_be_hidden()
    assert desk.evaluate("document.querySelector('#root').getBoundingClientRect().top") == 0
    desk.evaluate("document.exitFullscreen()")
    expect(bar).to_be_visible()


def test_what_the_editor_saves_is_a_version_in_the_history(hub: RunningHub, desk: Page) -> None:
    answer(desk, "answer = 41")
    saved(desk, hub, "answer = 41")
    with desk.context.expect_page() as opened:
        desk.get_by_role("link", name="History").click()
    expect(opened.value.get_by_text("Saved in the editor").first).to_be_visible()


def test_an_export_is_one_click(hub: RunningHub, desk: Page) -> None:
    with desk.expect_download() as download:
        desk.get_by_role("link", name="Export").click()
    assert Path(download.value.path()).read_bytes() == notebook_of(desk, hub).read_bytes()


@pytest.mark.parametrize(("what", "which"), [("kernel", 2), ("helper", 1), ("server", 0)])
def test_a_dead_process_is_noticed_and_one_click_leads_back(
    hub: RunningHub, page: Page, pictures: Path, what: str, which: int
) -> None:
    open_editor(page, hub)
    answer(page, "answer = 42")
    saved(page, hub, "answer = 42")
    notebook = notebook_of(page, hub)
    before = notebook.read_text()
    os.kill(newest_session(hub)[which], signal.SIGKILL)
    again = page.locator("#mograder-bar").get_by_role("button", name="Start again")
    expect(again).to_be_visible(timeout=240_000)
    page.screenshot(path=pictures / f"bar-dead-{what}.png")
    again.click()
    in_the_editor(page)
    expect(page.get_by_text("It is 42.").first).to_be_attached(timeout=240_000)
    assert notebook.read_text() == before


def test_the_bars_word_opens_nothing_else(hub: RunningHub, desk: Page) -> None:
    user, context = user_of(desk), desk.context
    word = desk.evaluate("document.querySelector('#hub-bar').dataset.word")
    headers = {"X-CSRF-Token": word, "Origin": hub.url.rstrip("/"), "Accept": "application/json"}
    kept = context.request.post(f"{hub.url}edit/user/{user}/{ITEM}/_hub/keep", headers=headers)
    assert kept.status == 200
    for path in (f"reset/{user}/{ITEM}", f"validate/{user}/{ITEM}", f"edit/user/{user}/A2/_hub/keep"):
        assert context.request.post(hub.url + path, headers=headers).status == 403


def test_a_message_to_everybody_is_shown_over_the_notebook_until_it_is_put_away(
    hub: RunningHub, page: Page, pictures: Path
) -> None:
    open_editor(page, hub)
    said = "Question 2 is wrong: <b>leave it out</b>, please. \u202eabc"
    with hub.client("prof") as teacher:
        teacher.post("teach/message", data={"text": said}).raise_for_status()
    note = page.locator("#mograder-bar .notes li")
    expect(note).to_contain_text("Question 2 is wrong: <b>leave it out</b>", timeout=240_000)
    for width in (375, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.screenshot(path=pictures / f"bar-message-{width}.png")
    bottom = page.evaluate("document.querySelector('#root').getBoundingClientRect().top")
    box = note.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= bottom + 1
    note.get_by_role("button", name="Put away").click()
    expect(note).to_have_count(0)
    page.reload()
    in_the_editor(page)
    expect(note).to_have_count(0)


def test_what_is_typed_is_not_called_saved_before_it_is(hub: RunningHub, desk: Page) -> None:
    state = desk.locator(".state")
    answer(desk, "answer = 44")
    expect(state).to_have_text("Saving…")
    saved(desk, hub, "answer = 44")
    expect(state).to_have_text(re.compile(r"^Saved \d"))
    os.kill(hub.pid, signal.SIGSTOP)  # as when the network is gone: nothing is refused, nothing comes
    try:
        answer(desk, "answer = 43")
        expect(state).to_have_text("Saving…")
        expect(state).to_have_text("Not connected", timeout=240_000)
    finally:
        os.kill(hub.pid, signal.SIGCONT)
    expect(state).to_have_text(re.compile(r"^Saved \d"))
    saved(desk, hub, "answer = 43")


def test_a_save_that_fails_is_said_until_one_works(hub: RunningHub, page: Page, pictures: Path) -> None:
    open_editor(page, hub)
    answer(page, "answer = 40")
    saved(page, hub, "answer = 40")
    notebook, aside = notebook_of(page, hub), notebook_of(page, hub).with_name("aside")
    notebook.rename(aside)
    notebook.mkdir()  # nothing can be put in its place
    answer(page, "answer = 41")
    alert = page.locator("#mograder-bar").get_by_role("alert")
    expect(alert).to_contain_text("Your last change was not saved", timeout=240_000)
    expect(page.locator(".state")).to_have_text("Not saved")
    page.screenshot(path=pictures / "bar-not-saved.png")
    notebook.rmdir()
    aside.rename(notebook)
    page.keyboard.press("Control+s")
    expect(alert).to_be_hidden(timeout=240_000)
    expect(page.locator(".state")).to_have_text(re.compile(r"^Saved \d"))
    saved(page, hub, "answer = 41")


def test_the_last_result_is_in_the_bar_and_of_which_notebook_it_is(hub: RunningHub, page: Page) -> None:
    open_editor(page, hub)
    result = page.locator(".result")
    expect(result).to_be_empty()
    answer(page, "answer = 42")
    saved(page, hub, "answer = 42")
    page.get_by_role("button", name="Validate").click()
    expect(result).to_have_text("1 of 1 check passes", timeout=240_000)
    answer(page, "answer = 43")
    expect(result).to_have_text("1 of 1 before your last change", timeout=240_000)


def test_space_that_is_nearly_used_up_is_said_in_time(
    hub: RunningHub, context: BrowserContext, page: Page, pictures: Path
) -> None:
    with hub.client("rita") as client:
        client.post(f"download-release/rita/{ITEM}").raise_for_status()
    (hub.course / "hub-notebooks" / "rita" / ITEM / "big.bin").write_bytes(bytes(17 << 20))
    context.set_extra_http_headers(by_proxy("rita"))
    open_editor(page, hub)
    alert = page.locator("#mograder-bar").get_by_role("alert")
    expect(alert).to_contain_text("17 of 20 MB of disk space are used")
    page.screenshot(path=pictures / "bar-full.png")
    with context.expect_page() as opened:
        alert.get_by_role("link", name="Files").click()
    expect(opened.value.get_by_text("big.bin").first).to_be_visible()


def test_packages_that_were_deleted_under_a_notebook_are_said(hub: RunningHub, desk: Page) -> None:
    (made,) = (hub.course / ".mograder" / "environments").glob("*/pyvenv.cfg")
    aside = made.rename(hub.course / "aside.cfg")  # of the environment, which is looked at once a minute
    alert = desk.locator("#mograder-bar").get_by_role("alert")
    try:
        desk.reload()
        expect(alert).to_contain_text("The packages of this notebook were deleted")
        expect(alert).to_contain_text("open it again")
    finally:
        aside.rename(made)
    desk.reload()
    in_the_editor(desk)
    expect(alert).to_be_hidden()


def test_an_instructors_look_is_told_in_the_editor(hub: RunningHub, desk: Page, pictures: Path) -> None:
    with hub.client("prof") as teacher:
        teacher.get(f"teach/help/{user_of(desk)}/{ITEM}").raise_for_status()
    look = desk.locator("#mograder-bar .notes li.look")
    expect(look).to_contain_text("prof looked at this notebook at")
    desk.screenshot(path=pictures / "bar-look.png")


def test_the_bar_has_the_courses_colour(hub: RunningHub, desk: Page, page: Page) -> None:
    page.goto(hub.url)
    colour = "getComputedStyle({}).getPropertyValue('--accent').trim()"
    own = page.evaluate(colour.format("document.documentElement"))
    assert own == desk.evaluate(colour.format("document.querySelector('#mograder-bar')"))
    in_the_bar = "document.querySelector('#mograder-bar').shadowRoot.querySelector('.home')"
    light = desk.evaluate(f"getComputedStyle({in_the_bar}).color")
    desk.evaluate("document.body.classList.replace('light', 'dark')")
    expect(desk.locator("#mograder-bar")).to_have_attribute("data-theme", "dark")
    assert desk.evaluate(f"getComputedStyle({in_the_bar}).color") != light


def test_a_message_is_shown_over_a_running_lecture_and_covers_nothing(
    hub: RunningHub, page: Page, pictures: Path
) -> None:
    page.goto(f"{hub.url}run/L01-Intro")
    expect(page.get_by_role("heading", name="Introduction")).to_be_visible(timeout=240_000)
    bar = page.locator("#mograder-bar header.bar")
    top = "document.querySelector('#root').getBoundingClientRect().top"
    with hub.client("prof") as teacher:
        for message in teacher.get("messages").json():
            teacher.post(f"teach/message/{message['id']}/withdraw")
        expect(bar).to_be_hidden()
        assert page.evaluate(top) == 0
        teacher.post("teach/message", data={"text": "Five minutes left"}).raise_for_status()
    note = bar.locator(".notes li")
    expect(note).to_contain_text("Five minutes left")
    expect(bar.get_by_role("button", name="Validate")).to_have_count(0)
    box = note.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= page.evaluate(top) + 1
    for width in (375, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.screenshot(path=pictures / f"lecture-message-{width}.png")
    note.get_by_role("button", name="Put away").click()
    expect(bar).to_be_hidden()
    assert page.evaluate(top) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_bar_is_worth_looking_at(desk: Page, pictures: Path, scheme: str) -> None:
    if scheme == "dark":  # marimo's own setting, of which the bar takes note
        desk.evaluate("document.body.classList.replace('light', 'dark')")
        expect(desk.locator("#mograder-bar")).to_have_attribute("data-theme", "dark")
    desk.get_by_role("button", name="Validate").click()
    expect(desk.locator("aside.panel .checks li").first).to_be_visible(timeout=240_000)
    for width in (1280, 375):
        desk.set_viewport_size({"width": width, "height": 800})
        desk.screenshot(path=pictures / f"bar-{width}-{scheme}.png")
