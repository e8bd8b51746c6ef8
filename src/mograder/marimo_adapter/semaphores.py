"""Named semaphores that vanish by themselves, so that a session needs no process that tracks them.

multiprocessing makes the queues between server and kernel from named semaphores, and starts a whole Python to remove
the names when the server was killed. Here the kernel removes them as soon as it has opened them: then nothing is left
to track, however either of the two ends.

A cell can fill /dev/shm and leave it so. A new kernel needs semaphores all the same: some room is kept for them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from multiprocessing import resource_tracker, synchronize
from typing import Any

_unlink: Any = vars(synchronize).get("sem_unlink")
_names: set[str] = set()
_spare: list[int] = []

SPARE = 128 << 10
"""Bytes that are kept for the next kernel: a page for each of its semaphores, twice over."""

_SHARED = "/dev/shm"  # noqa: S108  (where the C library makes them; sem_overview(7))


def track_here() -> None:
    """In a server: note the names of its semaphores ourselves, in place of multiprocessing's tracker process."""
    if _unlink is None:
        return  # this Python keeps no names
    tracker: Any = resource_tracker
    tracker.register = _note
    tracker.unregister = lambda name, _kind: _names.discard(name)
    tracker.ensure_running = lambda: None
    vars(synchronize)["sem_unlink"] = _unlink_if_there
    _name_after(_give_spare)
    _keep_spare()


def mentioned(data: bytes) -> list[str]:
    """The noted names in ``data``, a pickled process: those that it will open, and that can go then."""
    found = [name for name in _names if name.encode() in data]
    _names.difference_update(found)
    _keep_spare()
    return found


def remove(names: list[str]) -> None:
    """In a kernel that has opened them: take the names away."""
    for name in names:
        _unlink_if_there(name)


def untracked() -> None:
    """In a kernel whose /dev/shm nobody shares: what its cells leave there goes with the sandbox; track nothing."""
    tracker: Any = resource_tracker._resource_tracker
    tracker._fd = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)


def _name_after(act: Callable[[], None]) -> None:
    """Have multiprocessing do this before it makes a semaphore: it asks for a name then."""
    kind: Any = synchronize.SemLock
    name = kind._make_name

    def make() -> str:
        act()
        return str(name())

    kind._make_name = staticmethod(make)


def _give_spare() -> None:
    for descriptor in _spare:
        os.ftruncate(descriptor, 0)


def _keep_spare() -> None:
    """As much as there is room for: a file without a name, which cells do not find."""
    with contextlib.suppress(OSError):
        if not _spare:
            _spare.append(os.open(_SHARED, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600))
        for part in (1, 2):
            with contextlib.suppress(OSError):
                os.posix_fallocate(_spare[0], 0, SPARE // part)
                return


def _note(name: str, kind: str) -> None:
    if kind == "semaphore":
        _names.add(name)


def _unlink_if_there(name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        _unlink(name)
