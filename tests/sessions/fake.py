"""A launcher for tests of the state machine: its servers are tasks of this process and do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mograder.errors import SessionFailed
from mograder.marimo_adapter import run_state
from mograder.marimo_adapter.options import ServeSpec
from mograder.sessions.admission import Admission
from mograder.sessions.launchers.base import listen
from mograder.sessions.manager import Sessions
from mograder.sessions.model import Handle, LaunchPlan, LaunchSpec, Session, SessionKey, Use
from mograder.sessions.progress import Event, Progress
from mograder.sessions.registry import MemoryRegistry

HEALTHY = b"HTTP/1.1 200 OK\r\n\r\n"
PATIENCE = 20.0
KEY = SessionKey("edit", "ada", "A1")


@dataclass
class Server:
    """One session that runs. ``answer`` is what it says to everybody; None: nothing at all."""

    spec: LaunchSpec
    answer: bytes | None
    ended: asyncio.Future[str]
    listener: asyncio.AbstractServer
    open: set[asyncio.Task[None]] = field(default_factory=set)


class FakeLauncher:
    """Implements `mograder.sessions.launchers.base.Launcher`. Gates are open unless a test closes them."""

    name = "fake"

    def __init__(self) -> None:
        self.running: dict[int, Server] = {}
        self.gone: dict[int, str] = {}
        self.launched: list[LaunchSpec] = []
        self.most_at_once = 0
        self.launching = asyncio.Event()
        self.launch_gate, self.stop_gate = asyncio.Event(), asyncio.Event()
        self.launch_gate.set()
        self.stop_gate.set()
        self.launch_error: Exception | None = None
        self.stop_error: Exception | None = None
        self.answer: bytes | None = HEALTHY
        self.used: Use | None = None
        self.cell_runs: bool | None = False
        self.said: list[str] = []

    async def open(self) -> None:
        self.said.append("open")

    async def close(self) -> None:
        self.said.append("close")

    async def shutdown(self) -> None:
        self.said.append("shutdown")

    def prepare(self, workspace: Path, user: str) -> None:
        return None

    async def warm(self, environment: str, python: Path, notebook: Path) -> None:
        return None

    def promise(self, spec: LaunchSpec) -> Handle:
        return Handle(0, 0.0, {"session": spec.session_id})

    async def launch(self, spec: LaunchSpec) -> Handle:
        self.launched.append(spec)
        number = len(self.launched)
        self.launching.set()
        await self.launch_gate.wait()
        if self.launch_error is not None:
            spec.log.write_text("last words\n")
            raise self.launch_error
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        listener = await asyncio.start_unix_server(
            functools.partial(self._serve, number), sock=listen(spec.socket)
        )
        self.running[number] = Server(spec, self.answer, ended, listener)
        self.most_at_once = max(self.most_at_once, len(self.running))
        return Handle(number, 1.0)

    async def stop(self, handle: Handle) -> None:
        await self.stop_gate.wait()
        if self.stop_error is not None:
            raise self.stop_error
        self.end(handle)

    async def end_others(self, known: Iterable[Handle]) -> None:
        for number in set(self.running) - {self._number(handle) for handle in known}:
            self.end(Handle(number, 1.0))

    def alive(self, handle: Handle) -> bool:
        return self._number(handle) in self.running

    async def wait(self, handle: Handle) -> str:
        server = self.running.get(self._number(handle))
        number = self._number(handle)
        return self.gone.get(number, "") if server is None else await asyncio.shield(server.ended)

    async def measure(self, handles: Iterable[Handle]) -> list[Use | None]:
        return [self.used for _ in handles]

    def end(self, handle: Handle, why: str = "") -> None:
        """A session's server ends, whoever ended it."""
        server = self.running.pop(self._number(handle), None)
        if server is not None:
            server.listener.close()
            for task in server.open:
                task.cancel()
            self.gone[self._number(handle)] = why
            server.ended.set_result(why)

    def _number(self, handle: Handle) -> int:
        """Of a session by its handle, or by what was promised before its launch."""
        ids = [spec.session_id for spec in self.launched]
        promised = handle.extra.get("session")
        return ids.index(promised) + 1 if promised in ids else handle.pid

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server, task = self.running.get(number), asyncio.current_task()
        assert task is not None
        if server is None:  # it ended while somebody connected
            writer.close()
            return
        server.open.add(task)
        try:
            asked = await reader.readuntil(b"\r\n\r\n")
            if run_state.PATH.encode() in asked:
                writer.write(b"HTTP/1.1 %d .\r\n\r\n" % {True: 200, False: 204, None: 404}[self.cell_runs])
                await writer.drain()
            elif server.answer is None:
                await asyncio.Event().wait()
            else:
                writer.write(server.answer)
                await writer.drain()
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the session was ended, or whoever asked has gone
        finally:
            server.open.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class Stage:
    """A hub's sessions, and what is around them: they survive when the test starts the next hub on the same stage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.launcher = FakeLauncher()
        self.registry = MemoryRegistry()
        self.now = 1000.0
        self.prepared = 0
        self.sessions = self.hub()

    def hub(self, *, limit: int = 100, ttl: float = 60) -> Sessions:
        """A new hub that knows what the old one wrote down."""
        admission = Admission(limit, parallel=4, free=lambda: 1 << 50)
        self.sessions = Sessions(
            self.launcher,
            self.registry,
            self.root / "sessions",
            ttl=ttl,
            admission=admission,
            clock=lambda: self.now,
        )
        return self.sessions

    async def prepare(self, progress: Progress) -> LaunchPlan:
        """What the hub would do: here nothing but a step and a count."""
        self.prepared += 1
        progress.step("Preparing")
        return LaunchPlan(self.root, Path("python"), ServeSpec("edit", "A1.py"))

    async def start(self, key: SessionKey = KEY) -> Session:
        return await self.sessions.start(key, self.prepare)

    def end(self, session: Session, why: str = "") -> None:
        """The server of a session ends by itself."""
        assert session.handle is not None
        self.launcher.end(session.handle, why)

    def told(self, key: SessionKey = KEY) -> list[Event]:
        return self.sessions.progress(key).events


def on_stage(test: Callable[[Stage], Awaitable[None]]) -> Callable[[], None]:
    """Run an asynchronous test on a stage of its own; nothing may be running when it is over."""

    @functools.wraps(test)
    def run() -> None:
        root = Path(tempfile.mkdtemp(prefix="stage-"))  # short: a socket's path may have 107 bytes
        try:
            asyncio.run(play(root))
        finally:
            shutil.rmtree(root)

    async def play(root: Path) -> None:
        stage = Stage(root)
        async with asyncio.timeout(PATIENCE):
            await test(stage)
            stage.launcher.launch_gate.set()
            stage.launcher.stop_gate.set()
            stage.launcher.stop_error = None
            await stage.sessions.stop_all()
            await stage.sessions.close()
            assert stage.launcher.running == {}
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, left

    # pytest would take the parameter for a fixture.
    del run.__wrapped__  # type: ignore[attr-defined]
    return run


async def until(holds: Callable[[], Any]) -> None:
    """Let the loop turn until something is so, where no event says it."""
    while not holds():  # bounded by the stage's patience
        await asyncio.sleep(0.002)


def failing(message: str = "It broke.") -> SessionFailed:
    return SessionFailed(message)
