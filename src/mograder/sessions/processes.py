"""Processes of the machine, told apart by number and start time, watched and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

_ROUNDS = 50
"""How often is looked for processes that were started while others were being ended."""
_MOMENT, _MOMENTS = 0.005, 20
"""Seconds that a process has which is neither here nor there, and how often it is given them."""
_KERNELS = 2
"""The process number of what the kernel's own threads are children of."""


def start_time(pid: int, *, ended: bool = False) -> float | None:
    """When a process started, in clock ticks since boot (proc(5)); None if it is gone.

    A zombie is gone, unless ``ended`` asks for it too: to its parent it stays itself until it is waited for.
    """
    fields = _status(pid)
    if not fields or (fields[0] in (b"Z", b"X") and not ended):
        return None
    return float(fields[19])


def is_same(pid: int, started: float) -> bool:
    """Whether process ``pid`` is alive and the one that started at ``started``."""
    return start_time(pid) == started


def descendants(pid: int) -> list[int]:
    """``pid`` and every process below it, parents first."""
    children: dict[int, list[int]] = {}
    for process in _all():
        if fields := _status(process):
            children.setdefault(int(fields[1]), []).append(process)
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += children.get(current, [])
    return found


def kill_tree(pid: int) -> None:
    """End a process and all below it; everything is frozen first, so that nothing new is started meanwhile."""
    frozen: set[int] = set()
    for _ in range(_ROUNDS):
        new = [process for process in descendants(pid) if process not in frozen]
        if not new:
            break
        _signal(new, signal.SIGSTOP)
        frozen.update(new)
    _signal(descendants(pid), signal.SIGKILL)


def kill_marked(variable: str) -> None:
    """End every process that was started with ``variable`` (``NAME=value``), wherever it hung itself up since."""
    mark = b"\0" + os.fsencode(variable) + b"\0"
    moments = _MOMENTS
    for _ in range(_ROUNDS):
        known = {process: _environment(process) for process in _all()}
        found = [process for process, environment in known.items() if mark in b"\0" + (environment or b"")]
        _signal(found, signal.SIGKILL)
        if found:
            continue
        # One that is just executing a program has no environment for a moment.
        if not moments or not any(known[process] == b"" and _has_program(process) for process in known):
            return
        moments -= 1
        time.sleep(_MOMENT)


def _all() -> list[int]:
    try:
        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208  names, not paths
    except FileNotFoundError:
        return []


def _status(pid: int) -> list[bytes]:
    """The fields of ``/proc/pid/stat`` from the state on; empty if it is gone.

    Bytes: what stands before them is the process's name, which it chooses itself and which need not be text.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _environment(pid: int) -> bytes | None:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None  # gone, or somebody else's


def _has_program(pid: int) -> bool:
    """Whether it is alive and no thread of the kernel's."""
    fields = _status(pid)
    return bool(fields) and fields[0] not in (b"Z", b"X") and int(fields[1]) != _KERNELS and pid != _KERNELS


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


async def wait_end(pid: int, started: float) -> None:
    """Return when the process is no more: by an event on Linux, elsewhere by looking twice a second."""
    if not is_same(pid, started):
        return
    if sys.platform != "linux":
        while is_same(pid, started):  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.5)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if is_same(pid, started):
            await readable(descriptor)
    finally:
        os.close(descriptor)


async def readable(descriptor: int) -> None:
    """Return when a descriptor can be read."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
