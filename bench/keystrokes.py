"""Keystrokes lost while somebody types and the server behind the page is killed and started again."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from tests.conftest import ARGUMENTS, CHROMIUM
from tests.support.hub import RunningHub, by_proxy, end_engine, make_course, start

from bench.report import Measure, Sheet
from bench.sessions import interpreter, plain_process

ITEM = "A1-Answer"
TEXT = "# " + " ".join(f"{number:03}" for number in range(60))
"""What is typed: every part of it is there once."""

KILL_AFTER = len(TEXT) // 4
PAUSE = 0.04
"""Seconds between two keystrokes: a fast typist."""

PATIENCE = 90.0
"""Seconds after the last one in which the page may save what it holds."""


def main(rounds: int = 3) -> Sheet:
    """About three minutes."""
    sheet = Sheet(
        "Keystrokes lost: the server is killed with kill -9 while somebody types, and started again"
    )
    with (
        tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name,
        sync_playwright() as playwright,
    ):
        course = make_course(Path(name) / "course")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        sheet.head()
        hub = start(course)
        ours = []
        try:
            for number in range(rounds):
                hub, lost = _at_the_hub(browser, hub, f"typist{number}")
                ours.append(lost)
        finally:
            hub.stop(signal.SIGINT)
            end_engine(course)
        theirs = [_at_plain_marimo(browser, course, Path(name) / f"plain{n}") for n in range(rounds)]
        sheet.add(Measure(f"lost of {len(TEXT)} keystrokes", "keys", ours, theirs, at_most=0))
        browser.close()
    return sheet


def _at_the_hub(browser: Browser, hub: RunningHub, user: str) -> tuple[RunningHub, int]:
    course, port = hub.course, hub.url.rstrip("/").rpartition(":")[2]
    page = browser.new_page(extra_http_headers=by_proxy(user))
    page.goto(f"{hub.url}edit/{ITEM}")
    successor: list[RunningHub] = []

    def replace() -> None:
        hub.stop(signal.SIGKILL)
        successor.append(start(course, "--port", port))

    notebook = course / "hub-notebooks" / user / ITEM / f"{ITEM}.py"
    lost = _type(page, notebook, replace)
    page.close()
    return successor[0], lost


def _at_plain_marimo(browser: Browser, course: Path, place: Path) -> int:
    shutil.copytree(course / "hub-release" / ITEM, place)
    notebook = place / f"{ITEM}.py"
    server = plain_process(interpreter(course), notebook)
    running = [server]
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")

    def replace() -> None:
        running[-1].process.kill()
        running[-1].process.wait()
        running.append(plain_process(interpreter(course), notebook, server.port))

    try:
        return _type(page, notebook, replace)
    finally:
        running[-1].process.terminate()
        running[-1].process.wait(30)
        page.close()


def _type(page: Page, notebook: Path, replace: Callable[[], None]) -> int:
    """Type ``TEXT`` into a cell, call ``replace`` on the way; how much of it is missing in the file in the end."""
    cell = page.locator(".cm-content", has_text="answer = None").first
    cell.wait_for(timeout=120_000)
    cell.click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    replacing = threading.Thread(target=replace)  # the typist does not wait for the server
    for position, letter in enumerate(TEXT):
        if position == KILL_AFTER:
            replacing.start()
        page.keyboard.insert_text(letter)
        page.wait_for_timeout(PAUSE * 1000)
    replacing.join()
    deadline = time.monotonic() + PATIENCE
    while (missing := _missing(notebook.read_text())) and time.monotonic() < deadline:
        page.wait_for_timeout(500)
    return missing


def _missing(text: str) -> int:
    """Keystrokes of ``TEXT`` that are not in the line of the notebook that is most like it."""
    lines = (line.strip() for line in text.splitlines() if line.strip().startswith("# 0"))
    kept = (
        sum(block.size for block in SequenceMatcher(None, TEXT, line, False).get_matching_blocks())
        for line in lines
    )
    return len(TEXT) - max(kept, default=0)
