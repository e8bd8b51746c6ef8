"""Pages of a real hub, light and dark, wide and narrow: pictures for people, and what a picture can not show."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.pages.test_look import CUT_OFF, findings
from tests.support.hub import RunningHub, by_proxy
from tests.support.students import ITEM, Student

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

PAGES = {
    "start": f"edit/{ITEM}",
    "history": f"history/vera/{ITEM}",
    "compare": f"compare/vera/{ITEM}?old=release",
    "files": f"files/vera/{ITEM}",
    "dashboard-de": "",
}


@pytest.fixture(scope="module")
def vera(hub: RunningHub) -> None:
    """Somebody with work behind her: two answers that were checked, and a file of her own."""
    with Student(hub, "vera") as vera:
        vera.http.post(f"download-release/vera/{ITEM}").raise_for_status()
        for answer in ("41", "42"):
            vera.notebook.write_text(re.sub(r"answer = .*", f"answer = {answer}", vera.notebook.read_text()))
            vera.http.post(f"validate/vera/{ITEM}").raise_for_status()
        vera.http.post(f"files/vera/{ITEM}", files={"files": ("own.txt", b"mine")}).raise_for_status()


@pytest.mark.usefixtures("vera")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_a_students_pages_are_worth_looking_at(
    chromium: Browser, hub: RunningHub, pictures: Path, width: int, scheme: str
) -> None:
    asked: set[str] = set()
    for name, path in PAGES.items():
        context = chromium.new_context(
            base_url=hub.url, extra_http_headers=by_proxy("vera"), viewport={"width": width, "height": 800},
            color_scheme=scheme, locale="de-CH" if name.endswith("-de") else "en-GB",
        )  # type: ignore[call-overload]  # fmt: skip
        page = context.new_page()
        page.on(
            "request", lambda request: asked.add(str(httpx.URL(request.url).copy_with(path="/", query=None)))
        )
        page.route("**/start-edit-deep/*", lambda route: None)  # the start page is held where it is
        page.goto(path)
        if name == "start":
            expect(page.locator("#progress")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(CUT_OFF) == [], name
        assert findings(page) == [], name
        page.screenshot(path=pictures / f"{name}-{width}-{scheme}.png", full_page=True, animations="disabled")
        if name == "dashboard-de":
            row = page.locator(f'li[data-key="{ITEM}"]')
            row.get_by_role("button", name="Prüfen").click()
            expect(row.locator(".results")).to_contain_text("1 von 1 Prüfung bestanden", timeout=240_000)
            page.screenshot(
                path=pictures / f"report-{width}-{scheme}.png", full_page=True, animations="disabled"
            )
        context.close()
    assert asked == {hub.url}
