"""When a real hub runs a notebook again, and when it tells what it found before.

The check of these notebooks says a random word: the same word twice means that nothing was run in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hub import NOTEBOOK, RunningHub, bare_course, running

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

ITEM = "A1-Words"
CONFIG = '[hub]\ninstructors = ["prof"]\nvalidate_timeout = 12\n'
WORDS = """
    import uuid
    from pathlib import Path
    from mograder.runtime import check

    check("Q1: the answer", [(answer is None, f"{uuid.uuid4()} {Path('data.csv').read_text()}")])
    return
"""
ENDLESS = "    import time\n    while True:\n        time.sleep(1)\n    return\n"


def notebook(title: str) -> str:
    head, _, tail = NOTEBOOK.format(title=title).partition("    from mograder.runtime import check\n")
    return head + WORDS.lstrip("\n") + tail.partition("    return\n")[2]


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    with running(bare_course(course_root / "validating", CONFIG)) as up:
        publish(up, notebook("Words"))
        yield up


def publish(hub: RunningHub, text: str) -> None:
    parts = [("files", (f"{ITEM}.py", text.encode())), ("files", ("data.csv", b"one"))]
    with hub.client("prof") as prof:
        prof.post(f"publish/{ITEM}", files=parts).raise_for_status()


class Student:
    """Somebody with a copy of the item."""

    def __init__(self, hub: RunningHub, name: str) -> None:
        self.name = name
        self.place = hub.course / "hub-notebooks" / name / ITEM
        self.client = hub.client(name)
        self.client.post(f"download-release/{name}/{ITEM}").raise_for_status()

    def validate(self) -> dict[str, Any]:
        answer = self.client.post(f"validate/{self.name}/{ITEM}").raise_for_status()
        return dict(answer.json())

    def word(self) -> str:
        """What the check said."""
        (check,) = self.validate()["checks"]
        (line,) = check["details"]
        return str(line)

    def report(self) -> httpx.Response:
        return self.client.get(f"validate-report/{self.name}/{ITEM}")


@pytest.fixture
def ada(hub: RunningHub, request: pytest.FixtureRequest) -> Iterator[Student]:
    """Somebody new for each test."""
    student = Student(hub, f"ada-{abs(hash(request.node.name)) % 10**8}")
    yield student
    student.client.close()


def test_what_nothing_changed_for_is_run_once(ada: Student) -> None:
    assert ada.word() == ada.word()


def test_a_changed_data_file_runs_the_notebook_again_and_the_old_one_tells_no_old_result(
    ada: Student,
) -> None:
    first = ada.word()
    assert first.endswith("one")
    (ada.place / "data.csv").write_text("two")
    assert ada.word().endswith("two")
    (ada.place / "helper.py").write_text("x = 1\n")
    second = ada.word()
    assert second.endswith("two")
    assert second == ada.word()


def test_corrected_checks_and_packages_are_heeded_at_the_next_click(hub: RunningHub, ada: Student) -> None:
    first = ada.word()
    publish(hub, notebook("Words").replace("answer is None", "answer is not None"))
    (corrected,) = ada.validate()["checks"]
    assert corrected["status"] == "danger"
    publish(hub, notebook("Words"))
    second = ada.word()
    assert second != first
    publish(hub, notebook("Words").replace('"marimo"]', '"marimo", "six"]'))
    assert ada.word() != second
    publish(hub, notebook("Words"))


def test_a_run_that_was_stopped_is_tried_again_and_has_no_report(ada: Student) -> None:
    ada.word()
    assert ada.report().status_code == 200
    path = ada.place / f"{ITEM}.py"
    finished = path.read_text()
    path.write_text(
        finished.replace("\n\nif __name__ ==", f"\n\n@app.cell\ndef _():\n{ENDLESS}\n\nif __name__ ==")
    )
    words = []
    for _ in range(2):
        found = ada.validate()
        assert (found["export_ok"], found["html_available"]) == (False, False)
        words.append(found["checks"][0]["details"])
        assert ada.report().status_code == 404, "the report of another content was shown"
    assert words[0] != words[1]
    path.write_text(finished)
    assert ada.validate()["export_ok"] is True
    assert ada.report().status_code == 200
