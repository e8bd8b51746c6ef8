"""Long work told while it goes on: a line of JSON for each step, the last one is the outcome."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from mograder.errors import MograderError
from mograder.sentences import Sentence

log = logging.getLogger("mograder.hub")

MEDIA_TYPE = "application/x-ndjson"

KEEP_ALIVE = 15.0
"""Seconds of silence after which an empty line is sent, so that no proxy takes the connection for dead."""

Say = Callable[[str], None]

_under_way: set[asyncio.Task[dict[str, Any]]] = set()


async def lines(work: Callable[[Say], Awaitable[dict[str, Any]]]) -> AsyncIterator[bytes]:
    """``{"step": …}`` for each step, then what ``work`` returns or ``{"detail": …, "status": …}``.

    The work goes on when nobody listens any more. ``work`` may call ``say`` from any thread.
    """
    loop = asyncio.get_running_loop()
    steps: asyncio.Queue[str] = asyncio.Queue()
    task = loop.create_task(_outcome(work, lambda text: _put(loop, steps, text)))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    next_step = loop.create_task(steps.get())
    try:
        while not task.done():
            await asyncio.wait([task, next_step], timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
            if next_step.done():
                yield _line({"step": next_step.result()})
                next_step = loop.create_task(steps.get())
            elif not task.done():
                yield b"\n"
    finally:
        next_step.cancel()
    while not steps.empty():
        yield _line({"step": steps.get_nowait()})
    yield _line(task.result())


def _put(loop: asyncio.AbstractEventLoop, steps: asyncio.Queue[str], text: str) -> None:
    loop.call_soon_threadsafe(steps.put_nowait, text)


async def _outcome(work: Callable[[Say], Awaitable[dict[str, Any]]], say: Say) -> dict[str, Any]:
    try:
        return await work(say)
    except MograderError as error:
        return {"detail": str(error), "status": error.status}
    except Exception:
        log.exception("something of ours broke")
        return {"detail": Sentence("The hub failed; its log says why."), "status": 500}


def _line(what: dict[str, Any]) -> bytes:
    return json.dumps(what).encode() + b"\n"
