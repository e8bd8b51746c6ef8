"""Sessions and validation through the session engine, on a real hub: what a fault ends, and what it leaves alone."""

from __future__ import annotations

import csv
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.hub import RunningHub, end_engine, make_course, start
from tests.support.processes import alive, eventually
from tests.support.students import ITEM, Student

pytestmark = pytest.mark.real

CONFIG = """[hub]
title = "Engine course"
instructors = ["prof"]
session_memory_mb = 384
session_processes = 48
validate_timeout = 8
"""
ENGINE, WARM = b"mograder.sessions.engine", b"mograder.marimo_adapter.warm"


class Place:
    """A course whose hub can be killed and started again."""

    def __init__(self, course: Path) -> None:
        self.course = course
        self.hub: RunningHub = start(course)
        self.people: list[Student] = []

    def student(self, name: str) -> Student:
        person = Student(self.hub, name)
        self.people.append(person)
        return person

    def engines(self) -> list[int]:
        """Engines of this course: they see its workspaces."""
        return [pid for pid in processes(lambda line: ENGINE in line) if self._sees_the_course(pid)]

    def engine(self) -> int:
        """The one that has no other above it: its jail's own processes, and its forks, carry the same words."""
        found = [pid for pid in self.engines() if cmdline(pid).startswith(os.fsencode(_python()))]
        (pid,) = set(found) - {fork for engine in found for fork in children(engine)}
        return pid

    def warm(self) -> set[int]:
        """Warm processes; forks of one that was killed look the same and are the engine's children, too."""
        return {pid for pid in children(self.engine()) if WARM in cmdline(pid)}

    def coming(self) -> list[int]:
        """Warm processes, also of an engine that is just starting; the one that tries a session out on itself first."""
        return sorted(pid for pid in processes(lambda line: WARM in line) if self._sees_the_course(pid))

    def sandboxes(self) -> set[str]:
        """What runs in the engine, sessions and validations, by their process namespaces."""
        engine = self.engine()
        return {space for pid in descendants_of(engine) if (space := _space(pid))} - {_space(engine)}

    def written_down(self) -> list[str]:
        """The states of the sessions that a next hub would find."""
        with closing(sqlite3.connect(self.course / ".mograder" / "hub.db")) as database:
            return [state for (state,) in database.execute("SELECT state FROM sessions")]

    def restart(self, number: int) -> float:
        """End the hub by a signal and start another; seconds from its start until it answers."""
        self.hub.stop(number)
        begin = time.monotonic()
        self.hub = start(self.course, "--port", self.hub.url.rstrip("/").rpartition(":")[2])
        return time.monotonic() - begin

    def leave(self) -> None:
        """Everybody goes home."""
        for person in self.people:
            there = Student(self.hub, person.name)
            there.stop()
            there.close()
            person.close()
        self.people.clear()

    def _sees_the_course(self, pid: int) -> bool:
        try:
            return str(self.course) in Path(f"/proc/{pid}/mountinfo").read_text()
        except OSError:
            return False


