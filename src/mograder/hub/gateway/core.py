"""What all connections of one gateway share: rules, pool, clock, background tasks, reports to the hub."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from mograder.hub.gateway.admission import Admission
from mograder.hub.gateway.known import Known, Memory
from mograder.hub.gateway.model import Activity, Door
from mograder.hub.gateway.options import Options
from mograder.hub.gateway.pool import Pool
from mograder.hub.gateway.seats import Seats

_log = logging.getLogger(__name__)
_SWEEP_SECONDS = 1.0
_REPORT_SECONDS = 1.0


class Mortal(Protocol):
    """Something that must not wait for ever."""

    def sweep(self, now: float) -> None:
        """Give up whatever has waited too long; ``now`` is the loop's clock, in seconds."""


class Gateway:
    """The state of one gateway on one event loop."""

    def __init__(self, door: Door, options: Options | None = None) -> None:
        self.options = options or Options()
        self.limits = self.options.limits
        self.door = door
        self.admission = Admission(door, self.options)
        self.pool = Pool(self.limits)
        self.heads: Memory[Known] = Memory()  # of requests without a body
        self.seats = Seats(self.limits.connections, self.limits.connections_per_address)
        self._mortals: set[Mortal] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reported: dict[tuple[str, Activity], float] = {}
        self._clock: Callable[[], float] | None = None
        self._sweeping = False

    def now(self) -> float:
        """Return the loop's clock, in seconds."""
        if self._clock is None:  # kept: asking for the running loop is a system call before Python 3.12
            self._clock = asyncio.get_running_loop().time
        return self._clock()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background; an error in it is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("A task of the gateway failed.", exc_info=task.exception())

    def report(self, session_id: str, kind: Activity, now: float) -> None:
        """Tell the hub about a session, at most once a second per kind."""
        key = (session_id, kind)
        if now - self._reported.get(key, -_REPORT_SECONDS) >= _REPORT_SECONDS:
            self._reported[key] = now
            self.door.activity(session_id, kind)

    def watch(self, thing: Mortal) -> None:
        """Sweep ``thing`` every second until `unwatch`."""
        self._mortals.add(thing)
        if not self._sweeping:
            self._sweeping = True
            loop = asyncio.get_running_loop()
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)

    def unwatch(self, thing: Mortal) -> None:
        """Sweep ``thing`` no longer."""
        self._mortals.discard(thing)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for thing in list(self._mortals):
            thing.sweep(now)
        self.pool.sweep(now)
        self.heads.sweep(now)
        self._reported = {k: t for k, t in self._reported.items() if now - t < _REPORT_SECONDS}
        if self._mortals or not (self.pool.empty and self.heads.empty):
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        else:
            self._sweeping = False
