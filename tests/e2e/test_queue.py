"""The start page of a hub that is full: a place in the queue, an estimate, and then the notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.hub import RunningHub, by_proxy, make_course, running
from tests.support.students import ITEM, Student

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def small_hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "queue", "[hub]\nmax_sessions = 1\n")) as hub:
        yield hub


def test_who_waits_sees_the_place_and_how_long_and_gets_through(
    chromium: Browser, small_hub: RunningHub, pictures: Path
) -> None:
    with Student(small_hub, "ada") as ada:
        for _ in range(2):  # sessions that ended are what an estimate is made of
            assert ada.start().status_code == 200
            ada.stop()
        assert ada.start().status_code == 200
        context = chromium.new_context(base_url=small_hub.url, extra_http_headers=by_proxy("bob"))
        page = context.new_page()
        page.goto(f"edit/{ITEM}")
        queue = page.locator("#queue")
        expect(queue).to_be_visible(timeout=240_000)
        expect(queue).to_have_text(re.compile(r"Your place in the queue: 1, (under a|about \d+) minutes?"))
        for width in (1280, 375):
            page.set_viewport_size({"width": width, "height": 700})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.screenshot(path=pictures / f"queue-{width}-{scheme}.png")
        ada.stop()
        page.wait_for_url(re.compile(f"/edit/user/bob/{ITEM}/"), timeout=240_000)
        expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
        context.close()
