"""The events of a start and of a run of the checks as text for ``EventSource``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from mograder.hub.checking import Checking
from mograder.hub.pages.language import tell
from mograder.sentences import Sentence
from mograder.sessions.manager import Sessions
from mograder.sessions.model import SessionKey, State
from mograder.sessions.progress import Event
from mograder.validation.model import CheckResult

T = TypeVar("T")

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent, so that no proxy takes the line for dead."""


async def stream(sessions: Sessions, key: SessionKey) -> AsyncIterator[bytes]:
    """The events of ``key`` from the first to the last; a session that is up is ready at once."""
    session = sessions.get(key)
    if session is not None and session.state is State.READY:
        yield encode(Event("ready", Sentence("The notebook is ready."), url=session.url))
        return
    async for piece in _kept_alive(sessions.progress(key).watch()):
        yield b": still here\n\n" if piece is None else encode(piece)


async def checks(checking: Checking, user: str, item: str) -> AsyncIterator[bytes]:
    """What a run of the checks finds, as it finds it: step (a sentence), check (its result), end."""
    async for piece in _kept_alive(checking.watch(user, item)):
        if piece is None:
            yield b": still here\n\n"
        elif isinstance(piece, CheckResult):
            yield _encode("check", piece.to_json())
        else:
            yield _encode("step", {"text": tell(piece)})
    yield _encode("end", {})


async def _kept_alive(events: AsyncIterator[T]) -> AsyncIterator[T | None]:
    """``events``, and None whenever there was none for a while."""
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait([upcoming], timeout=KEEP_ALIVE)
            if not upcoming.done():
                yield None
                continue
            event = upcoming.result()
            if event is None:
                return
            yield event
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        upcoming.cancel()


def encode(event: Event) -> bytes:
    """One event in the format of the HTML standard, section 9.2."""
    said = tell(event.detail)
    data = {
        "text": said,
        "detail": said,
        "url": event.url,
        "log_tail": event.log_tail,
        "place": event.place,
        "estimate": event.estimate,
    }
    return _encode(event.kind, data)


def _encode(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
