"""What each running notebook takes of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mograder.sessions.manager import Sessions

_FRESH = 2.0
"""Seconds for which a reading holds, however many people look."""


@dataclass(frozen=True)
class Reading:
    """Memory in bytes, and how many processor cores were busy since the last look (1.0 is one core)."""

    memory_bytes: int
    cores: float


class Load:
    """Readings by session id. The first one of a session is the mean since its start."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.time) -> None:
        self._sessions = sessions
        self._clock = clock
        self._looked = 0.0
        self._spent: dict[str, tuple[float, float]] = {}  # when, processor seconds until then
        self._readings: dict[str, Reading] = {}

    async def now(self) -> dict[str, Reading]:
        """The reading of every session that is up and can be measured."""
        now = self._clock()
        if now - self._looked < _FRESH:
            return self._readings
        self._looked = now
        readings, spent = {}, {}
        for session, use in await self._sessions.uses():
            since, before = self._spent.get(session.id, (session.started, 0.0))
            cores = max(0.0, use.cpu_seconds - before) / max(1.0, now - since)
            readings[session.id] = Reading(use.memory_bytes, cores)
            spent[session.id] = (now, use.cpu_seconds)
        self._readings, self._spent = readings, spent
        return readings