def _space(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _python() -> str:
    import sys

    return sys.executable


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def processes(which: Callable[[bytes], bool]) -> list[int]:
    """Everything on the host whose command line is so."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if which(cmdline(pid)) and alive(pid)]


def marked(marker: str) -> list[int]:
    """Everything on the host with ``marker`` in its words or its environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            content = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in content and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


@pytest.fixture(scope="module")
def the_place(course_root: Path) -> Iterator[Place]:
    place = Place(make_course(course_root / "engine", CONFIG))
    yield place
    place.hub.stop(signal.SIGINT)
    assert eventually(lambda: not place.engines(), 10), "a development hub left its engine behind"


@pytest.fixture
def place(the_place: Place) -> Iterator[Place]:
    yield the_place
    the_place.leave()


def test_a_notebook_is_nobody_and_sees_nothing_of_the_hub(place: Place) -> None:
    tab = place.student("alice").edit()
    code = f"""import os
wanted = [{str(place.course / "mograder.toml")!r}, {str(place.course / ".mograder" / "hub.db")!r},
          {str(place.course / "hub-notebooks")!r}, {str(place.course / ".mograder" / "engine")!r}]
f"uid {{os.getuid()}} gid {{os.getgid()}} sees {{[path for path in wanted if os.path.exists(path)]}} in {{os.getcwd()}}"
"""
    said = tab.run(tab.cells[2], code)
    found = re.search(r"uid (\d+) gid (\d+) sees \[\] in /home/student/work", said)
    assert found, said
    assert "0" not in found.groups()


def test_on_the_host_each_student_is_another_user_and_none_is_root(place: Place) -> None:
    owners = set()
    for name in ("alice", "bob"):
        student = place.student(name)
        tab = student.edit()
        tab.run(tab.cells[2], "open('mine', 'w').write('x')")
        owners.add((student.workspace / "mine").stat().st_uid)
    assert len(owners) == 2
    assert owners.isdisjoint({0, os.getuid()})


def test_nothing_in_a_sandbox_is_outside_of_its_control_group(place: Place) -> None:
    """A notebook can reach into what holds its sandbox open: that must not be a way around the limits."""
    place.student("alice").edit()
    (space,) = place.sandboxes()
    inside = [pid for pid in descendants_of(place.engine()) if _space(pid) == space]
    assert any(b"sleep" in cmdline(pid) for pid in inside)
    groups = {Path(f"/proc/{pid}/cgroup").read_text() for pid in inside}
    assert len(groups) == 1
    assert Path(f"/proc/{place.engine()}/cgroup").read_text() not in groups


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_a_kernel_and_what_was_saved_outlive_the_hub(place: Place, number: int) -> None:
    alice = place.student("alice")
    tab = alice.edit()
    tab.run(tab.cells[2], "kept = 'a value of before'")
    tab.save(alice.notebook.name)
    assert "a value of before" in alice.notebook.read_text()
    place.restart(number)
    again = Student(place.hub, "alice")
    place.people.append(again)
    assert eventually(lambda: again.sessions() == [ITEM], 2), "not adopted within two seconds"
    back = again.tab(tab.session_id)
    back.page()
    back.open()
    back.until("reconnected")
    assert "a value of before" in back.run(tab.cells[3], "kept")
    assert "a value of before" in again.notebook.read_text()


def test_a_warm_process_that_is_killed_takes_no_session_along(place: Place) -> None:
    alice, bob = place.student("alice"), place.student("bob")
    tab = alice.edit()
    tab.run(tab.cells[2], "kept = 'still here'")
    (warm,) = place.warm()
    old = {warm, *children(warm)}
    os.kill(warm, signal.SIGKILL)
    assert eventually(lambda: not alive(warm))
    assert "still here" in tab.run(tab.cells[3], "kept")
    other = bob.edit()
    assert "42" in other.run(other.cells[2], "6 * 7")
    assert eventually(lambda: bool(place.warm() - old), 30), "no new warm process"
    assert "still here" in tab.run(tab.cells[3], "kept")


def test_an_instructor_reads_how_warm_each_item_is(place: Place) -> None:
    place.student("alice").edit()
    answer = place.student("prof").http.get("teach/health", params={"format": "csv"})
    rows = {row[0]: row[1:3] for row in csv.reader(answer.text.splitlines())}
    assert rows[f"warm {ITEM}"] == ["ok", "warm"]


def test_an_engine_that_is_killed_is_replaced_at_the_next_start(place: Place) -> None:
    alice = place.student("alice")
    alice.edit()
    engine = place.engine()
    os.kill(engine, signal.SIGKILL)
    assert eventually(lambda: alice.sessions() == [], 5)
    tab = alice.edit()
    assert "42" in tab.run(tab.cells[2], "6 * 7")
    assert place.engine() != engine


def test_a_hub_that_is_killed_during_a_cold_start_leaves_no_second_server_behind(place: Place) -> None:
    alice = place.student("alice")
    end_engine(place.course)
    assert eventually(lambda: not place.engines(), 10)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(alice.start)
        assert eventually(lambda: bool(place.coming()), 90)
        (coming, *_) = place.coming()
        os.kill(coming, signal.SIGSTOP)  # it never becomes warm before the hub is killed
        assert eventually(lambda: place.written_down() == ["starting"], 90)
        place.hub.stop(signal.SIGKILL)
        with pytest.raises(httpx.HTTPError):
            first.result()
    os.kill(coming, signal.SIGCONT)
    place.restart(signal.SIGKILL)
    again = place.student("alice")
    tab = again.edit()  # waits for the same warm process
    tab.run(tab.cells[2], "kept = 'in the only one'")
    assert len(place.sandboxes()) == 1
    assert "in the only one" in tab.run(tab.cells[3], "kept")
    assert place.written_down() == ["ready"]


def test_an_endless_validation_ends_in_its_time_also_when_its_hub_was_killed(place: Place) -> None:
    with validating_for_ever(place):
        place.hub.stop(signal.SIGKILL)
        assert eventually(lambda: not place.sandboxes(), 8 + 5)
    place.restart(signal.SIGKILL)


def test_the_next_hub_ends_the_validation_of_one_that_was_killed(place: Place) -> None:
    with validating_for_ever(place):
        begin = time.monotonic()
        place.restart(signal.SIGKILL)
        assert eventually(lambda: not place.sandboxes(), 2)
        assert time.monotonic() - begin < 8, "it ended because its time was over"


@contextmanager
def validating_for_ever(place: Place) -> Iterator[None]:
    """A validation is under way that does not end by itself; whoever asked for it may be disappointed."""
    carol = place.student("carol")
    carol.http.post(f"download-release/{carol.name}/{ITEM}")
    endless = (
        "@app.cell\ndef _():\n    import time\n\n    while True:\n        time.sleep(0.1)\n    return\n\n\n"
    )
    text = carol.notebook.read_text()
    carol.notebook.write_text(text.replace("if __name__", f"{endless}if __name__"))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(carol.http.post, f"validate/{carol.name}/{ITEM}")
        assert eventually(lambda: len(place.sandboxes()) == 1, 90)
        yield
        assert isinstance(asked.exception(), httpx.HTTPError)


def test_a_memory_bomb_ends_its_own_session_and_the_reason_is_told(place: Place) -> None:
    alice, bob = place.student("alice"), place.student("bob")
    bomb, neighbour = alice.edit(), bob.edit()
    neighbour.run(neighbour.cells[2], "kept = 'not touched'")
    seen = len(place.hub.lines)
    bomb.send(bomb.cells[2], "held = []\nwhile True:\n    held.append(b'x' * (8 << 20))")
    assert eventually(lambda: alice.sessions() == [], 15)
    assert "not touched" in neighbour.run(neighbour.cells[3], "kept")
    assert eventually(lambda: "more memory than it may" in "".join(place.hub.lines[seen:])), place.hub.lines
    page = alice.http.get(f"edit/{ITEM}", headers={"Accept": "text/html"}).text
    assert (
        "It used more memory than it may (384 MiB allowed) and was stopped. What was saved is safe." in page
    )
    assert "Start again" in page


def test_a_notebook_that_is_a_bomb_ends_before_its_page_is_there_and_is_seen_the_next_time(
    place: Place,
) -> None:
    boris = place.student("boris")
    assert boris.start().status_code == 200
    boris.stop()
    bomb = "held = []\n    while True:\n        held.append(b'x' * (8 << 20))"
    boris.notebook.write_text(boris.notebook.read_text().replace("answer = None", bomb))
    boris.start()
    assert eventually(lambda: boris.sessions() == [], 30), "nobody noticed"
    page = boris.http.get(f"edit/{ITEM}", headers={"Accept": "text/html"}).text
    assert "It used more memory than it may (384 MiB allowed) and was stopped." in page
    assert "Start again" in page
    assert boris.start().status_code == 200
    tab = boris.tab()
    tab.page()
    tab.open()
    tab.until("kernel-ready")
    assert "held" in tab.codes[2]
    assert "42" in tab.run(tab.cells[0], "6 * 7"), "something runs already"


def test_what_hides_from_the_stop_button_is_gone_within_a_second(place: Place) -> None:
    alice = place.student("alice")
    tab = alice.edit()
    marker = f"marker-{os.getpid()}-{time.monotonic_ns()}"
    code = f"""import signal, subprocess, sys
hide = "import os, signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; os.setsid(); time.sleep(600)"
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN) if __import__("threading").current_thread().name == "MainThread" else None
subprocess.Popen([sys.executable, "-c", "import os; os.fork() and os._exit(0)\\n" + hide, {marker!r}]).wait()
"""
    tab.run(tab.cells[2], code)
    assert eventually(lambda: bool(marked(marker))), "the daemon did not start"
    begin = time.monotonic()
    assert alice.stop().json()["terminated"] is True
    assert eventually(lambda: not marked(marker), 1.0 - (time.monotonic() - begin))


def test_ten_students_start_at_once(place: Place) -> None:
    students = [place.student(f"student{number}") for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda student: student.start(), students))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert [student.sessions() for student in students] == [[ITEM]] * 10
    assert (
        len({student.http.get(f"edit/user/{student.name}/{ITEM}/").status_code for student in students}) == 1
    )


