"""A browser, and a sample hub for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.pages.sample import Sample, served


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
def hub(sample: Sample) -> Iterator[str]:
    with served(sample) as address:
        yield address


@pytest.fixture
def tab(chromium: Browser, hub: str) -> Iterator[Page]:
    """An empty tab. Whatever the page's console calls an error fails the test."""
    context = chromium.new_context(base_url=hub, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(5000)
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda line: troubles.append(line.text) if is_trouble(line.text) else None)
    yield page
    context.close()
    assert troubles == []


def is_trouble(text: str) -> bool:
    """Refused by the content security policy, or an uncaught error; a refusal by the hub is no trouble."""
    return "Content Security Policy" in text or "Uncaught" in text
