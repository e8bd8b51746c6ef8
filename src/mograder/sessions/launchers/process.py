"""Sessions as ordinary processes, with no more isolation than the machine's own users have.

Works wherever Python does. For people who trust each other: development, and ``sandbox = "off"``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from mograder.errors import SessionFailed
from mograder.marimo_adapter import options
from mograder.sandbox import usage
from mograder.sessions import processes
from mograder.sessions.launchers.base import ended_with, listen
from mograder.sessions.model import Handle, LaunchSpec, Use


class ProcessLauncher:
    """Starts ``mograder.marimo_adapter.serve`` with the environment's interpreter."""

    name = "process"

    def __init__(self) -> None:
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def shutdown(self) -> None:
        return None

    def prepare(self, workspace: Path, user: str) -> None:
        return None

    async def warm(self, environment: str, python: Path, notebook: Path) -> None:
        return None

    def promise(self, spec: LaunchSpec) -> Handle:
        return Handle(0, 0.0, {"home": str(_home(spec))})  # no process has the number 0

    async def launch(self, spec: LaunchSpec) -> Handle:
        child = await asyncio.to_thread(self._spawn, spec)
        self._children[child.pid] = child
        started = processes.start_time(child.pid, ended=True)  # not waited for yet, so it is there
        return Handle(child.pid, started or 0.0, {"home": str(_home(spec))})

    async def stop(self, handle: Handle) -> None:
        await asyncio.to_thread(_end, handle)
        await self.wait(handle)

    async def end_others(self, known: Iterable[Handle]) -> None:
        return None  # whatever it starts is promised first, or a child of its hub

    def alive(self, handle: Handle) -> bool:
        return processes.is_same(handle.pid, handle.started)

    async def wait(self, handle: Handle) -> str:
        await processes.wait_end(handle.pid, handle.started)
        child = self._children.pop(handle.pid, None)
        if child is None:
            return ""
        status = child.wait()  # it has ended, so this waits for nothing
        return ended_with(status)

    async def measure(self, handles: Iterable[Handle]) -> list[Use | None]:
        return await asyncio.to_thread(lambda: [_use(handle) for handle in handles])

    def _spawn(self, spec: LaunchSpec) -> subprocess.Popen[bytes]:
        home = _home(spec)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(listen(spec.socket))
            log = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            stack.callback(os.close, log)
            command = options.serve_command(spec.plan.python, spec.plan.serve, fd=listener.fileno())
            try:
                return subprocess.Popen(
                    command,
                    cwd=spec.plan.workspace,
                    env=options.environment(home, python=spec.plan.python),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(listener.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                raise SessionFailed(
                    "The interpreter of {item} can not be started ({reason}).",
                    tip="publish the item again, so that its environment is built anew.",
                    item=spec.key.item,
                    reason=error.strerror,
                ) from error


def _home(spec: LaunchSpec) -> Path:
    return spec.directory / "home"


def _end(handle: Handle) -> None:
    """A session's home is in the environment of all its processes, also of those that left its tree."""
    if processes.is_same(handle.pid, handle.started):
        processes.kill_tree(handle.pid)
    if home := handle.extra.get("home"):
        processes.kill_marked(f"HOME={home}")


def _use(handle: Handle) -> Use | None:
    if not processes.is_same(handle.pid, handle.started):
        return None
    pids = processes.descendants(handle.pid)
    memory = sum(usage.proportional_bytes(pid) for pid in pids)
    return Use(memory, sum(usage.cpu_seconds(pid) for pid in pids))
