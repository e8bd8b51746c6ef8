"""Who may start now, and who waits: one queue for places, processors and the machine's memory."""

from __future__ import annotations

import asyncio
import math
import os
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mograder.errors import Unavailable
from mograder.sessions.model import SessionKey

LEAST_PER_START = 96 << 20
"""Bytes that a start is held to need when nothing, or less, was measured of the sessions there are."""

SETTLE_SECONDS = 10.0
"""A session's kernel takes its memory after the server is up: for so long a start still counts as under way."""

LOOK_SECONDS = 2.0
"""How often a queue looks at the memory, which others free without telling us."""

QUEUED_PER_PERSON = 3
"""Starts of one person that may wait at the same time, so that nobody fills the queue alone."""

_REMEMBERED_ENDS = 20
_RECENT = 900.0  # seconds: older ends say nothing about the rate of now

Told = Callable[[int, int | None], None]
"""Hears the place in the queue (from 1) and the estimate in seconds (None: unknown) whenever one changes."""


def available_memory() -> int:
    """Bytes that can be had without swapping: ``MemAvailable`` of proc(5). Where there is no such file: plenty."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except FileNotFoundError:
        return 1 << 62
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 1 << 62)


@dataclass(slots=True, eq=False)
class _Waiter:
    key: SessionKey
    up: Callable[[], int]
    told: Told
    granted: asyncio.Future[None]
    last: tuple[int, int | None] = (0, None)


class Admission:
    """Lets starts through in the order in which they came. Every method runs on the event loop.

    A start goes through while sessions are fewer than ``limit``, fewer than ``parallel`` starts are under way, and
    the memory that is free would stay above ``reserve`` bytes after it and those under way took theirs. ``free``
    says what is free now, in bytes; ``clock`` counts seconds.
    """

    def __init__(
        self,
        limit: int,
        parallel: int | None = None,
        *,
        reserve: int = 0,
        free: Callable[[], int] = available_memory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._parallel = parallel or max(2, os.cpu_count() or 2)
        self._reserve = reserve
        self._free = free
        self._clock = clock
        self._per_start = LEAST_PER_START
        self._queue: list[_Waiter] = []
        self._starting: set[SessionKey] = set()
        self._settling: deque[float] = deque()
        self._ends: deque[float] = deque(maxlen=_REMEMBERED_ENDS)
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, key: SessionKey, up: Callable[[], int], told: Told) -> AsyncIterator[None]:
        """Wait for the turn of ``key`` and hold it while the session starts.

        ``up`` counts the sessions that there are without those that are starting. Who is cancelled while waiting
        leaves the queue.

        Raises:
            Unavailable: this person has enough starts in the queue.
        """
        waiter = self._join(key, up, told)
        try:
            await waiter.granted
            yield
            self._settling.append(self._clock() + SETTLE_SECONDS)
        finally:
            self._leave(waiter)

    def place(self, key: SessionKey) -> tuple[int, int | None] | None:
        """Place (from 1) and estimate in seconds of a start in the queue; None if it is not there."""
        for place, waiter in enumerate(self._queue, 1):
            if waiter.key == key:
                return place, self._estimate(place)
        return None

    def learn(self, sizes: Iterable[int]) -> None:
        """Take note of what sessions take, in bytes: a start is expected to need as much as their median."""
        known = list(sizes)
        self._per_start = max(LEAST_PER_START, int(statistics.median(known)) if known else 0)
        self.look()

    def ended(self) -> None:
        """A session is gone: somebody may come up in its place."""
        self._ends.append(self._clock())
        self.look()

    def look(self) -> None:
        """Let in whoever can start now, tell the others where they stand, and look again soon if any are left."""
        self._queue = [waiter for waiter in self._queue if not waiter.granted.cancelled()]
        while self._queue and len(self._starting) < self._parallel and not self._full(self._queue[0]):
            waiter = self._queue.pop(0)
            self._starting.add(waiter.key)
            waiter.granted.set_result(None)
        if self._queue and self._full(self._queue[0]):  # waiting for a processor alone is over in a moment
            self._tell()
        self._schedule()

    def _tell(self) -> None:
        for place, waiter in enumerate(self._queue, 1):
            standing = (place, self._estimate(place))
            if standing != waiter.last:
                waiter.last = standing
                waiter.told(*standing)

    def _join(self, key: SessionKey, up: Callable[[], int], told: Told) -> _Waiter:
        if sum(waiter.key.user == key.user for waiter in self._queue) >= QUEUED_PER_PERSON:
            raise Unavailable(
                "You wait for {count} notebooks already.",
                retry_after=15,
                tip="wait for one of them, or stop a notebook that you do not need.",
                count=QUEUED_PER_PERSON,
            )
        waiter = _Waiter(key, up, told, asyncio.get_running_loop().create_future())
        self._queue.append(waiter)
        self.look()
        return waiter

    def _leave(self, waiter: _Waiter) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
        else:
            self._starting.discard(waiter.key)
        self.look()

    def _full(self, waiter: _Waiter) -> bool:
        """Whether there is no place, or no memory, for one more."""
        starting = len(self._starting)
        if waiter.up() + starting >= self._limit:
            return True
        now = self._clock()
        while self._settling and self._settling[0] <= now:
            self._settling.popleft()
        promised = (starting + len(self._settling) + 1) * self._per_start
        return self._free() - promised < self._reserve

    def _estimate(self, place: int) -> int | None:
        """By the rate at which sessions ended lately; in coarse steps, so that it does not flicker."""
        now = self._clock()
        recent = [when for when in self._ends if now - when < _RECENT]
        if len(recent) < 2:
            return None
        seconds = place * (now - recent[0]) / len(recent)
        step = 10 if seconds < 60 else 60
        return max(step, math.ceil(seconds / step) * step)

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self.look)
