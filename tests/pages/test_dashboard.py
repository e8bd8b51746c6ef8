"""The dashboard in a browser: every action, with scripts and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mograder.hub.pages import views
from tests.pages.hostile import hostile_dashboard
from tests.pages.sample import NOW, Sample, served

pytestmark = pytest.mark.browser

A2 = "A2-Regression"
NOTEBOOK = {"name": "mine.py", "mimeType": "text/x-python", "buffer": b"import marimo\n"}


def row(tab: Page, name: str) -> object:
    return tab.locator(f'[data-live="assignments"] li[data-key="{name}"]')


def posts(sample: Sample) -> list[str]:
    return [path for method, path in sample.asked if method == "POST"]


def said(tab: Page) -> object:
    return tab.locator(".toast")


def test_download_makes_a_row_editable(tab: Page, sample: Sample) -> None:
    tab.goto("")
    tab.get_by_role("button", name="Download A4-PDE").click()
    expect(said(tab)).to_have_text("A4-PDE is ready to be edited.")
    expect(tab.get_by_role("link", name="Edit A4-PDE")).to_be_visible()
    expect(row(tab, "A4-PDE")).to_contain_text("In progress")
    assert posts(sample) == ["/download-release/alice/A4-PDE"]
    assert sample.proofs == [("proof-of-origin", "proof-of-origin")]


def test_edit_and_run_are_plain_links_to_new_tabs(tab: Page) -> None:
    tab.goto("")
    for name, address in (("Edit A2-Regression", "edit/A2-Regression"), ("Run L01-Intro", "run/L01-Intro")):
        link = tab.get_by_role("link", name=name)
        assert link.get_attribute("href") == address
        assert link.get_attribute("target") == "_blank"
        assert "opener" not in (link.get_attribute("rel") or "").split()  # _blank alone means noopener


def test_opening_an_editor_shows_up_here_without_a_reload(tab: Page, sample: Sample) -> None:
    tab.goto("")
    session = views.SessionRow("alice", "A3-Bayes", "edit", "edit/user/alice/A3-Bayes/", NOW)
    with tab.context.expect_page() as opened:
        sample.sessions.append(session)
        tab.get_by_role("link", name="Edit A3-Bayes").click()
    expect(opened.value.get_by_role("heading", name="The notebook itself")).to_be_visible()
    expect(tab.locator('[data-live="sessions"]')).to_contain_text("A3-Bayes")


def test_validate_shows_each_check_below_the_row(tab: Page, sample: Sample) -> None:
    tab.goto("")
    tab.get_by_role("button", name="Validate A2-Regression").click()
    results = tab.get_by_role("region", name="A2-Regression: 1 of 4 checks pass")
    for words in ("PASS", "PARTIAL", "FAIL", "WAITING"):
        expect(results.get_by_text(words, exact=True)).to_be_visible()
    expect(results.get_by_text("✗ the deviation")).to_be_visible()
    expect(results.get_by_text("Cell 3 differs from the published version.")).to_be_visible()
    expect(results.get_by_text("plot: NameError: name 'mu' is not defined")).to_be_visible()
    expect(results.get_by_text("Q3: <script>alert(1)</script>")).to_be_visible()
    report = results.get_by_role("link", name="The notebook with its outputs")
    assert (report.get_attribute("href") or "").endswith("/validate-report/alice/A2-Regression")
    expect(said(tab)).to_have_text("A2-Regression: 1 of 4 checks pass")
    expect(row(tab, A2)).to_contain_text("1 of 4 checks pass")
    results.get_by_role("button", name="Close").click()
    expect(results).to_have_count(0)


def test_checks_are_shown_as_they_come_until_the_answer_takes_their_place(tab: Page, sample: Sample) -> None:
    sample.live = [
        {"label": "Q1: mean", "status": "success", "details": ["✓ the mean of `u[1:]`"]},
        {"label": "Q2: <b>bold</b>", "status": "warn", "details": []},
    ]
    sample.hold.clear()
    tab.goto("")
    tab.get_by_role("button", name="Validate A2-Regression").click()
    running = tab.get_by_role("region", name="A2-Regression: running…")
    expect(running.locator(".checks > li")).to_have_count(2)
    expect(running.locator("code")).to_have_text("u[1:]")
    expect(running.get_by_text("Q2: <b>bold</b>")).to_be_visible()
    expect(running.get_by_text("WAITING", exact=True)).to_be_visible()
    sample.hold.set()
    expect(tab.get_by_role("region", name="A2-Regression: 1 of 4 checks pass")).to_be_visible()
    expect(running).to_have_count(0)


def test_a_button_says_that_it_is_busy_and_a_double_click_asks_once(tab: Page, sample: Sample) -> None:
    sample.hold.clear()
    tab.goto("")
    button = tab.get_by_role("button", name="Validate A2-Regression")
    button.dblclick()
    expect(button).to_have_attribute("aria-busy", "true")
    expect(said(tab)).to_have_text("Running A2-Regression…")
    button.click()
    sample.hold.set()
    expect(button).not_to_have_attribute("aria-busy", "true")
    assert posts(sample) == ["/validate/alice/A2-Regression"]


def test_export_downloads_the_notebook_and_the_row_says_so(tab: Page) -> None:
    tab.goto("")
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Export A3-Bayes").click()
    assert download.value.suggested_filename == "A3-Bayes.py"
    expect(tab.get_by_role("status").filter(has_text="A3-Bayes")).to_contain_text(
        "the hub can not see whether you did"
    )
    expect(row(tab, "A3-Bayes")).to_contain_text("Exported")


def test_upload_takes_a_file_from_the_menu(tab: Page, sample: Sample) -> None:
    tab.goto("")
    tab.get_by_label("More for A2-Regression").click()
    with tab.expect_file_chooser() as chooser:
        row(tab, A2).get_by_role("button", name="Upload").click()
    chooser.value.set_files([NOTEBOOK])
    expect(said(tab)).to_contain_text("A2-Regression is uploaded.")
    assert (posts(sample), sample.uploads) == (["/upload/alice/A2-Regression"], [b"import marimo\n"])


def drop(tab: Page, target: str, files: int = 1) -> None:
    """Drop files on an element, as a file manager would."""
    tab.evaluate(
        """([selector, count]) => {
            const data = new DataTransfer();
            for (let n = 0; n < count; n++) data.items.add(new File(["import marimo\\n"], "mine.py"));
            const fire = (name) => document.querySelector(selector).dispatchEvent(
                new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
            fire("dragenter");
            window.marked = document.querySelectorAll("[data-drop]").length;
            window.left = fire("drop");
        }""",
        [target, files],
    )


def test_a_notebook_can_be_dropped_on_its_row(tab: Page, sample: Sample) -> None:
    tab.goto("")
    drop(tab, 'li[data-key="A2-Regression"] h3')
    expect(said(tab)).to_contain_text("A2-Regression is uploaded.")
    assert tab.evaluate("[window.marked, window.left]") == [1, False]
    assert sample.uploads == [b"import marimo\n"]


def test_a_drop_beside_the_rows_does_not_leave_the_page(tab: Page, sample: Sample) -> None:
    tab.goto("")
    drop(tab, "h2")
    assert tab.evaluate("[window.marked, window.left]") == [0, False]
    drop(tab, 'li[data-key="A2-Regression"]', files=2)
    expect(said(tab)).to_have_text("2 files uploaded to A2-Regression.")
    assert posts(sample) == ["/files/alice/A2-Regression"]


def test_a_refused_upload_lists_what_is_unsafe_and_can_be_tried_again(tab: Page, sample: Sample) -> None:
    path = "/upload/alice/A2-Regression"
    sample.refuse[path] = (
        400,
        {"detail": "This has no place here.", "unsafe": ["line 3: import subprocess"]},
    )
    tab.goto("")
    drop(tab, 'li[data-key="A2-Regression"]')
    panel = tab.get_by_role("region", name="A2-Regression: that did not work")
    expect(panel.get_by_role("alert")).to_have_text("This has no place here.")
    expect(panel.get_by_text("line 3: import subprocess")).to_be_visible()
    sample.refuse.clear()
    panel.get_by_role("button", name="Try again").click()
    expect(said(tab)).to_contain_text("is uploaded")
    expect(panel).to_have_count(0)


def test_reset_asks_first_and_no_is_no(tab: Page, sample: Sample) -> None:
    tab.goto("")
    dialog = tab.get_by_role("dialog", name="Reset A2-Regression?")
    for leave in ("Escape", "Enter"):  # the safe button has the focus
        tab.get_by_label("More for A2-Regression").click()
        row(tab, A2).get_by_role("button", name="Reset").click()
        expect(dialog).to_contain_text("Your work is kept in the history")
        tab.keyboard.press(leave)
        expect(dialog).to_be_hidden()
        tab.keyboard.press("Escape")
    assert posts(sample) == []
    tab.get_by_label("More for A2-Regression").click()
    row(tab, A2).get_by_role("button", name="Reset").click()
    dialog.get_by_role("button", name="Reset").click()
    expect(said(tab)).to_contain_text("as it was published")
    assert posts(sample) == ["/reset/alice/A2-Regression"]


def test_stop_takes_a_session_off_the_list(tab: Page, sample: Sample) -> None:
    tab.goto("")
    tab.get_by_role("button", name="Stop A2-Regression").click()
    expect(said(tab)).to_have_text("A2-Regression is stopped. Your work is saved.")
    expect(tab.locator('[data-live="sessions"] li')).to_have_count(1)
    tab.get_by_role("button", name="Stop L01-Intro").click()
    expect(tab.locator('[data-live="sessions"]')).to_contain_text("Nothing is running.")
    assert posts(sample) == ["/stop-edit/alice/A2-Regression", "/stop-run/alice/L01-Intro"]


def test_the_keyboard_stays_in_the_list_whose_row_is_gone(tab: Page) -> None:
    tab.goto("")
    tab.get_by_role("button", name="Stop A2-Regression").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator('[data-live="sessions"] li')).to_have_count(1)
    assert tab.evaluate("document.activeElement.closest('[data-live]')?.dataset.live") == "sessions"


def test_a_row_in_use_is_left_alone_and_others_are_kept_up_to_date(tab: Page, sample: Sample) -> None:
    tab.goto("")
    menu = tab.get_by_label("More for A2-Regression")
    menu.click()
    sample.change(A2, last_check=views.Tally(4, 5))
    sample.change("A3-Bayes", last_check=views.Tally(2, 4))
    sample.assignments.insert(0, views.ItemRow("A0-New", "Brand new", "not_started", False, True))
    del sample.assignments[-1]
    with tab.expect_response("**/"):
        tab.evaluate("dispatchEvent(new Event('online'))")
    expect(row(tab, "A3-Bayes")).to_contain_text("2 of 4")
    expect(row(tab, A2)).to_contain_text("3 of 5")
    keys = tab.locator('[data-live="assignments"] li').evaluate_all(
        "rows => rows.map(row => row.dataset.key)"
    )
    assert keys == [item.name for item in sample.assignments]
    menu.click()
    tab.evaluate("dispatchEvent(new Event('online'))")
    expect(row(tab, A2)).to_contain_text("4 of 5")


def test_an_empty_course_fills_up_without_a_reload(tab: Page, sample: Sample) -> None:
    rows, sample.assignments = sample.assignments, []
    tab.goto("")
    expect(tab.get_by_text("No assignments yet.")).to_be_visible()
    sample.assignments = rows
    tab.evaluate("dispatchEvent(new Event('online'))")
    expect(tab.get_by_role("button", name="Validate A2-Regression")).to_be_visible()
    tab.get_by_label("More for A2-Regression").click()
    expect(row(tab, A2).get_by_role("button", name="Upload")).to_be_visible()


def test_a_hub_that_does_not_answer_is_said_until_it_answers(tab: Page) -> None:
    tab.goto("")
    tab.context.set_offline(True)
    banner = tab.get_by_role("alert").filter(has_text="does not answer, or you are signed out")
    expect(banner).to_be_visible()
    tab.get_by_role("button", name="Validate A2-Regression").click()
    expect(row(tab, A2).get_by_text("Nothing was changed.")).to_be_visible()
    tab.set_viewport_size({"width": 375, "height": 500})
    last = tab.get_by_role("link", name="Download all my work")
    tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last_box, banner_box = last.bounding_box(), banner.bounding_box()
    assert last_box is not None
    assert banner_box is not None
    assert last_box["y"] + last_box["height"] <= banner_box["y"]  # it covers nothing
    tab.context.set_offline(False)
    expect(banner).to_be_hidden()


def test_an_answer_that_is_not_our_page_counts_as_no_answer(tab: Page, sample: Sample) -> None:
    tab.goto("")
    tab.route("**/", lambda route: route.fulfill(body="<h1>Sign in</h1>", content_type="text/html"))
    tab.evaluate("dispatchEvent(new Event('online'))")
    expect(tab.get_by_role("button", name="Try again")).to_be_visible()


def test_escape_and_a_click_elsewhere_close_a_menu(tab: Page) -> None:
    tab.goto("")
    menu, history = (
        tab.get_by_label("More for A2-Regression"),
        row(tab, A2).get_by_role("link", name="History"),
    )
    menu.click()
    expect(history).to_be_visible()
    history.focus()
    tab.keyboard.press("Escape")
    expect(history).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    tab.get_by_role("heading", name="Lectures").click()
    expect(history).to_be_hidden()


def test_history_restores_a_version_on_the_spot(tab: Page, sample: Sample) -> None:
    tab.goto("history/alice/A2-Regression")
    tab.get_by_role("button", name="Restore the version of Mon 23 Nov 2026, 15:00 UTC").click()
    expect(said(tab)).to_contain_text("The older version is back.")
    assert ("version", "v3") in sample.asked
    assert posts(sample) == ["/restore/alice/A2-Regression"]


def test_history_uploads_and_resets_too(tab: Page, sample: Sample) -> None:
    tab.goto("history/alice/A2-Regression")
    tab.get_by_label("Notebook file").set_input_files([NOTEBOOK])
    tab.get_by_role("button", name="Upload").click()
    expect(said(tab)).to_contain_text("is uploaded")
    tab.get_by_role("button", name="Reset A2-Regression").click()
    tab.get_by_role("dialog").get_by_role("button", name="Reset").click()
    expect(said(tab)).to_contain_text("as it was published")
    assert posts(sample) == ["/upload/alice/A2-Regression", "/reset/alice/A2-Regression"]


def test_hostile_names_do_nothing_and_do_not_break_the_page(tab: Page, sample: Sample) -> None:
    sample.view = hostile_dashboard(sample.page(""))
    for width in (1280, 375):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto("view")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        expect(tab.get_by_role("heading", name="<script>alert(1)</script>").first).to_be_attached()
        assert tab.locator("main script").count() == 0


@pytest.fixture
def plain(chromium: Browser, hub: str) -> object:
    """A tab without scripts."""
    context = chromium.new_context(base_url=hub, java_script_enabled=False)
    context.set_default_timeout(5000)
    yield context.new_page()
    context.close()


def test_every_action_works_without_scripts(plain: Page, sample: Sample) -> None:
    plain.goto("")
    plain.get_by_role("button", name="Download A4-PDE").click()
    expect(plain.get_by_text("downloaded")).to_be_visible()
    plain.get_by_role("button", name="Validate A2-Regression").click()
    plain.get_by_role("button", name="Stop A2-Regression").click()
    plain.get_by_label("More for A2-Regression").click()
    plain.get_by_role("link", name="History").click()
    plain.get_by_label("Notebook file").set_input_files([NOTEBOOK])
    plain.get_by_role("button", name="Upload").click()
    plain.goto("history/alice/A2-Regression")
    plain.get_by_role("button", name="Reset A2-Regression").click()
    expect(plain.get_by_text("reset", exact=True)).to_be_visible()
    plain.goto("history/alice/A2-Regression")
    plain.get_by_role("button", name="Restore the version").first.click()
    expect(plain.get_by_text("restored")).to_be_visible()
    verbs = [path.split("/")[1] for path in posts(sample)]
    assert verbs == ["download-release", "validate", "stop-edit", "upload", "reset", "restore"]
    assert set(sample.proofs) == {("proof-of-origin", None)}


def test_a_refusal_without_scripts_is_a_page_with_a_way_on(plain: Page, sample: Sample) -> None:
    sample.refuse["/validate/alice/A2-Regression"] = (409, {"detail": "The notebook is a link."})
    plain.goto("")
    plain.get_by_role("button", name="Validate A2-Regression").click()
    expect(plain.get_by_text("The notebook is a link.")).to_be_visible()
    plain.get_by_role("link", name="Back to the course").click()
    expect(plain.get_by_role("heading", name="Assignments")).to_be_visible()


def test_everything_works_behind_a_path_prefix(chromium: Browser, sample: Sample, tmp_path: Path) -> None:
    with served(sample, "/teaching/sml") as address:
        tab = chromium.new_page()
        tab.set_default_timeout(5000)
        requested: list[str] = []
        tab.on("request", lambda request: requested.append(request.url))
        tab.goto(address)
        tab.get_by_role("button", name="Validate A2-Regression").click()
        expect(tab.get_by_role("region", name="A2-Regression: 1 of 4")).to_be_visible()
        tab.get_by_label("More for A2-Regression").click()
        row(tab, A2).get_by_role("link", name="History").click()
        tab.get_by_role("button", name="Restore the version").first.click()
        expect(said(tab)).to_contain_text("The older version is back.")
        tab.goto(f"{address}edit/A2-Regression")
        tab.wait_for_url(f"{address}edit/user/alice/A2-Regression/")
        tab.close()
        assert all(url.startswith(address) for url in requested)