def test_a_lecture_runs_in_a_sandbox_of_the_engine(place: Place) -> None:
    alice = place.student("alice")
    before = set(descendants_of(place.engine()))
    assert alice.http.post("start-run/L01-Intro").status_code == 200
    assert "marimo" in alice.http.get("run/user/alice/L01-Intro/").text
    new = set(descendants_of(place.engine())) - before
    assert new
    assert all(Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink() for pid in new)
    alice.http.post("stop-run/alice/L01-Intro")


def descendants_of(pid: int) -> list[int]:
    found = children(pid)
    return [*found, *(deeper for child in found for deeper in descendants_of(child))]


def validated(student: Student, code: str) -> dict[str, object]:
    """What validation tells of a notebook whose answer is right and whose last cell is ``code``."""
    student.http.post(f"download-release/{student.name}/{ITEM}")
    cell = "\n".join(f"    {line}" for line in code.splitlines())
    text = student.notebook.read_text().replace("None  # YOUR", "42  # YOUR")
    added = f"@app.cell\ndef _(answer):\n{cell}\n    return\n\n\nif __name__"
    student.notebook.write_text(text.replace("if __name__", added))
    answer = student.http.post(f"validate/{student.name}/{ITEM}")
    assert answer.status_code == 200, answer.text
    result: dict[str, object] = answer.json()
    return result


