"""Named semaphores that vanish by themselves, so that a session needs no process that tracks them.

multiprocessing makes the queues between server and kernel from named semaphores, and starts a whole Python to remove
the names when the server was killed. Here the kernel removes them as soon as it has opened them: then nothing is left
to track, however either of the two ends.
"""

from __future__ import annotations

import contextlib
import os
from multiprocessing import resource_tracker, synchronize
from typing import Any

_unlink: Any = vars(synchronize).get("sem_unlink")
_names: set[str] = set()


def track_here() -> None:
    """In a server: note the names of its semaphores ourselves, in place of multiprocessing's tracker process."""
    if _unlink is None:
        return  # this Python keeps no names
    tracker: Any = resource_tracker
    tracker.register = _note
    tracker.unregister = lambda name, _kind: _names.discard(name)
    tracker.ensure_running = lambda: None
    vars(synchronize)["sem_unlink"] = _unlink_if_there


def mentioned(data: bytes) -> list[str]:
    """The noted names in ``data``, a pickled process: those that it will open, and that can go then."""
    found = [name for name in _names if name.encode() in data]
    _names.difference_update(found)
    return found


def remove(names: list[str]) -> None:
    """In a kernel that has opened them: take the names away."""
    for name in names:
        _unlink_if_there(name)


def untracked() -> None:
    """In a kernel whose /dev/shm nobody shares: what its cells leave there goes with the sandbox; track nothing."""
    tracker: Any = resource_tracker._resource_tracker
    tracker._fd = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)


def _note(name: str, kind: str) -> None:
    if kind == "semaphore":
        _names.add(name)


def _unlink_if_there(name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        _unlink(name)
