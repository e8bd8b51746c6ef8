"""``mograder.sessions.processes``: processes are told apart, watched and ended, whatever they call themselves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from mograder.sessions import processes
from tests.support.processes import alive, eventually

Run = Callable[..., None]

SAY_UP = "print('up', flush=True); import signal; signal.pause()"


@contextmanager
def running(code: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that has said ``up``."""
    command = [sys.executable, "-c", code]
    env = {**os.environ, **environment}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=env, start_new_session=True
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "up\n"
            yield child
        finally:
            processes.kill_tree(child.pid)


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    started = processes.start_time(os.getpid())
    assert started is not None
    assert processes.is_same(os.getpid(), started)
    assert not processes.is_same(os.getpid(), started + 1)


def test_a_zombie_is_gone_but_for_its_parent() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_time(child.pid) is None
    assert processes.start_time(child.pid, ended=True) is not None
    child.wait()
    assert processes.start_time(child.pid, ended=True) is None


@pytest.mark.parametrize("name", [b"\xff\xfe\xfd", b"a) Z 1 1", b") R", b"a\nb", b"((("])
def test_a_process_may_call_itself_what_it_likes(name: bytes) -> None:
    code = f"import ctypes; ctypes.CDLL(None).prctl(15, {name!r}); {SAY_UP}"
    with running(code) as child:
        started = processes.start_time(child.pid)
        assert started is not None
        assert processes.is_same(child.pid, started)
        assert child.pid in processes.descendants(os.getpid())
        processes.kill_tree(child.pid)
        assert child.wait(5) == -signal.SIGKILL


FAMILY = f"""
import os, signal
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            signal.pause()
        signal.pause()
{SAY_UP}
"""


def test_a_whole_family_is_found_and_ended() -> None:
    with running(FAMILY) as child:
        assert eventually(lambda: len(processes.descendants(child.pid)) == 7)
        family = processes.descendants(child.pid)
        assert family[0] == child.pid
        processes.kill_tree(child.pid)
        assert child.wait(5) == -signal.SIGKILL
        assert eventually(lambda: not any(alive(pid) for pid in family))


RABBITS = f"""
import os, time
def breed():
    while True:
        if os.fork() == 0:
            time.sleep(0.01)
            if os.fork() == 0:
                time.sleep(0.02)
            os._exit(0)
        time.sleep(0.005)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]: pass
        except ChildProcessError: pass
for _ in range(3):
    if os.fork() == 0: breed()
{SAY_UP}
"""


@pytest.mark.real
def test_a_family_that_keeps_growing_is_ended_to_the_last() -> None:
    with running(RABBITS, FAMILY_MARK="rabbits") as child:
        processes.kill_tree(child.pid)
        processes.kill_marked("FAMILY_MARK=rabbits")
        assert child.wait(5) == -signal.SIGKILL
        assert not marked(b"FAMILY_MARK=rabbits")


def marked(mark: bytes) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if mark in file.read() and alive(int(entry)):
                        found.append(int(entry))
            except OSError:
                continue
    return found


DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import signal; signal.pause()
    os._exit(0)
os.wait()
print('up', flush=True)
"""


def test_one_that_is_just_becoming_another_program_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel shows no environment of it for a moment (fs/exec.c)."""
    read = Path.read_bytes
    looks = []
    with running("import os\n" + SAY_UP, BECOMING_MARK="it") as child:

        def early(path: Path) -> bytes:
            if path == Path(f"/proc/{child.pid}/environ"):
                looks.append(path)
                return read(path) if len(looks) > 3 else b""
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", early)
        processes.kill_marked("BECOMING_MARK=it")
        assert child.wait(30) == -signal.SIGKILL


def test_a_daemon_that_left_its_family_is_found_by_its_mark() -> None:
    with running(DAEMON, DAEMON_MARK="mine") as child:
        child.wait(5)
        assert len(marked(b"DAEMON_MARK=mine")) == 1
        processes.kill_marked("DAEMON_MARK=min")
        processes.kill_marked("AEMON_MARK=mine")
        assert len(marked(b"DAEMON_MARK=mine")) == 1  # nobody else's mark was meant
        processes.kill_marked("DAEMON_MARK=mine")
        assert eventually(lambda: not marked(b"DAEMON_MARK=mine"))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """The loop of the tests, and the one that the hub uses."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


def test_the_end_of_a_process_is_noticed_at_once(run: Run) -> None:
    async def scenario() -> None:
        with running(SAY_UP) as child:
            started = processes.start_time(child.pid)
            assert started is not None
            waits = [asyncio.create_task(processes.wait_end(child.pid, started)) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert not any(wait.done() for wait in waits)
            child.kill()
            begun = time.monotonic()
            await asyncio.wait_for(asyncio.gather(*waits), 5)
            assert time.monotonic() - begun < 0.5

    run(scenario())


def test_a_process_that_is_gone_or_somebody_else_is_not_waited_for(run: Run) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(5):
            await processes.wait_end(os.getpid(), 1.0)
            await processes.wait_end(2**22 + 1, 1.0)

    run(scenario())


def test_waiting_can_be_given_up_and_leaves_no_descriptor(run: Run) -> None:
    async def scenario() -> None:
        started = processes.start_time(os.getpid())
        assert started is not None
        before = len(os.listdir("/proc/self/fd"))
        wait = asyncio.create_task(processes.wait_end(os.getpid(), started))
        await asyncio.sleep(0.01)
        wait.cancel()
        await asyncio.wait([wait])
        assert len(os.listdir("/proc/self/fd")) == before

    run(scenario())
