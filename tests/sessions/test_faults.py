"""A machine that lacks something, or runs out of it, under a real hub: each time a sentence, and others go on."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hub import RunningHub, end_engine, make_course, start
from tests.support.marimo_client import MarimoClient
from tests.support.processes import descendants, eventually
from tests.support.students import ITEM, Student

pytestmark = pytest.mark.real

SMALL = """[hub]
title = "Small course"
session_memory_mb = 384
session_processes = 48
session_disk_mb = 64
"""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def in_namespace(*commands: str) -> list[str]:
    """What runs the rest of its words where root has first run ``commands`` in a mount namespace of their own."""
    script = "; ".join(["set -e", *commands, 'exec "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


NO_BUBBLEWRAP = in_namespace("mount --bind /dev/null $(command -v bwrap)")
NO_CGROUPS = in_namespace("mount -t tmpfs -o ro none /sys/fs/cgroup")
NO_USER_NAMESPACES = [
    "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh",
]  # fmt: skip


def refused_to_start(course: Path, through: list[str]) -> str:
    """The one line with which a hub that is no development hub gives up."""
    command = [
        *through,
        sys.executable,
        "-m",
        "mograder",
        "hub",
        "-C",
        str(course),
        "--headless",
        "--port",
        "0",
    ]
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin", "MOGRADER_HUB_SECRET": "s" * 40, "HOME": "/nonexistent"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    return last


@pytest.mark.parametrize(
    ("through", "words"),
    [(NO_BUBBLEWRAP, "bubblewrap"), (NO_USER_NAMESPACES, "user namespace")],
    ids=["no bubblewrap", "no user namespaces"],
)
def test_a_hub_that_can_not_isolate_does_not_start_and_says_why(
    course_root: Path, through: list[str], words: str
) -> None:
    course = make_course(course_root / f"no-{words.replace(' ', '-')}")
    line = refused_to_start(course, through)
    assert "can not be isolated" in line
    assert words in line.lower()
    assert "mograder hub check" in line


def test_a_development_hub_that_can_not_isolate_comes_up_and_says_so_everywhere(course_root: Path) -> None:
    course = make_course(course_root / "contained")
    hub = start(course, through=NO_USER_NAMESPACES)
    try:
        assert "notebooks run without isolation, and as root: " in "".join(hub.lines)
        with hub.client("alice", Accept="text/html") as alice:
            assert "Notebooks run without isolation on this hub." in alice.get("").text
    finally:
        hub.stop(signal.SIGINT)


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    up = start(make_course(course_root / "faults", SMALL))
    yield up
    up.stop(signal.SIGINT)


def person(stack: ExitStack, hub: RunningHub, name: str) -> Student:
    student = stack.enter_context(Student(hub, name))
    stack.callback(student.stop)
    return student


def goes_on(tab: MarimoClient) -> None:
    assert "42" in tab.run(tab.cells[2], "6 * 7", timeout=20)


def test_shared_memory_that_is_full_is_an_error_in_the_cell_and_nowhere_else(
    stack: ExitStack, hub: RunningHub
) -> None:
    alice = person(stack, hub, "alice")
    tab, other = alice.edit(), person(stack, hub, "bob").edit()
    code = """import os
taken = 0
try:
    with open("/dev/shm/fill", "wb", buffering=0) as target:
        while True:
            taken += target.write(b"x" * (1 << 20))
except OSError as error:
    said = f"{error.strerror} after {taken >> 20}"
said"""
    assert "No space left on device" in tab.run(tab.cells[2], code, timeout=600)
    goes_on(other)
    goes_on(tab)
    tab.save(f"{ITEM}.py")
    for _ in range(2):  # it is full still, and the next kernels come up
        tab.post("/api/kernel/restart_session", {})
        tab = alice.tab().start()
        goes_on(tab)


def test_descriptors_that_are_exhausted_are_an_error_in_the_cell_and_nowhere_else(
    stack: ExitStack, hub: RunningHub
) -> None:
    tab, other = person(stack, hub, "alice").edit(), person(stack, hub, "bob").edit()
    code = """import os
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    said = f"{error.strerror} after {len(held)}"
said"""
    assert "Too many open files" in tab.run(tab.cells[2], code, timeout=600)
    goes_on(other)
    tab.run(tab.cells[2], "for one in held:\n    os.close(one)\nheld.clear()")
    goes_on(tab)


def test_a_disk_that_is_filled_ends_the_session_and_the_student_reads_why(
    stack: ExitStack, hub: RunningHub
) -> None:
    alice, bob = person(stack, hub, "alice"), person(stack, hub, "bob")
    tab, other = alice.edit(), bob.edit()
    code = """held = 0
