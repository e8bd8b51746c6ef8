"""Validation in a sandbox: one run forked from the environment's warm process, in a sandbox made for it."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mograder.marimo_adapter import options
from mograder.sandbox import profile
from mograder.sandbox.limits import Limits
from mograder.sessions.engine.protocol import Launch
from mograder.validation.prepare import keep_ready
from mograder.validation.runner import Cancelled, Ending, How, Task
from mograder.validation.scratch import REPORT, SIDECAR

TICK = 0.1
_HOW: dict[str, How] = {"memory": "memory", "processes": "processes", "time": "time", "disk": "disk"}
T = TypeVar("T")


class Engine(Protocol):
    """What a runner needs of the session engine (`mograder.sessions.launchers.warm`)."""

    @property
    def limits(self) -> Limits: ...

    async def run(self, launch: Launch, descriptors: Mapping[str, int]) -> asyncio.Future[Any]: ...

    async def end(self, session: str) -> None: ...

    def prepare(self, workspace: Path, user: str) -> None: ...

    def slot(self, user: str) -> int: ...


class EngineRunner:
    """Runs tasks through a session engine. ``run`` blocks, in a thread of its own; the engine is on ``loop``."""

    def __init__(
        self, engine: Engine, loop: asyncio.AbstractEventLoop, *, environment: str, notebook: Path, user: str
    ) -> None:
        self._engine = engine
        self._loop = loop
        self._environment = environment
        self._notebook = notebook
        self._user = user

    def run(self, task: Task, tick: Callable[[], None], cancelled: Cancelled) -> Ending:
        """As ``Runner.run``."""
        self._engine.prepare(task.scratch.root, self._user)
        log_path = task.scratch.root.with_name(f"{task.scratch.root.name}.log")
        log = os.open(log_path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            launch = self._launch(task)
            ended = self._call(self._engine.run(launch, {"log": log}))
            keep_ready()  # for the next check: its time is now
            how = self._follow(launch.session, ended, tick, cancelled)
            end = self._call(_outcome(ended))
            text = os.pread(log, 8192, max(0, os.fstat(log).st_size - 8192)).decode("utf-8", "replace")
        finally:
            os.close(log)
            log_path.unlink()
        if how == "done" and end.reason in _HOW:
            how = _HOW[end.reason]
        elif how == "done" and (end.reason or end.status < 0):
            how = "killed"
        return Ending(how, end.status, text)

    def _follow(
        self,
        session: str,
        ended: asyncio.Future[Any],
        tick: Callable[[], None],
        cancelled: Cancelled,
    ) -> How:
        """The time is the engine's to watch: it does so also when this hub is killed."""
        while not self._call(_done(ended, TICK)):
            tick()
            if cancelled.is_set():
                self._call(self._engine.end(session))
                return "cancelled"
        return "done"

    def _launch(self, task: Task) -> Launch:
        inside = Path(profile.WORKSPACE)
        spec = options.ExportSpec(task.notebook, str(inside / "out" / REPORT), asset_url=task.asset_url)
        limits = replace(
            self._engine.limits,
            memory_bytes=task.limits.memory,
            processes=task.limits.processes,
            file_bytes=task.limits.file_size,
            log_bytes=task.limits.log,
        )
        return Launch(
            session=secrets.token_hex(8),
            task="export",
            spec=options.dumps(spec),
            environment=self._environment,
            python=str(task.python),
            workspace=str(task.scratch.root),
            directory="work",
            slot=self._engine.slot(self._user),
            notebook=str(self._notebook),
            env={"MOGRADER_SIDECAR_PATH": str(inside / "out" / SIDECAR)},
            limits=asdict(limits),
            wall_seconds=task.time_limit,
        )

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _done(ended: asyncio.Future[Any], seconds: float) -> bool:
    await asyncio.wait([ended], timeout=seconds)
    return ended.done()


async def _outcome(ended: asyncio.Future[Any]) -> Any:
    return await ended
