"""A real browser on a real hub with the demo course."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.hub import RunningHub, make_demo, running


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots go: looked at by people, committed by nobody."""
    path = Path(__file__).parents[2] / "test-artifacts"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture(scope="session")
def demo_course(course_root: Path) -> Path:
    return make_demo(course_root / "demo")


@pytest.fixture(scope="session")
def demo_hub(demo_course: Path) -> Iterator[RunningHub]:
    with running(demo_course) as hub:
        yield hub


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh visitor."""
    visitor = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    visitor.set_default_timeout(240_000)
    yield visitor
    visitor.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