try:
    for number in range(64):
        with open(f"fill{number}", "wb") as target:
            held += target.write(b"x" * (8 << 20))
except OSError as error:
    said = str(error)"""
    tab.send(tab.cells[2], code)
    assert eventually(lambda: alice.sessions() == [], 60), "nobody noticed"
    page = alice.http.get(f"edit/{ITEM}", headers={"Accept": "text/html"}).text
    assert "It filled more disk space than it may" in page
    assert "What was saved is safe." in page
    assert "Start again" in page
    goes_on(other)
    for fill in alice.workspace.glob("fill*"):
        fill.unlink()
    goes_on(alice.edit())


def test_a_flood_of_output_does_not_fill_the_hubs_disk(stack: ExitStack, hub: RunningHub) -> None:
    alice, bob = person(stack, hub, "alice"), person(stack, hub, "bob")
    tab, other = alice.edit(), bob.edit()
    code = "import os\nfor _ in range(80):\n    os.write(2, b'x' * (1 << 18))"
    tab.run(tab.cells[2], code, timeout=300)
    logs = [path.stat().st_size for path in (hub.course / ".mograder" / "sessions").glob("*/output.log")]
    assert logs
    assert max(logs) < 20 << 20
    goes_on(other)
    goes_on(tab)


def test_a_fork_bomb_ends_within_its_own_session(stack: ExitStack, hub: RunningHub) -> None:
    alice, bob = person(stack, hub, "alice"), person(stack, hub, "bob")
    tab, other = alice.edit(), bob.edit()
    tab.send(
        tab.cells[2], "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    )
    goes_on(other)
    fork = person(stack, hub, "carol").edit()
    goes_on(fork)
    assert alice.stop().json()["terminated"] is True or alice.sessions() == []
    assert eventually(lambda: alice.sessions() == [])
    goes_on(alice.edit())


def test_packages_that_are_deleted_under_a_session_are_there_again_at_the_next_start(
    stack: ExitStack, hub: RunningHub
) -> None:
    alice, bob = person(stack, hub, "alice"), person(stack, hub, "bob")
    tab = alice.edit()
    assert bar_of(alice)["packages_gone"] is False
    environments = [path.parent for path in (hub.course / ".mograder/environments").glob("*/bin")]
    subprocess.run(["rm", "-rf", *environments], check=True)
    goes_on(tab)
    goes_on(bob.edit())
    assert any((environment / "bin" / "python").exists() for environment in environments)
    goes_on(tab)
    assert bar_of(alice)["packages_gone"] is True, "what is there again is not in the sandbox"
    assert bar_of(bob)["packages_gone"] is False


def bar_of(student: Student) -> dict[str, Any]:
    """What the bar over somebody's editor is told."""
    asks = {"Sec-Fetch-Site": "same-origin"}
    with student.http.stream("GET", f"edit/user/{student.name}/{ITEM}/_hub/events", headers=asks) as stream:
        line = next(line for line in stream.iter_lines() if line.startswith("data: "))
    told: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return told


def test_a_start_while_the_hub_has_no_descriptors_left_fails_in_a_sentence_and_the_next_one_works(
    stack: ExitStack, hub: RunningHub
) -> None:
    alice = person(stack, hub, "alice")
    alice.http.get("assignments").raise_for_status()  # the connection that stays open
    soft, hard = resource.prlimit(hub.pid, resource.RLIMIT_NOFILE)
    in_use = max(int(path.name) for path in Path(f"/proc/{hub.pid}/fd").iterdir()) + 1
    resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, (in_use, hard))
    try:
        answer = alice.start()
    finally:
        resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert answer.status_code == 503, answer.text
    assert "The hub has too much to do at the moment (Too many open files)" in answer.json()["detail"]
    goes_on(alice.edit())


