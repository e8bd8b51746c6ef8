"""A hub that dies under an open editor, in a real browser."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.hub import end_engine, make_course, start

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def test_an_open_editor_reconnects_to_the_next_hub_with_its_variables(
    course_root: Path, page: Page, pictures: Path
) -> None:
    course, port = make_course(course_root / "survival"), free_port()
    hub = start(course, "--port", port)
    try:
        page.goto(f"{hub.url}edit/A1-Answer")
        expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
        cell = page.locator(".cm-content", has_text="answer = None")
        cell.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text("import random\nanswer = random.random()\nanswer")
        page.keyboard.press("Control+Enter")
        shown = page.get_by_text(re.compile(r"^0\.\d{6,}$")).first
        expect(shown).to_be_visible()
        before = shown.inner_text()

        hub.stop(signal.SIGKILL)
        hub = start(course, "--port", port)
        user = re.search(r"/edit/user/([^/]+)/", page.url)[1]  # type: ignore[index]
        sessions = page.request.get(f"{hub.url}sessions").json()
        assert [session["username"] for session in sessions] == [user]

        cell = page.locator(".cm-content", has_text="mograder.runtime")
        cell.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text("print('still', answer)")
        # The page's line to the kernel comes back by itself; a run before that is refused and tried again.
        expect(page.locator("body")).not_to_contain_text("kernel not found")
        for _ in range(20):
            page.keyboard.press("Control+Enter")
            if page.get_by_text(f"still {before[:8]}").first.is_visible():
                break
            page.wait_for_timeout(1000)
        expect(page.get_by_text(f"still {before[:8]}").first).to_be_visible()
        page.screenshot(path=pictures / "survived.png")
    finally:
        hub.stop(signal.SIGINT)
        end_engine(course)