def passed(result: dict[str, object]) -> list[str]:
    checks = result["checks"]
    assert isinstance(checks, list)
    return [check["label"] for check in checks if check["status"] == "success"]


def test_validation_of_an_endless_notebook_ends_with_the_checks_that_finished(place: Place) -> None:
    result = validated(place.student("carol"), "import time\nwhile answer:\n    time.sleep(0.1)")
    assert passed(result) == ["Q1: the answer"]
    assert result["export_ok"] is False
    assert "8 s" in str(result["export_error"])


def test_validation_of_a_fork_bomb_stays_within_its_processes(place: Place) -> None:
    code = """import os, signal
print("answer", answer)
try:
    for made in range(2000):
        if os.fork() == 0:
            signal.pause()
except OSError:
    pass
raise RuntimeError(f"forked {made}")"""
    if "pids" not in Path("/proc/cgroups").read_text():
        pytest.skip("this host does not count processes")
    before = len(list(Path("/proc").glob("[0-9]*")))
    result = validated(place.student("dave"), code)
    made = re.search(r"forked (\d+)|more than (\d+) processes", str(result))
    assert made, result
    assert int(made[1] or made[2]) < 1000
    assert eventually(lambda: len(list(Path("/proc").glob("[0-9]*"))) < before + 20)
    tab = place.student("erin").edit()
    assert "42" in tab.run(tab.cells[2], "6 * 7")


def test_a_hub_that_starts_clears_what_an_ended_engine_left(place: Place) -> None:
    alice = place.student("alice")
    alice.edit()
    engine = place.engine()
    place.hub.stop(signal.SIGKILL)
    os.kill(engine, signal.SIGKILL)
    assert eventually(lambda: not place.engines())
    place.restart(signal.SIGKILL)
    again = place.student("alice")
    assert again.sessions() == []
    assert list((place.course / ".mograder" / "sessions").glob("*/socket")) == []
    assert "42" in (tab := again.edit()).run(tab.cells[2], "6 * 7")
