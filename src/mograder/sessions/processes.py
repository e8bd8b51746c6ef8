"""Processes of the machine, told apart by number and start time, watched and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path


def start_time(pid: int) -> float | None:
    """When a process started, in clock ticks since boot (proc(5)); None if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else float(fields[19])


def is_same(pid: int, started: float) -> bool:
    """Whether process ``pid`` is alive and the one that started at ``started``."""
    return start_time(pid) == started


def descendants(pid: int) -> list[int]:
    """``pid`` and every process below it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208  names, not paths
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                text = Path(f"/proc/{entry}/stat").read_text()
                children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += children.get(current, [])
    return found


def kill_tree(pid: int) -> None:
    """End a process and all below it; freezes parents first so that nothing new is started meanwhile."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in descendants(pid):
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
