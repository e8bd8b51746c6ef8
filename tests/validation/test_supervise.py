"""mograder.validation.supervise"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.validation import supervise
from mograder.validation.supervise import Kernel, Seen, Tail, descendants

LIMITS = {"memory": 300 << 20, "processes": 20, "file_size": 1 << 20, "log": 4000}


def start(code: str, directory: Path, **limits: int) -> subprocess.Popen[str]:
    order = {
        "command": [sys.executable, "-I", "-S", "-c", code],
        "environment": {"PATH": "/usr/bin:/bin"},
        "directory": str(directory),
        **LIMITS,
        **limits,
    }
    command = [sys.executable, "-I", "-S", supervise.__file__, json.dumps(order)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    said: dict[str, Any] = json.loads(process.stdout.read())
    assert process.stdin
    process.stdin.close()
    process.stdout.close()
    process.wait(10)
    return said


def run(code: str, directory: Path, **limits: int) -> dict[str, Any]:
    return answer(start(code, directory, **limits))


def running(mark: str) -> list[int]:
    """Processes whose command line holds ``mark``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.real
def test_the_exit_status_and_what_was_said_come_back(tmp_path: Path) -> None:
    said = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path)
    assert said["how"] == "done"
    assert said["status"] == 3
    assert sorted(said["log"].split()) == ["err", "out"]


@pytest.mark.real
def test_a_signal_is_a_negative_status(tmp_path: Path) -> None:
    assert run("import os; os.kill(os.getpid(), 11)", tmp_path)["status"] == -11


@pytest.mark.real
def test_what_can_not_be_started_is_said(tmp_path: Path) -> None:
    said = run("", tmp_path / "absent")
    assert said["status"] == 127
    assert "No such file" in said["log"]


@pytest.mark.real
def test_daemons_with_sessions_of_their_own_end_with_the_run(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "            os.execv('/bin/sleep', ['sleep-of-a-daemon', '600'])\n"
        "        os._exit(0)\n"
        "for _ in range(3): os.wait()\n"
    )
    assert run(code, tmp_path)["how"] == "done"
    assert running("sleep-of-a-daemon") == []


@pytest.mark.real
def test_a_fork_bomb_is_ended(tmp_path: Path) -> None:
    # It doubles until it is stopped or there are 2048: nothing holds a bomb of root's here but the supervisor.
    code = "import os, time\n# exponential-bomb\nfor _ in range(11): os.fork()\ntime.sleep(60)"
    assert run(code, tmp_path)["how"] == "processes"
    assert running("exponential-bomb") == []


@pytest.mark.real
def test_many_processes_may_not_hold_more_memory_together(tmp_path: Path) -> None:
    some = "import os\nfor _ in range(5):\n    if os.fork() == 0: break\n"
    code = some + "x = bytearray(100 << 20)\nos.read(os.pipe()[0], 1)"
    assert run(code, tmp_path)["how"] == "memory"


@pytest.mark.real
def test_one_process_that_wants_too_much_memory_gets_an_error_of_its_own(tmp_path: Path) -> None:
    said = run("x = bytearray(1 << 30)", tmp_path)
    assert said["how"] == "done"
    assert "MemoryError" in said["log"]


@pytest.mark.real
def test_a_file_can_not_grow_past_its_limit(tmp_path: Path) -> None:
    said = run("open('big', 'wb').write(bytes(2 << 20))", tmp_path)
    assert "File too large" in said["log"]
    assert (tmp_path / "big").stat().st_size <= LIMITS["file_size"]


@pytest.mark.real
def test_a_flood_of_output_neither_blocks_nor_fills_anything(tmp_path: Path) -> None:
    said = run("import os\nfor _ in range(2000): os.write(1, b'x' * 9999)\nprint('the end')", tmp_path)
    assert said["how"] == "done"
    assert len(said["log"]) < 2 * (1 << 16)
    assert said["log"].endswith("the end\n")
    assert "bytes left out" in said["log"]


