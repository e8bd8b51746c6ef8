"""Idle connections to sessions, kept for the next request of the same start of the same session."""

from __future__ import annotations

import asyncio
from collections import deque

from mograder.hub.gateway.known import Memory
from mograder.hub.gateway.model import Target
from mograder.hub.gateway.options import Limits
from mograder.hub.gateway.upstream import Heads, Upstream

_Key = tuple[str, str]


class Pool:
    """Connections by socket and session id: last in, first out, so that unused ones grow old and go."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: dict[_Key, deque[Upstream]] = {}
        self._busy: dict[str, int] = {}
        self._people: dict[str, int] = {}
        self._heads: Heads = Memory()

    def enter(self, target: Target) -> bool:
        """Count one more request or WebSocket of a session and of a person; False if one has as many as it may."""
        session_id, user, limits = target.session_id, target.grant.user, self._limits
        busy, mine = self._busy.get(session_id, 0), self._people.get(user, 0)
        if busy >= limits.connections_per_session or mine >= limits.connections_per_user:
            return False
        if user:
            self._people[user] = mine + 1
        self._busy[session_id] = busy + 1
        return True

    def leave(self, target: Target) -> None:
        """Count one less."""
        _count_down(self._busy, target.session_id)
        if target.grant.user:
            _count_down(self._people, target.grant.user)

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
        key = (target.socket_path, target.session_id)
        waiting = self._idle.get(key)
        if waiting is None:
            waiting = self._idle[key] = deque()
        if not upstream.fit or len(waiting) >= self._limits.pool_idle:
            upstream.drop()
            return
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
                lambda: Upstream(self._limits, target.session_id, self._heads), target.socket_path
            )
        return upstream

    def sweep(self, now: float) -> None:
        """Close connections that nobody needed for a while."""
        self._heads.sweep(now)
        for key, waiting in list(self._idle.items()):
            while waiting and (
                now - waiting[0].idle_since >= self._limits.pool_seconds or not waiting[0].fit
            ):
                waiting.popleft().drop()
            if not waiting:
                del self._idle[key]

    @property
    def empty(self) -> bool:
        """Whether nothing is kept."""
        return not self._idle and self._heads.empty


def _count_down(counter: dict[str, int], key: str) -> None:
    left = counter[key] - 1
    if left:
        counter[key] = left
    else:
        del counter[key]
