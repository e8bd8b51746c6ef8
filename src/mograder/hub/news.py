"""What says that somebody's page is out of date: a word that changes with whatever would change on it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.teaching.messages import Messages
from mograder.hub.teaching.visits import Visits

LOOK = 0.4
"""Seconds between two looks at the news; they are in memory, nothing is read for it."""

CALM = 1.0
"""Seconds without a look after there were news: a class that begins is one change for its instructor, not thirty."""


class Streams:
    """Event streams that go on until somebody leaves. They end when the hub does, and do not keep it waiting."""

    def __init__(self) -> None:
        self._closed = False

    def close(self) -> None:
        """End every stream, and those that are asked for from now on."""
        self._closed = True

    async def ticks(self) -> AsyncIterator[None]:
        """One tick for each look, until the hub ends."""
        while not self._closed:
            yield
            await asyncio.sleep(LOOK)


class News:
    """For the event loop alone."""

    def __init__(self, work: Coursework, messages: Messages, visits: Visits) -> None:
        self._work = work
        self._messages = messages
        self._visits = visits

    def word(self, who: Identity) -> str:
        """What is on the pages of ``who``, as a short word. An instructor sees everybody's notebooks and results."""
        sessions = self._work.sessions
        running = sessions.all() if who.is_instructor else sessions.of(who.user)
        seen = (
            [(one.id, one.state.value) for one in running],
            [(one.id, one.saved, sessions.idle_left(one) is not None) for one in sessions.of(who.user)],
            [message.id for message in self._messages.shown_to(who.user)],
            self._visits.latest(who.user),
            self._work.validated.total() if who.is_instructor else self._work.validated[who.user],
            [message.id for message in self._messages.current()] if who.is_instructor else [],
        )
        return hashlib.blake2b(repr(seen).encode(), digest_size=8).hexdigest()
