"""The history of a notebook in a real browser: compare, restore a version, restore one cell, undo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from mograder.hub.history import digest
from tests.e2e.test_files import ONTO
from tests.support.hub import RunningHub, by_proxy, make_course, running
from tests.support.processes import eventually

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(900)]

ITEM = "A1-Answer"


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "history")) as up:
        yield up


@pytest.fixture
def student(hub: RunningHub, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Somebody with three versions of the notebook: 1, then 2, and 3 now; the second one was checked."""
    name = "hana-" + str(abs(hash(request.node.name)) % 10**6)
    with hub.client(name) as client:
        client.post(f"download-release/{name}/{ITEM}")
        for answer in ("1", "2", "3"):
            text = path(hub, name).read_text()
            path(hub, name).write_text(
                text.replace("None  # YOUR CODE HERE", "0").replace("# The answer", "# Mine")
            )
            path(hub, name).write_text(set_answer(path(hub, name).read_text(), answer))
            assert client.post(f"validate/{name}/{ITEM}").status_code == 200
        client.name = name  # type: ignore[attr-defined]
        yield client
        client.post(f"stop-edit/{name}/{ITEM}")


def set_answer(text: str, answer: str) -> str:
    lines = [
        f"    answer = {answer}" if line.startswith("    answer = ") else line for line in text.split("\n")
    ]
    return "\n".join(lines)


def path(hub: RunningHub, user: str) -> Path:
    return hub.course / "hub-notebooks" / user / ITEM / f"{ITEM}.py"


def tab_of(chromium: Browser, hub: RunningHub, client: httpx.Client, *, scripts: bool = True) -> Page:
    context = chromium.new_context(
        base_url=hub.url,
        extra_http_headers=by_proxy(client.name),
        java_script_enabled=scripts,  # type: ignore[attr-defined]
    )
    context.set_default_timeout(30_000)
    return context.new_page()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_version_comes_back_and_that_can_be_undone(
    chromium: Browser, hub: RunningHub, student: httpx.Client, scripts: bool
) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    page = tab_of(chromium, hub, student, scripts=scripts)
    page.goto(f"history/{user}/{ITEM}")
    rows = page.locator(".versions tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_contain_text("Your copy now")
    expect(rows.nth(1)).to_contain_text("Same as your copy now")
    expect(rows.nth(3)).to_contain_text("0 of 1 check passes")
    rows.nth(3).get_by_role("button", name="Restore").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert "answer = 1" in path(hub, user).read_text()
    page.get_by_role("button", name="Undo").click()
    assert eventually(lambda: "answer = 3" in path(hub, user).read_text(), 20)
    page.context.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_two_versions_are_compared_by_cell_and_one_cell_comes_back(
    chromium: Browser, hub: RunningHub, student: httpx.Client, scripts: bool
) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    page = tab_of(chromium, hub, student, scripts=scripts)
    page.goto(f"history/{user}/{ITEM}")
    page.locator(".versions tbody tr").nth(0).get_by_role("link", name="Compare").click()
    expect(page.get_by_label("Before")).to_have_value("release")
    expect(page.locator("section.cell")).to_have_count(2)
    page.get_by_role("button", name="Restore cell 3 as it was").click()
    expect(page.get_by_role("status").filter(has_text="The cell is back")).to_be_visible()
    now = path(hub, user).read_text()
    assert "answer = None  # YOUR CODE HERE" in now
    assert "# Mine" in now
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("The older version is back")).to_be_visible()
    assert "answer = 3" in path(hub, user).read_text()
    page.context.close()


def test_a_notebook_is_dropped_on_the_page(chromium: Browser, hub: RunningHub, student: httpx.Client) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    page = tab_of(chromium, hub, student)
    page.goto(f"history/{user}/{ITEM}")
    mine = set_answer(path(hub, user).read_text(), "42")
    page.evaluate(ONTO, ["#upload", [["one.py", mine], ["two.py", mine]]])
    expect(page.locator(".toast")).to_contain_text("Drop one file here")
    assert "answer = 3" in path(hub, user).read_text()
    page.evaluate(ONTO, ["#upload", [["download (1).py", mine]]])
    expect(page.locator(".toast")).to_contain_text("is uploaded")
    expect(page.locator(".versions tbody tr").nth(0)).to_contain_text("Your copy now")
    assert path(hub, user).read_text() == mine
    page.get_by_role("button", name="Undo").click()
    assert eventually(lambda: "answer = 3" in path(hub, user).read_text(), 20)
    page.context.close()


