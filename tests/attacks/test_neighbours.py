"""What one student does, others do not feel: neither in how fast they are answered nor in whether they can work."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.hub import NOTEBOOK, RunningHub, make_course, running, start
from tests.support.service import UID, Service

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

# Bob asks as fast as he is answered: no limit on how often is what is tried here.
CONFIG = """\
[hub]
trusted_proxies = ["127.0.0.1"]
instructors = ["prof"]
max_upload_mb = 20
requests_per_minute = 1000000
"""
ITEM = "A1-Answer"
CROWD = 25
END_ENGINE = """
import socket, sys
from mograder.marimo_adapter import control
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.connect(sys.argv[1])
control.send(line, {"do": "quit", "id": 1})
while control.receive(line)[0] is not None:
    pass
"""
"""The engine outlives its hub, and listens to the hub's user alone."""


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "neighbours", CONFIG)
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}) as up:
        with up.client("alice") as http:
            http.post(f"start-edit-deep/{ITEM}").raise_for_status()  # from here on the packages are there
        yield up


def longest_gap(hub: RunningHub, work: Callable[[], object]) -> float:
    """The longest time between two answers to bob, who asks for small things all through ``work``."""
    over, gaps = threading.Event(), [0.0]

    def ask() -> None:
        with hub.client("bob") as http:
            http.get("sessions").raise_for_status()
            last = time.monotonic()
            while not over.is_set():
                for path in ("assignments", f"status/bob/{ITEM}", "sessions"):
                    http.get(path).raise_for_status()
                    now = time.monotonic()
                    gaps.append(now - last)
                    last = now

    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(ask)
        try:
            work()
        finally:
            over.set()
        asking.result()
    assert len(gaps) > 3
    return max(gaps)


def large_notebook(megabytes: int) -> bytes:
    """One that is sound, and as large as may be uploaded: most of it is a comment in a cell."""
    text = NOTEBOOK.format(title="The answer")
    line = "    # " + "x" * 1017 + "\n"
    filling = line * (((megabytes << 20) - len(text.encode()) - 4096) // len(line))
    return text.replace("    answer = None", filling + "    answer = None").encode()


def upload(http: httpx.Client) -> None:
    notebook = large_notebook(20)
    answer = http.post(f"upload/alice/{ITEM}", files={"file": (f"{ITEM}.py", notebook)})
    assert len(notebook) > 19 << 20
    assert answer.status_code in (200, 400, 422), answer.text  # taken or refused: it was looked at


def validate(http: httpx.Client) -> None:
    http.post(f"reset/alice/{ITEM}").raise_for_status()
    http.post(f"validate/alice/{ITEM}").raise_for_status()


def stop_and_start(http: httpx.Client) -> None:
    for _ in range(2):
        http.post(f"start-edit-deep/{ITEM}").raise_for_status()
        assert http.post(f"stop-edit/alice/{ITEM}").json()["terminated"]


@pytest.mark.parametrize("work", [upload, validate, stop_and_start])
def test_others_are_answered_meanwhile(hub: RunningHub, work: Callable[[httpx.Client], None]) -> None:
    """A hub whose event loop reads, scans, runs or kills by itself answers nobody for as long as that takes: half a
    minute for the upload. Other tests may have the processors for some seconds."""
    idle = longest_gap(hub, lambda: time.sleep(3))
    with hub.client("alice") as http:
        busy = longest_gap(hub, lambda: work(http))
    assert busy < 10 * idle + 5, (idle, busy)


SIBLINGS = [
    "release/A1-Answer/..%2f..%2fhub-release-evil%2fA1-Answer%2fA1-Answer.py",
    "release/..%2fhub-release-evil%2fA1-Answer/A1-Answer.py",
    "release/-evil/A1-Answer.py",
    "export/alice2/A1-Answer",
    "status/alice2/A1-Answer",
    "files/alice2/A1-Answer",
    "edit/user/alice2/A1-Answer/",
    "edit/user/alice/..%2f..%2falice2%2fA1-Answer/",
    "export/alice%2f..%2falice2/A1-Answer",
    "files/alice/A1-Answer/..%2f..%2f..%2falice2%2fA1-Answer%2fA1-Answer.py",
    "files/alice/A1-Answer/..%2f..%2fA1-Answer2%2fA1-Answer2.py",
]


@pytest.mark.parametrize("path", SIBLINGS)
def test_a_neighbour_whose_name_begins_like_ones_own_is_a_neighbour(hub: RunningHub, path: str) -> None:
    """Directories beside the right one that a comparison of beginnings would let through."""
    for place in (
        "hub-release-evil/A1-Answer",
        "hub-notebooks/alice2/A1-Answer",
        "hub-notebooks-evil/alice/A1-Answer",
        "hub-notebooks/alice/A1-Answer2",
    ):
        directory = hub.course / place
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{directory.name}.py").write_text("canary = 'of a neighbour'\n")
    with hub.client("alice") as http:
        request = http.build_request("GET", "")
        request.url = httpx.URL(hub.url).copy_with(raw_path=f"/{path}".encode())
        answer = http.send(request)
    assert 400 <= answer.status_code < 500, answer.text
    assert "canary" not in answer.text


def test_many_open_notebooks_of_one_host_user_do_not_break_validation(course_root: Path) -> None:
    """A limit of processes is counted by the kernel for a host user, and these are of one, and more than it."""
    course_root.chmod(0o755)
    service = Service(course_root / "one-user")
    course = make_course(course_root / "crowded", CONFIG + "session_processes = 64\nreserve_memory_mb = 0\n")
    service.own(course)
    hub = start(course, dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}, service=service)
    try:

        def open_notebook(number: int) -> int:
            with hub.client(f"student{number}") as http:
                http.timeout = 300
                return http.post(f"start-edit-deep/{ITEM}").status_code

        open_notebook(0)
        with ThreadPoolExecutor(4) as crowd:
            assert set(crowd.map(open_notebook, range(CROWD))) == {200}
        with hub.client("prof") as http:
            assert len(http.get("sessions").json()) == CROWD
        with hub.client("late") as http:
            http.post(f"download-release/late/{ITEM}").raise_for_status()
            found = http.post(f"validate/late/{ITEM}")
            assert found.status_code == 200, found.text
            assert [check["label"] for check in found.json()["checks"]] == ["Q1: the answer"]
            assert not found.json()["cell_errors"]
    finally:
        hub.stop(patience=60)
        command = [service.python, "-c", END_ENGINE, str(course / ".mograder" / "engine" / "control")]
        subprocess.run(command, user=UID, group=UID, extra_groups=[], env=service.environment(), check=True)
