"""Packages that can not be imported: whom it is told, and in which words."""

from __future__ import annotations

import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.support.hub import NOTEBOOK, RunningHub, by_proxy, end_engine, make_course, publish, start
from tests.support.students import Student

pytestmark = [pytest.mark.real, pytest.mark.browser]

ITEM = "A2-Unfit"
THREADS = "A3-Threads"
SAID = "narwhals fails with RuntimeError: made for another machine"


def wheel(directory: Path, name: str, version: str, code: str) -> None:
    """A package with one module; https://packaging.python.org/en/latest/specifications/binary-distribution-format/"""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    wheel(course_root, "narwhals", "99.0", "raise RuntimeError('made for another machine')\n")
    course = make_course(course_root / "unfit", '[hub]\ninstructors = ["prof"]\n')
    shutil.rmtree(course / "hub-release" / "L01-Intro")
    for item, version in (("A1-Answer", "<99"), (ITEM, "==99.0")):
        asked = f'dependencies = ["marimo", "narwhals{version}"]'
        text = NOTEBOOK.format(title="Numbers").replace('dependencies = ["marimo"]', asked)
        publish(course, item, text, "assignment")
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(9999,), daemon=True).start()\n"
    wheel(course_root, "threadstarter", "1.0", code)
    asked = 'dependencies = ["marimo", "narwhals<99", "threadstarter"]'
    text = NOTEBOOK.format(title="Threads").replace('dependencies = ["marimo"]', asked)
    publish(
        course,
        THREADS,
        text.replace("import marimo as mo", "import marimo as mo, threadstarter"),
        "assignment",
    )
    hub = start(course, env={"UV_FIND_LINKS": str(course_root)})
    try:
        yield hub
    finally:
        hub.stop(signal.SIGINT, 120)
        end_engine(course)


def test_the_student_reads_which_package_it_is_and_whom_to_tell(
    context: BrowserContext, hub: RunningHub, pictures: Path
) -> None:
    context.set_extra_http_headers(by_proxy("alice"))
    page = context.new_page()
    page.goto(f"{hub.url}edit/{ITEM}")
    failure = page.get_by_role("alert")
    expect(failure).to_contain_text(SAID, timeout=240_000)
    expect(failure).to_contain_text("tell your instructor")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.screenshot(path=str(pictures / "unfit-student.png"))


def test_the_instructor_reads_it_beside_the_item(
    context: BrowserContext, hub: RunningHub, pictures: Path
) -> None:
    with hub.client("bob") as bob:
        assert SAID in bob.post(f"start-edit-deep/{ITEM}").json()["detail"]
    context.set_extra_http_headers(by_proxy("prof"))
    page = context.new_page()
    page.goto(f"{hub.url}teach")
    row = page.get_by_role("row").filter(has_text="Unfit")
    expect(row).to_contain_text(SAID)
    expect(page.get_by_role("row").filter(has_text="Answer")).not_to_contain_text("fails")
    page.screenshot(path=str(pictures / "unfit-instructor.png"))


def test_a_package_that_starts_threads_is_left_to_each_session_and_the_instructor_reads_which(
    hub: RunningHub,
) -> None:
    with Student(hub, "bob", THREADS) as bob:
        tab = bob.edit()
        code = "import threading\nf'{threading.active_count() > 1} {threadstarter.__name__}'"
        assert "True threadstarter" in tab.run(tab.cells[2], code)
        assert bob.stop().json()["terminated"] is True
    with hub.client("prof") as teacher:
        rows = teacher.get("teach/health", params={"format": "csv"}).text
    assert f'warm {THREADS},ok,"warm, without threadstarter"' in rows
