"""marimo's editor, forked into a sandbox that bubblewrap made, under the system call filter."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mograder.errors import SessionFailed
from mograder.marimo_adapter import control, options
from mograder.marimo_adapter.owner import Warm
from mograder.sandbox import interpreters, join, profile, seccomp
from mograder.sandbox.holder import Holder, Start
from tests.marimo_adapter.conftest import NOTEBOOKS, workspace
from tests.support.marimo_client import MarimoClient
from tests.support.marimo_environments import NEWEST, find_python, python_with_marimo
from tests.support.processes import alive, descendants, eventually

pytestmark = pytest.mark.real

#: A user that owns nothing here; root's own sessions would be root's outside.
STUDENT = 21500 if os.getuid() == 0 else None


@pytest.fixture(scope="module")
def python() -> Path:
    """An interpreter that the student may read: not one in root's home."""
    if STUDENT is None:
        return python_with_marimo(NEWEST)
    base = next(filter(None, (find_python_in_usr(version) for version in ("3.13", "3.12", "3.11"))), None)
    if base is None:
        pytest.skip("no Python in /usr that a student may read")
    return python_with_marimo(NEWEST, base=base, root=Path("/var/tmp/mograder-tests-environments"))


def find_python_in_usr(version: str) -> str | None:
    path = Path(f"/usr/bin/python{version}")
    return (
        str(path)
        if path.exists()
        else find_python(version)
        if Path(sys.prefix).is_relative_to("/usr")
        else None
    )


@pytest.fixture(scope="module")
def warm(python: Path) -> Iterator[Warm]:
    warm = Warm.start(
        python, env=options.environment(profile.HOME, python=python), notebook=NOTEBOOKS / "numbers.py"
    )
    yield warm
    warm.stop()


class Joined:
    """A session in its sandbox, and the browser's tab on it."""

    def __init__(self, warm: Warm, python: Path, desk: Path, notebook: str, text: str = "") -> None:
        self.place = workspace(desk, notebook)
        if text:
            (self.place / notebook).write_text(text)
        self.desk = desk
        if STUDENT is not None:
            for path in (self.place, *self.place.iterdir()):
                shutil.chown(path, STUDENT, STUDENT)
            desk.chmod(0o711)
        program = seccomp.build()
        self.reader, writer = os.pipe()
        ours, theirs = socket.socketpair()

        def build() -> None:
            self.holder = Holder.start(
                profile.Profile(
                    workspace=self.place,
                    read_only=tuple(
                        (path, str(path)) for path in interpreters.of_environment(python.parent.parent)
                    ),
                    seccomp=program,
                ),
                Start(identity=join.Identity(uid=STUDENT, gid=STUDENT)),
            )
            control.send_sandbox(ours, self.holder.pidfd)

        with socket.socket(socket.AF_UNIX) as listener, ours, theirs:
            listener.bind(str(desk / "socket"))
            listener.listen(64)
            self.pid = warm.fork(
                control.Order(
                    spec=options.ServeSpec("edit", notebook, "/edit/user/a/A1"),
                    cwd=profile.WORKSPACE,
                    env=options.environment(profile.HOME, python=python, TMPDIR="/tmp"),
                    listener=listener.fileno(),
                    log=writer,
                    sandbox=theirs.fileno(),
                    program=program,
                    uid=STUDENT,
                    gid=STUDENT,
                    rlimits={"NOFILE": (1024, 1024), "NPROC": (200, 200), "FSIZE": (50 << 20, 50 << 20)},
                ),
                meanwhile=build,
            )
        os.close(writer)
        self.tab = self.another()

    def another(self) -> MarimoClient:
        return MarimoClient(unix=str(self.desk / "socket"), base="/edit/user/a/A1")

    def stop(self) -> None:
        self.tab.close()
        processes = [self.pid, *descendants(self.pid)]
        assert self.holder.stop()
        assert eventually(lambda: not any(map(alive, processes)))
        os.close(self.reader)


@pytest.fixture
def joined(warm: Warm, python: Path, desk: Path) -> Iterator[Joined]:
    session = Joined(warm, python, desk, "plain.py")
    yield session
    session.stop()


def test_the_editor_runs_and_saves_in_the_sandbox(joined: Joined) -> None:
    tab = joined.tab.start()
    assert "y is 2" in tab.output(tab.cells[2])
    assert "42" in tab.run(tab.cells[2], "answer = 6 * 7\nanswer")
    tab.save(f"{profile.WORKSPACE}/plain.py")
    assert "answer = 6 * 7" in (joined.place / "plain.py").read_text()


