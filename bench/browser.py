"""In Chromium: from the click on Edit to a notebook whose cells have run, beside a hub-less marimo."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from tests.conftest import ARGUMENTS, CHROMIUM
from tests.support.hub import RunningHub, running

from bench.report import Measure, Sheet
from bench.sessions import ITEM, demo_course, interpreter, plain_server

LAST = "Q4: name that metal"
"""Shown by the last check of the demo assignment."""


def main(rounds: int = 5) -> Sheet:
    """Each round is a new visitor: nothing is in the browser's cache."""
    sheet = Sheet("In the browser: click on Edit to all cells run")
    with (
        tempfile.TemporaryDirectory(prefix="mograder-bench-", dir="/var/tmp") as name,
        sync_playwright() as playwright,
    ):
        root = Path(name)
        course = demo_course(root / "course")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        sheet.head()
        with running(course) as hub:
            _click(browser, hub)  # the first start of an environment waits for its warm process
            ours = [_click(browser, hub) for _ in range(rounds)]
            release = course / "hub-release" / ITEM
            theirs = []
            for number in range(rounds):
                with plain_server(interpreter(course), release, root, f"browser{number}") as port:
                    theirs.append(_visit(browser, f"http://127.0.0.1:{port[0]}/", port[1]))
        sheet.add(Measure("click to all cells run, in Chromium", "s", ours, theirs))
        browser.close()
    return sheet


def _click(browser: Browser, hub: RunningHub) -> float:
    context = browser.new_context()
    page = context.new_page()
    page.goto(hub.url)
    row = page.locator(f'li[data-key="{ITEM}"]')
    row.get_by_role("button", name=re.compile("^Download")).click()
    edit = row.get_by_role("link", name=re.compile("^Edit")).first
    edit.wait_for()
    begun = time.perf_counter()
    with context.expect_page() as opened:
        edit.click()
    opened.value.get_by_text(LAST).first.wait_for(state="attached", timeout=120_000)
    seconds = time.perf_counter() - begun
    user = page.locator(".who bdi").inner_text()
    context.request.post(f"{hub.url}stop-edit/{user}/{ITEM}")
    context.close()
    return seconds


def _visit(browser: Browser, url: str, begun: float) -> float:
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.get_by_text(LAST).first.wait_for(state="attached", timeout=120_000)
    seconds = time.perf_counter() - begun
    context.close()
    return seconds
