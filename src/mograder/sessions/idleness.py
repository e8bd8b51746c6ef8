"""Which sessions nobody needs: no person at work, no cell running, for longer than the hub's patience."""

from __future__ import annotations

from mograder.sessions.model import Session

BUSY_SHARE = 0.05
"""Part of one processor that a session takes when a cell computes. marimo itself, idle, takes well below 1 %."""

BUSY_LEAST = 0.05
"""Seconds of processor time below which nothing is concluded: looks can be close together."""

QUIET_SECONDS = 3.0
"""The shortest patience: marimo saves within about a second of the last key, and that counts as activity."""

WARN_SECONDS = 300.0
"""How long before the end it is announced; at most a quarter of the patience."""

LOADING_SECONDS = 600.0
"""The shortest patience with a page that is being loaded: over a slow line that takes minutes the first time."""

DOUBT_SECONDS = 4 * 3600.0
"""How long a session is kept that can not tell whether it is at work, or whose last save failed."""


class Idleness:
    """Judges by when a session was last active and by its processor time. Times are seconds of one clock."""

    def __init__(self, ttl: float) -> None:
        self._ttl = max(ttl, QUIET_SECONDS)
        self._warn = min(WARN_SECONDS, self._ttl / 4)
        self._looks: dict[str, tuple[float, float]] = {}
        self._unjudged: set[str] = set()
        self._doubted: dict[str, float] = {}

    def computes(self, session: Session, cpu_seconds: float, now: float) -> bool:
        """Whether the session computed since the last look; ``cpu_seconds`` counts from its start.

        The first look can tell nothing: until the second one the session is not held to be idle.
        """
        before = self._looks.get(session.id)
        self._looks[session.id] = (cpu_seconds, now)
        if before is None:
            self._unjudged.add(session.id)
            return False
        self._unjudged.discard(session.id)
        grown, passed = cpu_seconds - before[0], now - before[1]
        return grown > max(BUSY_LEAST, BUSY_SHARE * passed)

    def doubt(self, session: Session, now: float) -> bool:
        """Whether a session of which nothing is known is still kept: so long after it was last seen at work."""
        return now - self._doubted.setdefault(session.id, session.last_seen) < DOUBT_SECONDS

    def forget_doubt(self, session: Session) -> None:
        """Somebody is at work in it for sure."""
        self._doubted.pop(session.id, None)

    def over(self, session: Session, now: float) -> bool:
        """Whether it has been idle for too long."""
        return session.id not in self._unjudged and now - session.last_seen > self._patience(session)

    def left(self, session: Session, now: float) -> int | None:
        """Seconds until it is stopped; None while there is no reason to warn."""
        left = session.last_seen + self._patience(session) - now
        return max(0, round(left)) if left <= self._warn else None

    def _patience(self, session: Session) -> float:
        return max(self._ttl, LOADING_SECONDS) if session.loading else self._ttl

    def forget(self, session: Session) -> None:
        """The session is gone."""
        self._looks.pop(session.id, None)
        self._unjudged.discard(session.id)
        self.forget_doubt(session)
