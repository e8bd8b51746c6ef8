"""Idle connections to sessions, kept for the next request of the same start of the same session."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

from mograder.hub.gateway.model import Target
from mograder.hub.gateway.options import Limits
from mograder.hub.gateway.upstream import Upstream

_Key = tuple[str, str]


class Pool:
    """Connections by socket and session id: last in, first out, so that unused ones grow old and go."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: dict[_Key, deque[Upstream]] = {}
        self._busy: Counter[str] = Counter()
        self._people: Counter[str] = Counter()

    def enter(self, target: Target) -> bool:
        """Count one more request or WebSocket of a session and of a person; False if one has as many as it may."""
        session_id, user, limits = target.session_id, target.grant.user, self._limits
        if self._busy[session_id] >= limits.connections_per_session:
            return False
        if user:
            if self._people[user] >= limits.connections_per_user:
                return False
            self._people[user] += 1
        self._busy[session_id] += 1
        return True

    def leave(self, target: Target) -> None:
        """Count one less."""
        for counter, key in ((self._busy, target.session_id), (self._people, target.grant.user)):
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]

    def take(self, target: Target, now: float) -> Upstream | None:
        """Return an idle connection, if there is one that is surely still good."""
        waiting = self._idle.get((target.socket_path, target.session_id))
        while waiting:
            upstream = waiting.pop()
            if upstream.fit and now - upstream.idle_since < self._limits.pool_seconds:
                return upstream
            upstream.drop()
        return None

    def give(self, target: Target, upstream: Upstream, now: float) -> None:
        """Keep a connection whose answer is complete, or close it."""
        waiting = self._idle.setdefault((target.socket_path, target.session_id), deque())
        if not upstream.fit or len(waiting) >= self._limits.pool_idle:
            upstream.drop()
            return
        upstream.transport.resume_reading()
        upstream.idle_since = now
        waiting.append(upstream)

    async def dial(self, target: Target) -> Upstream:
        """Open a new connection.

        Raises:
            OSError: nobody listens there.
            TimeoutError: nobody accepts.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.connect_seconds):
            _, upstream = await loop.create_unix_connection(
                lambda: Upstream(self._limits), target.socket_path
            )
        return upstream

    def sweep(self, now: float) -> None:
        """Close connections that nobody needed for a while."""
        for key, waiting in list(self._idle.items()):
            while waiting and (
                now - waiting[0].idle_since >= self._limits.pool_seconds or not waiting[0].fit
            ):
                waiting.popleft().drop()
            if not waiting:
                del self._idle[key]

    @property
    def empty(self) -> bool:
        """Whether no connection is kept."""
        return not self._idle