def test_any_two_versions_can_be_chosen(chromium: Browser, hub: RunningHub, student: httpx.Client) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    page = tab_of(chromium, hub, student)
    page.goto(f"compare/{user}/{ITEM}")
    page.get_by_label("Before").select_option(index=4)
    page.get_by_label("After").select_option(index=3)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("del")).to_have_text("answer = 1")
    expect(page.locator("ins")).to_have_text("answer = 2")
    expect(page.get_by_role("button", name="Restore")).to_have_count(0)
    page.context.close()


def test_any_two_of_a_great_many_versions_are_compared(
    chromium: Browser, hub: RunningHub, student: httpx.Client, pictures: Path
) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    kept = hub.course / ".mograder" / "history" / user / ITEM
    for number in range(150):
        data = set_answer(path(hub, user).read_text(), str(1000 + number)).encode()
        name = f"202601{1 + number // 24:02}T{number % 24:02}0000.000000Z_save_{digest(data)[:12]}_{ITEM}.py"
        (kept / name).write_bytes(data)
    page = tab_of(chromium, hub, student)
    page.goto(f"history/{user}/{ITEM}")
    page.get_by_role("link", name="Older versions").click()
    page.get_by_role("link", name="Older versions").click()
    page.locator(".versions tbody tr").nth(20).get_by_role("link", name="Compare").click()
    one = page.locator("ins, del").filter(has_text="answer = 1").inner_text()
    page.screenshot(path=pictures / "compare-many.png")
    page.get_by_role("link", name="with any other version").first.click()
    expect(page.get_by_text("Choose what to compare with")).to_be_visible()
    page.screenshot(path=pictures / "history-choose.png")
    for _ in range(3):
        page.get_by_role("link", name="Older versions").click()
    expect(page.locator(".versions tbody tr")).to_have_count(3)
    page.locator(".versions tbody tr").last.get_by_role("link", name="Compare").click()
    expect(page.locator("del")).to_have_text("answer = 1000")
    expect(page.locator("ins")).to_have_text(one)
    page.context.close()


def test_a_copy_that_changed_meanwhile_is_left_alone(hub: RunningHub, student: httpx.Client) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    form = {"version": "release", "cell": 2, "expected": "0" * 64}
    answer = student.post(f"restore-cell/{user}/{ITEM}", data=form)
    assert answer.status_code == 409
    assert "was changed since" in answer.json()["detail"]
    assert "answer = 3" in path(hub, user).read_text()


def test_an_open_editor_is_closed_before_a_version_comes_back(hub: RunningHub, student: httpx.Client) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    assert student.post(f"start-edit/{user}/{ITEM}").status_code == 200
    oldest = student.get(f"versions/{user}/{ITEM}").json()[-1]
    assert (oldest["passed"], oldest["total"]) == (0, 1)
    assert student.post(f"restore/{user}/{ITEM}", data={"version": oldest["id"]}).status_code == 200
    assert student.get("sessions").json() == []
    assert "answer = 1" in path(hub, user).read_text()


def test_nobody_else_sees_the_versions(hub: RunningHub, student: httpx.Client) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    with hub.client("mallory") as other:
        for page in (f"compare/{user}/{ITEM}", f"history/{user}/{ITEM}", f"versions/{user}/{ITEM}"):
            assert other.get(page).status_code == 403
        form = {"version": "release", "cell": 0, "expected": ""}
        assert other.post(f"restore-cell/{user}/{ITEM}", data=form).status_code == 403


def test_a_notebook_made_to_be_slow_is_refused_and_the_hub_goes_on(
    hub: RunningHub, student: httpx.Client
) -> None:
    user: str = student.name  # type: ignore[attr-defined]
    path(hub, user).write_text(
        "x = " + "(" * 90 + "1" + ")" * 90 + "\n" + "\n".join(f"y{n % 7}" for n in range(60_000))
    )
    answer = student.get(f"compare/{user}/{ITEM}", timeout=600)
    assert answer.status_code in (200, 409)
    assert student.get("assignments").status_code == 200
