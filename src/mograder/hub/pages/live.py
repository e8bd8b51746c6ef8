"""The stream that tells an open page to look again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from mograder.hub.api.access import requires
from mograder.hub.api.events import KEEP_ALIVE
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.news import CALM, News, Streams

router = APIRouter(include_in_schema=False)


@router.get("/events")
async def events(request: Request, who: Identity = requires(Action.USE_HUB), seen: str = "") -> Response:
    """The word of the news whenever it is another one than the page has ``seen``, as server-sent events."""
    state = request.app.state
    return StreamingResponse(
        _words(state.news, state.streams, who, seen),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _words(news: News, streams: Streams, who: Identity, seen: str) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    said = loop.time()
    yield b": here\n\n"  # a proxy passes the head of an answer on with its first bytes
    async for _ in streams.ticks():
        word = news.word(who)
        if word != seen:
            seen, said = word, loop.time()
            yield f"data: {word}\n\n".encode()
            await asyncio.sleep(CALM)
        elif loop.time() - said > KEEP_ALIVE:
            said = loop.time()
            yield b": still here\n\n"
