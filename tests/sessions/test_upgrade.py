"""A hub of another version takes over: open notebooks stay with the engine that they began in."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import RunningHub, end_engine, make_course, start
from tests.support.processes import eventually
from tests.support.students import ITEM, Student

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

OLDER = """
import runpy, sys
PATCH = "import mograder; mograder.__version__ = '0.0.1'; import mograder.sessions.engine.protocol as p; p.PROTOCOL = 1"
exec(PATCH)
from mograder.sandbox.jail import Jail
real = Jail.start
RUN = "; import runpy; runpy.run_module('mograder.sessions.engine', run_name='__main__')"
def older(plan, command, **more):
    if "mograder.sessions.engine" in command:
        python, _, _, _, _, *words = command
        command = [python, "-I", "-B", "-c", PATCH + RUN, *words]
    return real(plan, command, **more)
Jail.start = older
del sys.argv[:4]  # this file, and "python -m mograder"
sys.argv.insert(0, "mograder")
runpy.run_module("mograder", run_name="__main__")
"""


@pytest.fixture
def course(course_root: Path) -> Iterator[Path]:
    made = make_course(course_root / "upgrade")
    yield made
    end_engine(made)


def former(course: Path) -> list[Path]:
    """Where engines of earlier versions listen."""
    return list((course / ".mograder" / "engine").glob("former-*"))


def next_hub(hub: RunningHub) -> RunningHub:
    hub.stop(signal.SIGKILL)
    return start(hub.course, "--port", hub.url.rstrip("/").rpartition(":")[2])


def test_open_notebooks_outlive_an_upgrade_and_the_old_engine_goes_with_the_last_of_them(
    course: Path, tmp_path: Path
) -> None:
    script = tmp_path / "older.py"
    script.write_text(OLDER)
    old = start(course, through=[sys.executable, str(script)])
    with Student(old, "alice") as alice:
        tab = alice.edit()
        tab.run(tab.cells[2], "kept = 'from before the upgrade'")
        hub = next_hub(old)
        assert len(former(course)) == 1
        there = alice.moved_to(hub)
        assert eventually(lambda: there.sessions() == [ITEM], 10)
        back = there.tab(tab.session_id)
        back.page()
        back.open()
        back.until("reconnected")
        assert "from before the upgrade" in back.run(tab.cells[3], "kept")
        with Student(hub, "bob") as bob:
            other = bob.edit()
            assert "42" in other.run(other.cells[2], "6 * 7")
            hub = next_hub(hub)  # the same version once more: both engines are found again
            assert there.moved_to(hub).sessions() == bob.moved_to(hub).sessions() == [ITEM]
        begun = len(former(course))
        assert alice.moved_to(hub).stop().json()["terminated"] is True
        assert begun == 1
        assert eventually(lambda: former(course) == [], 10)
        again = alice.moved_to(hub).edit()
        assert "42" in again.run(again.cells[2], "6 * 7")
    hub.stop(signal.SIGINT)
