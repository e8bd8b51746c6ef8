"""The contract of `mograder.sessions.launchers.base.Launcher`, kept by every launcher, and what ``process`` adds.

A new launcher joins by a line in LAUNCHERS.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mograder.errors import SessionFailed
from mograder.marimo_adapter.options import ServeSpec
from mograder.sessions import processes
from mograder.sessions.admission import Admission
from mograder.sessions.answers import answers
from mograder.sessions.launchers import base
from mograder.sessions.launchers.base import Launcher, listen, log_tail
from mograder.sessions.launchers.process import ProcessLauncher
from mograder.sessions.manager import Sessions
from mograder.sessions.model import Handle, LaunchPlan, LaunchSpec, SessionKey
from mograder.sessions.progress import Progress
from mograder.sessions.registry import MemoryRegistry
from tests.support.marimo_client import MarimoClient
from tests.support.processes import alive, eventually

LAUNCHERS: dict[str, Callable[[], Launcher]] = {"process": ProcessLauncher}

KEY = SessionKey("edit", "ada", "A1")
NOTEBOOK = """import marimo

app = marimo.App()


@app.cell
def _():
    answer = 42
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def root() -> Iterator[Path]:
    """Short: a socket's path may have 107 bytes."""
    place = Path(tempfile.mkdtemp(prefix="launch-", dir="/var/tmp"))
    (place / "work").mkdir()
    (place / "work" / "A1.py").write_text(NOTEBOOK)
    yield place
    shutil.rmtree(place)


@pytest.fixture(params=sorted(LAUNCHERS))
def launcher(request: pytest.FixtureRequest) -> Launcher:
    return LAUNCHERS[request.param]()


def spec(root: Path, number: int = 1, python: Path = Path(sys.executable)) -> LaunchSpec:
    directory = root / str(number)
    directory.mkdir(mode=0o700)
    plan = LaunchPlan(root / "work", python, ServeSpec("edit", "A1.py", base_url=f"/{KEY.path}"))
    return LaunchSpec(str(number), KEY, plan, directory / "s", directory)


def script(root: Path, text: str) -> Path:
    """An interpreter that does something else than Python does."""
    path = root / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def of_session(directory: Path) -> list[int]:
    """Every process that was started with this session's home, wherever it is now."""
    mark = f"HOME={directory}/home\0".encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if mark in Path(f"/proc/{entry}/environ").read_bytes() and alive(int(entry)):
                    found.append(int(entry))
            except OSError:
                continue
    return found


# -- every launcher -------------------------------------------------------------------------------------------

STUBBORN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            signal.pause()
    os._exit(0)
os.getpid()
"""


@pytest.mark.real
def test_a_session_answers_and_a_stop_leaves_nothing_whatever_its_kernel_ignores(
    launcher: Launcher, root: Path
) -> None:
    async def scenario() -> None:
        await launcher.open()
        launch = spec(root)
        handle = await launcher.launch(launch)
        assert launch.socket.is_socket()
        assert launcher.alive(handle)
        assert await answers(launch.socket, f"/{KEY.path}", 60), log_tail(launch.log)
        tab = MarimoClient(unix=str(launch.socket), base=f"/{KEY.path}")
        await asyncio.to_thread(tab.start)
        await asyncio.to_thread(tab.run, tab.cells[0], STUBBORN)
        assert len(of_session(launch.directory)) >= 3  # the server, its kernel, and a daemon that left both
        (use,) = await launcher.measure([handle])
        assert use is not None
        assert use.memory_bytes > 10 << 20
        assert use.cpu_seconds > 0
        begun = time.monotonic()
        await launcher.stop(handle)
        assert time.monotonic() - begun < 1
        assert not launcher.alive(handle)
        assert await launcher.wait(handle) == ""
        assert of_session(launch.directory) == []
        assert await launcher.measure([handle]) == [None]
        await launcher.stop(handle)  # once more does no harm
        tab.close()
        await launcher.close()

    asyncio.run(scenario())


LAUNCH = """
import asyncio, sys
from pathlib import Path
from tests.sessions.test_launchers import LAUNCHERS, spec
async def main():
    launcher = LAUNCHERS[sys.argv[1]]()
    await launcher.open()
    print((await launcher.launch(spec(Path(sys.argv[2])))).dumps(), flush=True)