class Engine:
    """The session engine of a hub, as the machine's administrator sees it."""

    def __init__(self, hub: RunningHub) -> None:
        self.pid = next(pid for pid in descendants(hub.pid) if runs(pid, "mograder.sessions.engine"))
        limits = Path(f"/proc/{self.pid}/limits").read_text()
        self._usual = re.search(r"Max open files\s+(\d+)", limits)[1]  # type: ignore[index]

    def descriptors(self) -> set[int]:
        return {int(name) for name in os.listdir(f"/proc/{self.pid}/fd")}

    @contextlib.contextmanager
    def spare(self, count: int) -> Iterator[None]:
        """For a while it can have so many descriptors more, and then no other."""
        taken = self.descriptors()
        free = (number for number in itertools.count() if number not in taken)
        self._allow(str(next(itertools.islice(free, count, None))))
        try:
            yield
        finally:
            self._allow(self._usual)

    def _allow(self, soft: str) -> None:
        status = Path(f"/proc/{self.pid}").stat()  # only as its own user: ours has no rights over it
        command = ["prlimit", f"--pid={self.pid}", f"--nofile={soft}:{self._usual}"]
        subprocess.run(command, check=True, user=status.st_uid, group=status.st_gid, extra_groups=[])


def runs(pid: int, module: str) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return b"-m" in words[:5] and module.encode() in words[:6]


def test_an_engine_without_descriptors_says_so_keeps_its_sessions_and_nothing_is_left_of_what_failed(
    stack: ExitStack, hub: RunningHub
) -> None:
    alice, tab = person(stack, hub, "alice"), person(stack, hub, "bob").edit()
    alice.edit()
    alice.stop()
    engine = Engine(hub)
    before = engine.descriptors(), set(descendants(engine.pid))
    for count in range(17):
        with engine.spare(count):
            answer = alice.start()
        if answer.status_code == 200:
            break
        assert answer.status_code == 503, (count, answer.text)
        assert "The hub has too much to do at the moment (Too many open files)" in answer.json()["detail"]
    assert count  # it was refused before
    assert alice.start().status_code == 200
    alice.stop()
    assert eventually(lambda: (engine.descriptors(), set(descendants(engine.pid))) == before)
    with engine.spare(0):
        goes_on(tab)
        assert eventually(
            lambda: "Too many open files" in engine_log(hub)
        )  # it has looked after them meanwhile
    goes_on(alice.edit())


def engine_log(hub: RunningHub) -> str:
    return (hub.course / ".mograder" / "engine" / "engine.log").read_text()


