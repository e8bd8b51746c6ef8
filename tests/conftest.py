"""What all tests share."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.hub import RunningHub, make_course, running

# How long an example takes says more of the machine than of the code.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
expect.set_options(timeout=60_000)


@pytest.hookimpl(trylast=True)  # after those that mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: at the end of a run, no worker is alone with minutes of work."""
    slowest: dict[Path, int] = {}
    for item in items:
        own = 2 if item.get_closest_marker("browser") else 1 if item.get_closest_marker("real") else 0
        slowest[item.path] = max(own, slowest.get(item.path, 0))
    items.sort(key=lambda item: -slowest[item.path])


@pytest.fixture(scope="session")
def course_root() -> Iterator[Path]:
    """A place for courses that is not below /tmp, where marimo's editor does not save by itself; gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix="mograder-tests-", dir="/var/tmp"))
    yield root
    if os.geteuid() != 0:  # environments are read-only
        subprocess.run(["chmod", "-R", "u+w", root], check=False, capture_output=True)
    subprocess.run(
        ["rm", "-rf", root], check=False, capture_output=True
    )  # many thousand files: quicker than Python


@pytest.fixture(scope="session")
def hub(course_root: Path) -> Iterator[RunningHub]:
    """One hub in dev mode for all tests that do not need their own."""
    with running(make_course(course_root / "shared")) as up:
        yield up


CHROMIUM = "/usr/bin/chromium"
SHELL = "/usr/bin/chromium-headless-shell"
"""The same engine without the windows around it: a page costs two thirds of the processor time."""

ARGUMENTS = [
    "--no-sandbox",  # the browser runs as root in CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def browsing(program: str) -> Iterator[Browser]:
    """A browser for one ``with`` block. While Playwright is there, its event loop runs in this thread, and neither a
    second Playwright nor ``asyncio.run`` works beside it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one module: what draws pages, where Debian has that alone, else all of Chromium."""
    with browsing(SHELL if Path(SHELL).exists() else CHROMIUM) as browser:
        yield browser