asyncio.run(main())
import os; os._exit(0)
"""


@pytest.mark.real
def test_a_session_outlives_its_hub_and_the_next_one_finds_and_ends_it(
    launcher: Launcher, root: Path
) -> None:
    command = [sys.executable, "-c", LAUNCH, launcher.name, str(root)]
    repository = Path(__file__).parents[2]
    first = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=repository)
    handle = Handle.loads(first.stdout)

    async def scenario() -> None:
        await launcher.open()
        assert launcher.alive(handle)
        assert await answers(root / "1" / "s", f"/{KEY.path}", 60), log_tail(root / "1" / "output.log")
        end = asyncio.create_task(launcher.wait(handle))
        await asyncio.sleep(0)
        assert not end.done()
        await launcher.stop(handle)
        await asyncio.wait_for(end, 5)
        assert not launcher.alive(handle)
        assert of_session(root / "1") == []

    asyncio.run(scenario())


@pytest.mark.real
def test_a_server_that_fails_at_once_is_a_failed_start_with_the_logs_last_lines(
    launcher: Launcher, root: Path
) -> None:
    async def scenario() -> None:
        sessions = Sessions(launcher, MemoryRegistry(), root / "s", ttl=60, admission=Admission(9))

        async def prepare(progress: Progress) -> LaunchPlan:
            return LaunchPlan(root / "work", Path(sys.executable), ServeSpec("edit", "missing.py"))

        with pytest.raises(SessionFailed) as caught:
            await sessions.start(KEY, prepare)
        assert "The notebook A1 could not be started." in str(caught.value)
        assert "missing.py" in caught.value.log_tail
        assert sessions.all() == []
        assert os.listdir(root / "s") == []
        await sessions.close()

    asyncio.run(scenario())


# -- ordinary processes ---------------------------------------------------------------------------------------


def run_script(root: Path, text: str) -> tuple[str, str]:
    """Why a session ended whose interpreter does what ``text`` says, and its output."""

    async def scenario() -> tuple[str, str]:
        launcher, launch = ProcessLauncher(), spec(root, python=script(root, text))
        handle = await launcher.launch(launch)
        why = await asyncio.wait_for(launcher.wait(handle), 10)
        assert not launcher.alive(handle)
        return why, log_tail(launch.log)

    return asyncio.run(scenario())


def test_an_interpreter_that_is_missing_is_said(root: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(SessionFailed, match=r"interpreter of A1 can not be started \(No such file"):
            await ProcessLauncher().launch(spec(root, python=root / "nothing"))

    asyncio.run(scenario())


def test_a_server_that_is_gone_before_anybody_looks_still_says_why(root: Path) -> None:
    for _ in range(10):
        why, output = run_script(root, "echo oops; exit 3")
        assert (why, output) == ("Its server ended with status 3.", "oops\n")
        shutil.rmtree(root / "1")


def test_a_server_ended_by_a_signal_says_so(root: Path) -> None:
    assert run_script(root, "kill -KILL $$")[0] == "Its server was ended by signal 9."


@pytest.mark.parametrize(
    ("status", "words"),
    [(65, "The editor could not show all of its file"), (66, "Its file is no notebook that can be run")],
)
def test_a_server_whose_file_is_no_notebook_says_so(root: Path, status: int, words: str) -> None:
    assert run_script(root, f"exit {status}")[0].startswith(words)


def test_a_server_that_ends_well_says_nothing(root: Path) -> None:
    assert run_script(root, "exit 0") == ("", "")


def test_a_session_gets_an_environment_built_from_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOGRADER_HUB_SECRET", "CANARY")
    monkeypatch.setenv("SOMETHING_ELSE", "CANARY")
    _, output = run_script(root, "cat /proc/$$/environ; cat /proc/$$/cmdline; pwd")
    assert "CANARY" not in output
    assert f"HOME={root}/1/home" in output
    assert output.endswith(f"{root}/work\n")


def test_a_session_inherits_its_listener_and_nothing_else(root: Path) -> None:
    with (root / "secret").open("w") as secret, socket.socket(socket.AF_UNIX) as other:
        os.set_inheritable(secret.fileno(), True)
        os.set_inheritable(other.fileno(), True)
        _, output = run_script(root, "for fd in /proc/$$/fd/*; do readlink $fd; done")
    lines = [
        line for line in output.splitlines() if not line.endswith("/python")
    ]  # what the shell itself opened
    assert sorted(line.split(":")[0] for line in lines) == sorted(
        ["/dev/null", f"{root}/1/output.log", f"{root}/1/output.log", "socket"]
    )


def test_a_link_in_place_of_the_log_is_not_written_through(root: Path) -> None:
    launch = spec(root, python=script(root, "echo x"))
    (root / "precious").write_text("mine")
    launch.log.symlink_to(root / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        asyncio.run(ProcessLauncher().launch(launch))
    assert (root / "precious").read_text() == "mine"


def test_somebody_elses_process_with_the_number_of_an_old_session_is_left_alone(root: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        old = Handle(other.pid, 1.0, {"home": str(root / "1" / "home")})
        launcher = ProcessLauncher()
        assert not launcher.alive(old)
        asyncio.run(asyncio.wait_for(launcher.stop(old), 5))
        assert other.poll() is None
        other.kill()


def test_what_a_dead_server_left_behind_is_ended_too(root: Path) -> None:
    async def scenario() -> None:
        launcher = ProcessLauncher()
        launch = spec(root, python=script(root, "setsid sleep 60 & exit 1"))
        handle = await launcher.launch(launch)
        assert await launcher.wait(handle) == "Its server ended with status 1."
        assert eventually(lambda: len(of_session(launch.directory)) == 1)
        await launcher.stop(handle)
        assert eventually(lambda: of_session(launch.directory) == [])

    asyncio.run(scenario())


# -- what launchers share -------------------------------------------------------------------------------------


def test_a_socket_takes_connections_at_once_and_only_from_its_owner(root: Path) -> None:
    before = os.umask(0)
    try:
        with listen(root / "s"), socket.socket(socket.AF_UNIX) as client:
            assert stat.S_IMODE((root / "s").stat().st_mode) == 0o600
            client.connect(str(root / "s"))
            client.sendall(b"waits in the backlog")
    finally:
        os.umask(before)


def test_making_a_socket_never_changes_what_other_threads_create(root: Path) -> None:
    stop = False

    def others() -> set[int]:
        modes, number = set(), 0
        while not stop:
            number += 1
            path = root / f"d{number}"
            path.mkdir(mode=0o711)
            modes.add(stat.S_IMODE(path.stat().st_mode))
        return modes

    async def scenario() -> set[int]:
        nonlocal stop
        task = asyncio.create_task(asyncio.to_thread(others))
        await asyncio.sleep(0)
        for number in range(200):
            (await asyncio.to_thread(listen, root / f"s{number}")).close()
        stop = True
        return await task

    assert asyncio.run(scenario()) == {0o711}


def test_an_old_socket_in_its_place_is_replaced(root: Path) -> None:
    listen(root / "s").close()
    with listen(root / "s"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(root / "s"))


def test_a_path_too_long_for_a_socket_is_said(root: Path) -> None:
    with pytest.raises(SessionFailed, match=r"too deep in the file system.*Tip: move it up"):
        listen(root / ("x" * base.MAX_SOCKET_PATH))


def test_a_socket_that_can_not_be_made_leaves_no_descriptor(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="No such file"):
        listen(root / "nowhere" / "s")
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_tail_of_a_log_is_its_last_part_as_text(root: Path) -> None:
    (root / "log").write_bytes(b"a" * 5000 + b"\xffend\n")
    tail = log_tail(root / "log", 10)
    assert tail == "aaaaa�end\n"
    assert log_tail(root / "nothing") == ""


@pytest.mark.timeout(60)
def test_the_tail_of_what_is_no_log_is_empty(root: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "link").symlink_to("/etc/passwd")
    assert [log_tail(root / name) for name in ("fifo", "link", "work")] == ["", "", ""]


def test_the_helpers_of_this_file_find_what_they_look_for(root: Path) -> None:
    launch = spec(root, python=script(root, "exec sleep 60"))

    async def scenario() -> None:
        launcher = ProcessLauncher()
        handle = await launcher.launch(launch)
        assert eventually(lambda: of_session(launch.directory) == [handle.pid])  # once it is what it executes
        os.kill(handle.pid, signal.SIGKILL)
        await launcher.wait(handle)
        assert processes.start_time(handle.pid) is None

    asyncio.run(scenario())
