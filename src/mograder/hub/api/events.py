"""The events of a start as text for ``EventSource``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from mograder.sessions.manager import Sessions
from mograder.sessions.model import SessionKey, State
from mograder.sessions.progress import Event

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent, so that no proxy takes the line for dead."""


async def stream(sessions: Sessions, key: SessionKey) -> AsyncIterator[bytes]:
    """The events of ``key`` from the first to the last; a session that is up is ready at once."""
    session = sessions.get(key)
    if session is not None and session.state is State.READY:
        yield encode(Event("ready", "The notebook is ready.", url=session.url))
        return
    events = sessions.progress(key).watch()
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait([upcoming], timeout=KEEP_ALIVE)
            if not upcoming.done():
                yield b": still here\n\n"
                continue
            event = upcoming.result()
            if event is None:
                return
            yield encode(event)
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        upcoming.cancel()


def encode(event: Event) -> bytes:
    """One event in the format of the HTML standard, section 9.2."""
    data = {
        "text": event.detail,
        "detail": event.detail,
        "url": event.url,
        "log_tail": event.log_tail,
        "place": event.place,
        "estimate": event.estimate,
    }
    return f"event: {event.kind}\ndata: {json.dumps(data)}\n\n".encode()