def test_a_sandbox_that_never_comes_is_said_and_the_next_session_is_made(
    warm: Warm, python: Path, desk: Path
) -> None:
    log = os.open("/dev/null", os.O_WRONLY)
    ours, theirs = socket.socketpair()
    order = control.Order(
        spec=options.ServeSpec("edit", "plain.py"), cwd="/", env={}, log=log, sandbox=theirs.fileno()
    )

    def fail() -> None:
        theirs.close()
        raise RuntimeError("bubblewrap is gone")

    with ours, theirs, pytest.raises(RuntimeError):  # what the owner was told; the fork learns it now
        warm.fork(order, "first", fail)
    ours, theirs = socket.socketpair()
    order = replace(order, sandbox=theirs.fileno())
    with theirs, pytest.raises(SessionFailed, match="There is no sandbox"):
        warm.fork(order, "second", lambda: (theirs.close(), ours.close())[0])
    os.close(log)
    session = Joined(warm, python, desk, "plain.py")
    assert session.tab.request("GET", "/health").status == 200
    session.stop()


def test_server_and_kernel_are_confined(joined: Joined) -> None:
    joined.tab.start()
    ours = os.stat("/proc/self/ns/net").st_ino
    for pid in (joined.pid, *descendants(joined.pid)):
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^Seccomp:\s2$", status, re.M)
        assert re.search(r"^NoNewPrivs:\s1$", status, re.M)
        assert re.search(r"^CapBnd:\s0+$", status, re.M)
        assert re.search(r"^NSpid:\s\d+\s\d+", status, re.M)
        assert os.stat(f"/proc/{pid}/ns/net").st_ino != ours
        if STUDENT is not None:
            assert re.search(rf"^Uid:\s{STUDENT}\s{STUDENT}\s", status, re.M)


def test_cells_that_run_before_anybody_has_come_are_confined(warm: Warm, python: Path, desk: Path) -> None:
    text = (NOTEBOOKS / "plain.py").read_text()
    status = 'import marimo as mo\n\n    open("seen", "w").write(open("/proc/self/status").read())'
    session = Joined(warm, python, desk, "plain.py", text.replace("import marimo as mo", status))
    try:
        assert session.tab.request("GET", "/health").status == 200
        seen = session.place / "seen"
        assert eventually(lambda: seen.exists() and "nonvoluntary" in seen.read_text())
        assert re.search(r"^Seccomp:\s2$", seen.read_text(), re.M)
        assert re.search(r"^NoNewPrivs:\s1$", seen.read_text(), re.M)
        assert re.search(r"^CapBnd:\s0+$", seen.read_text(), re.M)
        if STUDENT is not None:
            assert seen.stat().st_uid == STUDENT
    finally:
        session.stop()


def test_a_cell_is_interrupted_and_the_kernel_restarted_in_the_sandbox(joined: Joined) -> None:
    tab = joined.tab.start()
    tab.send(tab.cells[-1], "print('begun', flush=True)\nwhile True: pass")
    while "begun" not in str(tab.outputs[tab.cells[-1]].console):
        tab.receive()
    tab.interrupt()
    tab.until("completed-run", timeout=10)
    tab.restart()
    tab.close()
    with joined.another() as again:
        again.start()
        assert "y is 2" in again.output(again.cells[2])


def test_cells_may_use_threads_processes_and_shared_memory_in_the_sandbox(joined: Joined) -> None:
    tab = joined.tab.start()
    code = """
import multiprocessing as mp, subprocess, threading
from multiprocessing import shared_memory
r = []
for m in ("spawn", "fork", "forkserver"):
    p = mp.get_context(m).Pool(2)
    r += p.map(abs, [-1, -2])
    p.close(); p.join()
t = threading.Thread(target=lambda: r.append(3)); t.start(); t.join()
r.append(int(subprocess.run(["/bin/echo", "4"], capture_output=True).stdout))
s = shared_memory.SharedMemory(create=True, size=10); r.append(s.size); s.close(); s.unlink()
str(r)
"""
    assert "[1, 2, 1, 2, 1, 2, 3, 4, 10]" in tab.run(tab.cells[-1], code)


def test_no_helper_of_multiprocessing_is_needed_in_the_sandbox(joined: Joined) -> None:
    joined.tab.start()
    for pid in descendants(joined.pid):
        assert "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text()
    assert len(descendants(joined.pid)) == 2


def test_no_socket_or_pipe_of_the_warm_process_is_open_in_the_session(joined: Joined, warm: Warm) -> None:
    joined.tab.start()
    private = _channels(warm.process.pid)
    assert private
    for pid in (joined.pid, *descendants(joined.pid)):
        assert not private & _channels(pid)


def test_the_environment_of_a_session_holds_nothing_of_ours(joined: Joined) -> None:
    joined.tab.start()
    for pid in (joined.pid, *descendants(joined.pid)):
        names = {
            entry.partition("=")[0] for entry in Path(f"/proc/{pid}/environ").read_text().split("\0") if entry
        }
        assert names <= {*options.environment("/"), "TMPDIR"}


def _channels(pid: int) -> set[str]:
    """The sockets and pipes that a process has open, but for its standard ones."""
    links = [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir() if int(path.name) > 2]
    return {str(link) for link in links if str(link).startswith(("socket:", "pipe:"))}
