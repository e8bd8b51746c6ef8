"""Files beside a notebook in a real browser: dropped on the dashboard, seen, deleted, taken away."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.hub import RunningHub, by_proxy, make_course, running

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM = "A1-Answer"
SMALL = '[hub]\ntitle = "Test course"\nsession_disk_mb = 8\n'

DROP = """([row, files]) => {
    const transfer = new DataTransfer();
    for (const [name, text] of files) transfer.items.add(new File([text], name));
    document.querySelector(row).dispatchEvent(
        new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


ONTO = """([place, files]) => {
    const transfer = new DataTransfer();
    for (const [name, text] of files) transfer.items.add(new File([text], name));
    return ["dragenter", "dragover", "drop"].map((name) => {
        const event = new DragEvent(name, {dataTransfer: transfer, bubbles: true, cancelable: true});
        document.querySelector(place).dispatchEvent(event);
        return event.defaultPrevented;
    });
}"""
"""Drags files over a place and drops them; what of it the page has taken into its own hands."""


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "files", SMALL)) as up:
        yield up


def visit(chromium: Browser, hub: RunningHub, user: str, *, scripts: bool = True) -> Page:
    context = chromium.new_context(
        base_url=hub.url, extra_http_headers=by_proxy(user), java_script_enabled=scripts
    )
    context.set_default_timeout(30_000)
    return context.new_page()


def beside(hub: RunningHub, user: str, name: str) -> Path:
    return hub.course / "hub-notebooks" / user / ITEM / name


def test_several_files_are_dropped_on_a_row_and_seen_on_its_page(chromium: Browser, hub: RunningHub) -> None:
    page = visit(chromium, hub, "dora")
    page.goto("")
    page.evaluate(DROP, [f'li[data-key="{ITEM}"] h3', [["a.csv", "1"], ["b.csv", "22"]]])
    expect(page.locator(".toast")).to_contain_text(f"2 files uploaded to {ITEM}.")
    assert beside(hub, "dora", "b.csv").read_text() == "22"
    page.get_by_label(f"More for {ITEM}").click()
    page.get_by_role("link", name="Files").click()
    expect(page.locator(".files tbody tr")).to_have_count(3)
    expect(page.locator(".room")).to_contain_text("1 of 8 MB used")
    page.context.close()


def test_files_are_dropped_on_their_page(chromium: Browser, hub: RunningHub) -> None:
    page = visit(chromium, hub, "elsa")
    page.goto(f"files/elsa/{ITEM}")
    assert all(page.evaluate(ONTO, ["#upload h2", [["a.csv", "1"], ["b.csv", "22"]]]))
    expect(page.locator(".toast")).to_contain_text(f"2 files uploaded to {ITEM}.")
    expect(page.locator(".files tbody")).to_contain_text("b.csv")
    assert beside(hub, "elsa", "b.csv").read_text() == "22"
    assert all(page.evaluate(ONTO, ["h1", [["c.csv", "1"]]]))  # nothing, instead of leaving the page
    expect(page.locator("[data-drop]")).to_have_count(0)
    assert not beside(hub, "elsa", "c.csv").exists()
    page.context.close()


def test_a_drop_on_the_field_itself_is_left_to_the_browser(chromium: Browser, hub: RunningHub) -> None:
    page = visit(chromium, hub, "fritz")
    page.goto(f"files/fritz/{ITEM}")
    assert not any(page.evaluate(ONTO, ["input[type=file][name=files]", [["a.csv", "1"]]]))
    page.context.close()


def test_a_notebook_dropped_on_a_row_replaces_the_copy_and_that_can_be_undone(
    chromium: Browser, hub: RunningHub
) -> None:
    page = visit(chromium, hub, "nora")
    page.goto("")
    page.get_by_role("button", name=f"Download {ITEM}").click()
    expect(page.get_by_label(f"Edit {ITEM}")).to_be_visible()
    notebook = beside(hub, "nora", f"{ITEM}.py")
    mine = notebook.read_text().replace("None", "42")
    page.evaluate(DROP, [f'li[data-key="{ITEM}"] h3', [["my download (1).py", mine]]])
    expect(page.locator(".toast")).to_contain_text("is uploaded")
    assert notebook.read_text() == mine
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("is back")
    assert "None" in notebook.read_text()
    page.context.close()


def test_what_does_not_fit_is_said_beside_the_row(chromium: Browser, hub: RunningHub) -> None:
    page = visit(chromium, hub, "vera")
    page.goto("")
    page.evaluate(
        """([row]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(9 << 20)], "big.bin"));
            document.querySelector(row).dispatchEvent(
                new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        [f'li[data-key="{ITEM}"] h3'],
    )
    expect(page.get_by_role("alert").filter(has_text="do not fit")).to_contain_text("Nothing was changed.")
    assert not beside(hub, "vera", "big.bin").exists()
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_file_is_added_deleted_and_brought_back(chromium: Browser, hub: RunningHub, scripts: bool) -> None:
    user = f"finn-{scripts}"
    page = visit(chromium, hub, user, scripts=scripts)
    page.goto(f"files/{user}/{ITEM}")
    page.locator("input[type=file][name=files]").set_input_files(
        [{"name": "own.txt", "mimeType": "text/plain", "buffer": b"my own"}]
    )
    page.get_by_role("button", name="Upload").click()
    delete = page.get_by_role("button", name="Delete own.txt")
    delete.click()
    expect(page.get_by_text("is deleted")).to_be_visible()
    assert not beside(hub, user, "own.txt").exists()
    expect(delete).to_have_count(0)  # the words come first, then the table
    page.get_by_role("button", name="Undo").click()
    expect(delete).to_be_visible()
    assert beside(hub, user, "own.txt").read_text() == "my own"
    page.context.close()


def test_all_work_is_one_click_on_the_dashboard(chromium: Browser, hub: RunningHub) -> None:
    page = visit(chromium, hub, "zoe")
    page.goto("")
    takeout = page.get_by_role("link", name="Download all my work")
    expect(takeout).to_have_count(0)  # there is none yet
    page.get_by_role("button", name=f"Download {ITEM}").click()
    expect(page.get_by_label(f"Edit {ITEM}")).to_be_visible()
    with page.expect_download() as download:
        takeout.click()
    archive = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert download.value.suggested_filename == "zoe.zip"
    assert set(archive.namelist()) == {f"{ITEM}/{ITEM}.py", f"{ITEM}/data.csv"}
    page.context.close()
