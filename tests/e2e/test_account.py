"""The account page and the course's own look, as people meet them: ``hub.pages.account`` and ``account_views``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.pages.test_look import findings
from tests.support.hub import RunningHub, by_proxy, make_course, running

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM = "A1-Answer"
CONFIG = """[hub]
title = "Painting"
accent = "#ffd500"
logo = "logo.svg"
notice = "The exam is on <b>Friday</b>."
trusted_proxies = ["127.0.0.1"]
"""
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" fill="#ffd500"/></svg>'
SECRET = {"MOGRADER_HUB_SECRET": "0123456789abcdef" * 4}


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "account", CONFIG)
    (course / "logo.svg").write_text(LOGO)
    with running(course, dev=False, env=SECRET) as up:
        yield up


def signed_in(chromium: Browser, hub: RunningHub, name: str, **options: object) -> BrowserContext:
    """A browser that the login proxy let in once, and that has the cookie since."""
    context = chromium.new_context(base_url=hub.url, **options)  # type: ignore[arg-type]
    context.set_extra_http_headers(by_proxy(name))
    context.new_page().goto("")
    context.set_extra_http_headers({})
    return context


def colour(page: Page, selector: str, name: str = "color") -> str:
    script = "([selector, name]) => getComputedStyle(document.querySelector(selector)).getPropertyValue(name)"
    return str(page.evaluate(script, [selector, name]))


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_as_the_machine_says_or_as_was_chosen(
    chromium: Browser, hub: RunningHub, pictures: Path, theme: str, width: int
) -> None:
    other = "dark" if theme == "light" else "light"
    size = {"width": width, "height": 800}
    context = signed_in(chromium, hub, "ada", color_scheme=other, viewport=size)
    page = context.pages[0]
    page.goto("account")
    before = colour(page, "body", "background-color")
    page.get_by_label(theme.capitalize(), exact=True).check()
    page.get_by_role("button", name="Keep").first.click()
    expect(page.get_by_role("status").first).to_contain_text("kept in this browser")
    assert colour(page, "body", "background-color") != before
    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=pictures / f"account-{width}-{theme}.png", full_page=True)
    page.goto("")
    assert findings(page) == []
    page.screenshot(path=pictures / f"brand-{width}-{theme}.png")
    page.goto("account")
    page.get_by_label("As this machine is set").check()
    page.get_by_role("button", name="Keep").first.click()
    expect(page.get_by_role("status").first).to_contain_text("kept in this browser")
    assert colour(page, "body", "background-color") == before
    context.close()


def test_the_course_has_its_own_look(chromium: Browser, hub: RunningHub) -> None:
    context = signed_in(chromium, hub, "ada")
    page = context.pages[0]
    page.goto("")
    logo = page.locator(".home img")
    assert logo.evaluate("image => image.naturalWidth") > 0
    expect(page.get_by_label("From the course")).to_have_text("The exam is on <b>Friday</b>.")
    accent = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour(page, ".due, a:not(.skip)"))
    assert accent is not None
    answer = context.request.get(logo.evaluate("image => image.src"))
    assert "sandbox" in answer.headers["content-security-policy"]
    context.close()


def test_signing_out_everywhere_ends_every_browser(chromium: Browser, hub: RunningHub) -> None:
    here, there, bob = (signed_in(chromium, hub, name) for name in ("ada", "ada", "bob"))
    page = here.pages[0]
    page.goto("account")
    expect(
        page.get_by_role("listitem").filter(has_text="Through your university's login").nth(1)
    ).to_be_visible()
    assert there.pages[0].goto("").status == 200  # type: ignore[union-attr]
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("signed out")
    assert page.goto(f"{hub.url}account").status == 401  # type: ignore[union-attr]
    assert there.pages[0].goto("").status == 401  # type: ignore[union-attr]
    assert bob.pages[0].goto("").status == 200  # type: ignore[union-attr]
    for context in (here, there, bob):
        context.close()


def test_an_open_notebook_is_listed_and_stopped(chromium: Browser, hub: RunningHub) -> None:
    context = signed_in(chromium, hub, "carol")
    page = context.pages[0]
    page.goto(f"edit/{ITEM}")
    expect(page.get_by_role("heading", name="The answer")).to_be_visible(timeout=240_000)
    page.goto("account")
    page.get_by_role("button", name=f"Stop {ITEM}").click()
    page.goto("account")
    expect(page.get_by_text("None is open.")).to_be_visible()
    context.close()


def test_a_guest_can_not_sign_out_of_their_work(course_root: Path, page: Page) -> None:
    with running(make_course(course_root / "account-dev")) as hub:
        page.goto(f"{hub.url}account")
        expect(
            page.get_by_role("definition").filter(has_text="a guest of this development hub")
        ).to_be_visible()
        expect(page.get_by_role("button", name="Sign out everywhere")).to_have_count(0)


def test_a_theme_that_there_is_not_is_refused(hub: RunningHub) -> None:
    with hub.client("ada") as ada:
        answer = ada.post("account/look", data={"theme": "pink; Path=/"})
        assert answer.status_code == 422
        assert "set-cookie" not in answer.headers or "pink" not in answer.headers["set-cookie"]


def test_the_pages_speak_the_browsers_language_or_the_one_that_was_chosen(
    chromium: Browser, hub: RunningHub, pictures: Path
) -> None:
    context = signed_in(chromium, hub, "dora", locale="de-CH")
    page = context.pages[0]
    page.goto("")
    expect(page.get_by_role("heading", name="Aufgaben")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.screenshot(path=pictures / "german-dashboard.png")
    page.get_by_role("button", name=f"Herunterladen: {ITEM}").click()
    expect(page.get_by_text(f"{ITEM} kann bearbeitet werden.")).to_be_visible()
    assert findings(page) == []
    page.goto(f"edit/{ITEM}")
    expect(page.locator(".state")).to_have_text(re.compile("^Gespeichert"), timeout=240_000)
    page.get_by_role("button", name="Prüfen").click()
    expect(page.locator("aside.panel")).to_contain_text("0 von 1 Prüfung bestanden", timeout=240_000)
    page.screenshot(path=pictures / "german-editor.png")
    page.goto("account")
    page.screenshot(path=pictures / "german-account.png", full_page=True)
    page.get_by_label("English").check()
    page.get_by_role("button", name="Übernehmen").nth(1).click()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    page.goto("")
    expect(page.get_by_role("heading", name="Assignments")).to_be_visible()
    context.close()