@pytest.mark.real
def test_when_the_lifeline_closes_everything_ends(tmp_path: Path) -> None:
    process = start(
        "import os, time\nprint(os.getpid(), flush=True)\n# lifeline-test\ntime.sleep(600)", tmp_path
    )
    process.stdin and process.stdin.close()
    assert process.stdout
    assert json.loads(process.stdout.read())["how"] == "cancelled"
    process.stdout.close()
    process.wait(10)
    assert running("lifeline-test") == []


@pytest.mark.real
def test_when_the_caller_dies_everything_ends(tmp_path: Path) -> None:
    order = {
        "command": ["/bin/sh", "-c", "exec sleep 600 # orphan-test"],
        "environment": {},
        "directory": str(tmp_path),
        **LIMITS,
    }
    caller = (
        "import subprocess, sys, os\n"
        "p = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
        "print('started', flush=True)\n"
        "sys.stdin.read()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-I", "-S", supervise.__file__, json.dumps(order)]
    done = subprocess.run(
        [sys.executable, "-c", caller, *command],
        input="",
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )  # it returns when the last holder of the output pipe is gone: the supervisor
    assert '"cancelled"' in done.stdout
    assert running("orphan-test") == []


def test_descendants_are_found_through_all_generations() -> None:
    child = subprocess.Popen(["/bin/sh", "-c", "sleep 600 & echo; wait"], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    below = descendants(os.getpid())
    grandchildren = [process for process, seen in below.items() if seen.parent == child.pid]
    assert child.pid in below
    assert len(grandchildren) == 1
    os.kill(grandchildren[0], 9)
    child.communicate(timeout=10)


@given(st.lists(st.binary(max_size=50)), st.integers(1, 100))
def test_the_first_and_the_last_of_a_stream_are_kept(pieces: list[bytes], limit: int) -> None:
    tail = Tail(limit)
    for piece in pieces:
        tail.add(piece)
    whole = b"".join(pieces)
    text = tail.text()
    assert text.startswith(whole[:limit].decode("utf-8", "replace")[:-4])
    if len(whole) <= limit:
        assert text == whole.decode("utf-8", "replace")
    assert len(text) <= 2 * limit + 50 + 40


class Run:
    """marimo's process (number 7) and the notebook's below it, looked at ten times a second."""

    def __init__(self) -> None:
        self.kernel = Kernel(7)
        self.now = 0.0

    def lost(self, seconds: float, *, marimo: str, notebook: str = "") -> bool:
        """Whether the notebook's process is held to be lost after so long in these states ("": not there)."""
        below = {7: Seen(parent=1, state=marimo)}
        if notebook:
            below[threading.get_native_id()] = Seen(parent=7, state=notebook)  # a process that there is
        found = False
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            found = self.kernel.is_lost(below, self.now)
        return found


def test_a_notebook_process_is_lost_when_marimo_waits_for_seconds_for_one_that_is_gone() -> None:
    run = Run()
    assert not run.lost(60, marimo="S"), "it has not come up yet"
    assert not run.lost(60, marimo="S", notebook="S")
    assert not run.lost(2.9, marimo="S", notebook="Z")
    assert run.lost(0.3, marimo="S")


def test_another_that_comes_up_is_waited_for_anew() -> None:
    run = Run()
    run.lost(1, marimo="S", notebook="R")
    assert not run.lost(2.9, marimo="S")
    assert not run.lost(1, marimo="S", notebook="R")
    assert not run.lost(2.9, marimo="S")


def test_marimo_that_is_not_let_go_on_by_a_busy_machine_is_not_held_to_wait() -> None:
    run = Run()
    run.lost(1, marimo="S", notebook="R")
    assert not run.lost(60, marimo="R"), "it writes its report, when it may"
    assert not run.lost(60, marimo="D")
    assert run.lost(3.2, marimo="S")


def test_a_supervisor_that_was_kept_from_looking_takes_that_time_for_nothing() -> None:
    run = Run()
    run.lost(1, marimo="S", notebook="R")
    run.now += 60
    assert not run.lost(0.1, marimo="S")