def test_more_connections_than_the_hub_has_descriptors_do_not_end_it(course_root: Path) -> None:
    course = make_course(course_root / "crowded", SMALL)
    hub = start(course)
    try:
        _, hard = resource.prlimit(hub.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, (128, hard))
        port = int(hub.url.rstrip("/").rpartition(":")[2])
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for one in crowd:
            one.close()

        def answers() -> bool:
            try:
                return httpx.get(f"{hub.url}assignments", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        assert eventually(answers, 20)
    finally:
        hub.stop(signal.SIGINT)


def checked(course: Path, through: list[str]) -> dict[str, Any]:
    """What ``mograder hub check`` finds."""
    command = [*through, sys.executable, "-m", "mograder", "hub", "check", "--json", str(course)]
    environment = {**os.environ, "MOGRADER_HUB_SECRET": "s" * 40}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_where_nothing_is_missing_the_verdict_is_strict_and_without_room_of_their_own_it_is_standard(
    course_root: Path,
) -> None:
    course = make_course(course_root / "well-kept", SMALL)
    (course / "hub-notebooks").mkdir()
    own = in_namespace(f"mount -t tmpfs -o mode=711 none {course}/hub-notebooks")
    assert checked(course, own)["isolation"] == "strict"
    assert checked(course, [])["isolation"] == "standard"


def test_without_control_groups_the_check_says_what_that_means_and_what_to_do(course_root: Path) -> None:
    found = checked(make_course(course_root / "unbounded", SMALL), NO_CGROUPS)
    (limits,) = [probe for probe in found["probes"] if probe["name"] == "limits"]
    assert found["isolation"] == "degraded"
    assert limits["detail"] == "rlimits and a watchdog: memory is watched, not bounded"
    assert "Delegate=yes" in limits["remedy"]


def test_a_notebook_with_a_syntax_error_opens_and_validation_names_the_line(
    stack: ExitStack, hub: RunningHub
) -> None:
    alice = person(stack, hub, "alice")
    alice.http.post(f"download-release/alice/{ITEM}").raise_for_status()
    whole = alice.notebook.read_text()
    alice.notebook.write_text(whole.replace("answer = None", "answer = (None"))
    try:
        result = alice.http.post(f"validate/alice/{ITEM}").json()
        assert result["export_ok"] is False
        line = 1 + whole[: whole.index("answer = None")].count("\n")
        assert result["export_error"] == f"{ITEM}.py:{line}: this is not Python: '(' was never closed."
        started = alice.start()
        assert started.status_code == 200, started.text
        assert "marimo" in alice.http.get(f"edit/user/alice/{ITEM}/").text
    finally:
        alice.stop()
        alice.notebook.write_text(whole)


def test_a_lecture_that_is_no_notebook_says_so(stack: ExitStack, hub: RunningHub) -> None:
    alice = person(stack, hub, "alice")
    lecture = hub.course / "hub-release" / "L01-Intro" / "L01-Intro.py"
    whole = lecture.read_text()
    lecture.write_text("notes = 'no notebook'\n")
    try:
        answer = alice.http.post("start-run/L01-Intro")
        assert answer.status_code >= 500
        assert "Its file is no notebook that can be run, as the last lines say." in answer.json()["detail"]
        assert "L01-Intro.py is no marimo notebook" in answer.json()["log_tail"]
    finally:
        lecture.write_text(whole)
    assert alice.http.post("start-run/L01-Intro").status_code == 200
    alice.http.post("stop-run/alice/L01-Intro").raise_for_status()


def test_a_file_that_the_editor_would_not_show_whole_is_not_opened_and_stays_as_it_is(
    stack: ExitStack, hub: RunningHub
) -> None:
    alice = person(stack, hub, "alice")
    alice.http.post(f"download-release/alice/{ITEM}").raise_for_status()
    whole = alice.notebook.read_text()
    alice.notebook.write_text("notes = 'no notebook'\n")
    try:
        answer = alice.start()
        assert answer.status_code >= 500
        assert "The editor could not show all of its file, as the last lines say." in answer.json()["detail"]
        assert f"{ITEM}.py is no marimo notebook" in answer.json()["log_tail"]
        assert alice.notebook.read_text() == "notes = 'no notebook'\n"
        alice.notebook.write_text(whole)
        assert alice.start().status_code == 200
    finally:
        alice.stop()
        alice.notebook.write_text(whole)


def test_without_control_groups_a_memory_bomb_still_ends_its_own_session_only(
    stack: ExitStack, course_root: Path
) -> None:
    course = make_course(course_root / "watched", f'{SMALL}trusted_proxies = ["127.0.0.1"]\n')
    hub = start(course, dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}, through=NO_CGROUPS)
    assert "memory is watched, not bounded): see mograder hub check" in "".join(hub.lines)
    stack.callback(end_engine, course)
    stack.callback(hub.stop, signal.SIGINT)
    alice, bob = person(stack, hub, "alice"), person(stack, hub, "bob")
    bomb, other = alice.edit(), bob.edit()
    nicer = os.getpriority(os.PRIO_PROCESS, hub.pid) + 6  # pages come before notebooks
    assert f"nice {nicer}" in other.run(other.cells[2], "import os\nf'nice {os.nice(0)}'")
    bomb.send(bomb.cells[2], "held = []\nwhile True:\n    held.append(b'x' * (8 << 20))")
    assert eventually(
        lambda: alice.sessions() == [] or "MemoryError" in str(bomb.outputs.get(bomb.cells[2])), 30
    )
    goes_on(other)


def test_bubblewrap_that_goes_away_under_a_hub_is_said_to_whoever_starts_and_running_notebooks_go_on(
    stack: ExitStack, course_root: Path
) -> None:
    course = make_course(course_root / "unwrapped", SMALL)
    place = course_root / "wrapper"
    place.mkdir()
    shutil.copy(shutil.which("bwrap") or "", place / "bwrap")
    hub = start(course, through=in_namespace(f"mount --bind {place}/bwrap $(command -v bwrap)"))
    stack.callback(end_engine, course)
    stack.callback(hub.stop, signal.SIGINT)
    running = person(stack, hub, "bob").edit()
    (place / "bwrap").chmod(0)
    answer = person(stack, hub, "alice").start()
    assert answer.status_code >= 500
    assert "bubblewrap" in answer.text.lower() or "sandbox" in answer.text.lower()
    goes_on(running)
