"""What every page has to be: accessible, usable by keyboard, narrow, large and dark, and quick."""

from __future__ import annotations

from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from tests.pages.gallery import STEPS, all_views
from tests.pages.sample import Sample

pytestmark = pytest.mark.browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
SHIFTS = """window.shifts = 0;
window.moved = [];
new PerformanceObserver((list) => list.getEntries().forEach((e) => {
    window.shifts += e.value;
    for (const {node, previousRect, currentRect} of e.sources)
        window.moved.push(`${node?.nodeName}.${node?.className} from ${previousRect.y} to ${currentRect.y}`);
})).observe({type: "layout-shift", buffered: true});"""
CUT_OFF = """[...document.querySelectorAll("main button, main a, main summary")]
    .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"""
SMALL = """[...document.querySelectorAll("a, button, summary, select, textarea, input")]
    .filter((e) => e.checkVisibility({visibilityProperty: true}) && !e.matches(".skip"))
    .map((e) => e.closest("label") ?? e)
    .filter((e) => e.getBoundingClientRect().height < 43.5)
    .map((e) => e.outerHTML)"""
NAMES = tuple(all_views(Sample()))


def show(tab: Page, sample: Sample, name: str) -> None:
    """Open a view; a start stays where it is."""
    sample.hold.clear()
    sample.events = STEPS
    sample.view = all_views(sample)[name]
    tab.goto("view")
    if name in ("start", "start-queue"):
        expect(tab.locator("#steps li")).to_have_count(2)


def findings(tab: Page, *rules: str) -> list[str]:
    """What axe-core finds on a page (by these rules alone), each as its rule and the elements."""
    tab.evaluate(AXE)  # over the debugger: the page's own policy stays in force
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    result = tab.evaluate("options => axe.run(document, options)", options)
    return [f"{found['id']}: {[node['target'] for node in found['nodes']]}" for found in result["violations"]]


# In the dark, the colours alone are others.
@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", ("color-contrast",))])
def test_axe_finds_nothing_on_any_page(
    tab: Page, sample: Sample, scheme: str, rules: tuple[str, ...]
) -> None:
    tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    found = {}
    for name in NAMES:
        show(tab, sample, name)
        found[name] = findings(tab, *rules)
    assert {name: what for name, what in found.items() if what} == {}


def test_on_a_phone_axe_finds_nothing_where_much_is_said(tab: Page, sample: Sample) -> None:
    tab.set_viewport_size({"width": 375, "height": 760})
    for name in ("dashboard-noted", "course-hostile"):
        show(tab, sample, name)
        assert findings(tab) == [], name
        hidden = "[...document.querySelectorAll('.tabs a')].filter((e) => e.getBoundingClientRect().right > innerWidth)"
        assert tab.evaluate(f"{hidden}.length") == 0, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_what_scripts_show(tab: Page, sample: Sample, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    sample.refuse["/validate/alice/A3-Bayes"] = (500, {"detail": "It broke.", "unsafe": ["line 1"]})
    tab.goto("")
    tab.get_by_role("button", name="Validate A3-Bayes").click()
    expect(tab.get_by_role("alert").filter(has_text="It broke.")).to_be_visible()
    tab.get_by_role("button", name="Validate A2-Regression").click()
    expect(tab.get_by_role("heading", name="A2-Regression: 1 of 4 checks pass")).to_be_visible()
    tab.get_by_label("More for A2-Regression").click()
    assert findings(tab) == []
    tab.get_by_role("button", name="Reset").first.click()
    expect(tab.get_by_role("dialog")).to_be_visible()
    assert findings(tab) == []


def test_axe_would_find_something(tab: Page, sample: Sample) -> None:
    show(tab, sample, "history")
    tab.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert any(finding.startswith("button-name") for finding in findings(tab))


# 375 px is a phone; 640 px is a 1280 px window at 200 % zoom; 320 px is WCAG's reflow at 400 %.
def test_no_page_scrolls_sideways_and_every_control_is_at_least_44_pixels_high(
    tab: Page, sample: Sample
) -> None:
    for name in NAMES:
        show(tab, sample, name)
        for width in (1280, 640, 375, 320):
            tab.set_viewport_size({"width": width, "height": 800})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            assert tab.evaluate(SMALL) == [], (name, width)


def test_text_twice_as_large_cuts_nothing_off(tab: Page, sample: Sample) -> None:
    """WCAG 1.4.4, by the text alone: what is larger must make room, not hide."""
    tab.emulate_media(reduced_motion="reduce")
    for name in ("dashboard", "history", "report", "problem-404"):
        show(tab, sample, name)
        tab.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        hidden = tab.evaluate(CUT_OFF)
        assert hidden == [], name
        assert tab.evaluate("document.documentElement.scrollWidth") <= 1280, name


def test_the_keyboard_reaches_every_action_and_shows_where_it_is(tab: Page, sample: Sample) -> None:
    tab.goto("")
    reached: list[str] = []
    for _ in range(60):
        tab.keyboard.press("Tab")
        label = tab.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText")
        if tab.evaluate("document.activeElement === document.body"):
            break
        reached.append(label)
        style = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid", label
    assert reached[0] == "Skip to the content"
    for label in (
        "Edit A2-Regression (new tab)",
        "Validate A2-Regression",
        "Export A2-Regression",
        "More for A2-Regression",
        "Download A4-PDE",
        "Run L02-Loss (new tab)",
        "Stop A2-Regression",
    ):
        assert label in reached


def test_a_reset_is_possible_by_keyboard_alone(tab: Page, sample: Sample) -> None:
    tab.goto("")
    tab.get_by_label("More for A2-Regression").focus()
    for key in (
        "Enter",
        "Tab",
        "Tab",
        "Tab",
        "Tab",
        "Enter",
    ):  # open; files, history, upload, reset; press it
        tab.keyboard.press(key)
    expect(tab.get_by_role("dialog")).to_be_visible()
    expect(tab.get_by_role("button", name="Keep my copy")).to_be_focused()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.locator(".toast")).to_contain_text("as it was published")
    expect(tab.get_by_label("More for A2-Regression")).to_be_focused()


def test_the_skip_link_leads_to_the_content(tab: Page) -> None:
    tab.goto("")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.locator("main")).to_be_focused()


def test_a_page_does_not_move_while_it_loads(tab: Page, sample: Sample) -> None:
    tab.add_init_script(SHIFTS)
    for name in NAMES:
        show(tab, sample, name)
        # Steps come one by one; and a busy browser may draw a page of which a part has not come yet.
        most = 0.01 if name.startswith("start") else 0.002
        assert tab.evaluate("window.shifts") <= most, (name, tab.evaluate("window.moved"))


def test_nothing_moves_for_those_who_want_it_so(tab: Page, sample: Sample) -> None:
    tab.emulate_media(reduced_motion="reduce")
    show(tab, sample, "start")
    running = tab.evaluate(
        """document.getAnimations().filter((a) => a.playState === "running").map((a) => a.animationName)"""
    )
    assert running == []
    tab.goto("")
    tab.get_by_role("button", name="Validate A2-Regression").click()
    expect(tab.get_by_role("button", name="Validate A2-Regression")).to_have_attribute("aria-busy", "true")
    assert tab.evaluate("document.getAnimations().map((a) => a.animationName)") == []
