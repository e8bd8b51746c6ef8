"""How a marimo server's kernel processes are started, so that none outlives its server.

marimo starts a kernel with ``multiprocessing`` in its own session (``setsid``), and its versions before
0.23.16 leave it behind when the server is ended by a signal.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from multiprocessing import context
from typing import Any

#: The name of marimo's own entry to a kernel process, in every version from 0.19 on.
_TARGET = "launch_kernel"

Popen = Callable[[Any], Any]
Start = Callable[[Any, Popen], Any]


#: How this process starts kernels; empty: as multiprocessing does.
_start: list[Start] = []
_prepared: set[Any] = set()


def prepare() -> None:
    """Make it possible to say how kernels are started. Changes nothing by itself."""
    for kind in {context.SpawnProcess, context.ForkProcess, context.Process} - _prepared:
        _prepared.add(kind)
        _replace(kind)


def start_with(start: Start) -> None:
    """Have marimo's kernel processes started by ``start(process, original)``; other processes start as ever.

    ``original(process)`` is what multiprocessing would have done. ``process._target`` may be changed before.
    """
    prepare()
    _start[:] = [start]


def watched(process: Any, original: Popen) -> Any:
    """Start a kernel as multiprocessing would, one that ends itself when this process has ended."""
    arguments = (os.getpid(), process._target, process._args, process._kwargs)
    process._target, process._args, process._kwargs = _enter_watched, arguments, {}
    return original(process)


def is_kernel(process: Any) -> bool:
    """Whether ``process`` (of multiprocessing, not started yet) is to be a marimo kernel."""
    target = getattr(process, "_target", None)
    module = getattr(target, "__module__", "") or ""
    return getattr(target, "__name__", "") == _TARGET and module.startswith("marimo.")


def _replace(kind: Any) -> None:
    original = kind._Popen

    def popen(process: Any) -> Any:
        return _start[0](process, original) if _start and is_kernel(process) else original(process)

    kind._Popen = staticmethod(popen)


def end_with(pid: int) -> None:
    """From now on this process ends, with status 1, as soon as ``pid`` has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        os._exit(1)
    threading.Thread(target=_end_after, args=(handle,), daemon=True).start()


def _enter_watched(server: int, target: Callable[..., Any], args: Any, named: Any) -> Any:
    end_with(server)
    return target(*args, **named)


def _end_after(handle: int) -> None:
    # Not a parent-death signal: that one is sent when the *thread* ends that started the child.
    select.select([handle], [], [])
    os._exit(1)
