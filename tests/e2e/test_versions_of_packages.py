"""Another version of a package is published while notebooks are open: real wheels, real environments, real sessions."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import NOTEBOOK, RunningHub, make_course, running
from tests.support.students import ITEM, Student

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SHOW = "import six\nsix.__version__"


def notebook(version: str) -> bytes:
    return NOTEBOOK.format(title="Six").replace('"marimo"]', f'"marimo", "six=={version}"]').encode()


def publish(hub: RunningHub, version: str) -> None:
    with hub.client("prof") as prof:
        answer = prof.post(f"publish/{ITEM}", files={"files": (f"{ITEM}.py", notebook(version))})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "packages", '[hub]\ninstructors = ["prof"]\n')) as up:
        yield up


def test_who_works_keeps_the_packages_and_who_begins_gets_the_new_ones(hub: RunningHub) -> None:
    publish(hub, "1.16.0")
    with Student(hub, "ada") as ada, Student(hub, "bob") as bob:
        tab = ada.edit()
        assert "1.16.0" in tab.run(tab.cells[2], SHOW)
        publish(hub, "1.17.0")
        new = bob.edit()
        assert "1.17.0" in new.run(new.cells[2], SHOW)
        assert "1.16.0" in tab.run(tab.cells[2], "import importlib, six\nimportlib.reload(six).__version__")
        assert ada.sessions() == [ITEM]
        ada.stop()
        again = ada.edit()
        assert "1.17.0" in again.run(again.cells[2], SHOW)
    environments = hub.course / ".mograder" / "environments"
    assert len([path for path in environments.iterdir() if len(path.name) == 20]) >= 2
    assert time.time() - max(os.stat(path).st_mtime for path in environments.iterdir()) < 3600
