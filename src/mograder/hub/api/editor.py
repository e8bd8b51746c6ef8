"""What the bar over an editor asks, below the session's own prefix: nothing that the notebook may not know or do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from mograder.errors import NotFound
from mograder.hub.api import schema
from mograder.hub.api.access import Work, requires
from mograder.hub.api.events import KEEP_ALIVE, checks
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.pages import bar
from mograder.hub.pages.assets import static_table
from mograder.hub.pages.language import tell
from mograder.hub.teaching.messages import Messages
from mograder.sessions.model import Session, SessionKey, State

LOOK = 0.4
"""Seconds between two looks at the registry; nothing is read from disk unless something has changed."""

router = APIRouter(prefix="/edit/user/{user}/{assignment}/_hub", include_in_schema=False)


@router.get("/events")
async def events(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
    work: Coursework = Work,
) -> Response:
    """How the editor stands, now and whenever that changes, as server-sent events."""
    return StreamingResponse(
        _watch(work, request.app.state.messages, SessionKey("edit", user, assignment)),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.post("/validate", response_model=schema.Validation)
async def validate(
    user: str,
    assignment: str,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
    work: Coursework = Work,
) -> Response:
    """The checks of the notebook as it is saved now."""
    result = schema.Validation(**tell(await work.validate(user, assignment)))
    return JSONResponse(result.model_dump())


@router.get("/checks")
async def found_checks(
    user: str,
    assignment: str,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
    work: Coursework = Work,
) -> Response:
    """What the run of the checks that goes on finds, as server-sent events."""
    return StreamingResponse(
        checks(work.checking, user, assignment),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.post("/keep", response_model=schema.Ok)
async def keep(
    user: str,
    assignment: str,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
    work: Coursework = Work,
) -> Response:
    """Somebody is still at work: the session is not stopped for being idle."""
    session = work.sessions.get(SessionKey("edit", user, assignment))
    if session is None or not session.live:
        raise NotFound("{item} is not running.", tip="open it again.", item=assignment)
    work.sessions.active(session.id)
    return JSONResponse(schema.Ok().model_dump())


@router.post("/again", response_model=schema.Ok)
async def again(
    user: str,
    assignment: str,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
    work: Coursework = Work,
) -> Response:
    """Who has read here why the notebook stopped is not told again: its page starts it straight away."""
    work.sessions.forgive(SessionKey("edit", user, assignment))
    return JSONResponse(schema.Ok().model_dump())


@router.post("/messages/{number}/dismiss", response_model=schema.Ok)
async def dismiss(
    request: Request,
    user: str,
    assignment: str,
    number: int,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
) -> Response:
    """Put a message to everybody away."""
    request.app.state.messages.dismiss(number, user)
    return JSONResponse(schema.Ok().model_dump())


@router.get("/{version}/{name}")
async def static(
    request: Request,
    version: str,
    name: str,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
) -> Response:
    """The bar's script and style: the session's policy lets its page load from its own prefix alone."""
    found = static_table().get(f"static/{version}/{name}")
    if found is None or name not in bar.FILES:
        raise NotFound("There is no such file.")
    data, content_type = found
    kept = {"Content-Type": content_type, "Cache-Control": "private, max-age=31536000, immutable"}
    return Response(data, headers=kept)


async def _watch(work: Coursework, messages: Messages, key: SessionKey) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    last: object = None
    said = loop.time()
    session: Session | None = None
    while True:
        session = work.sessions.get(key) or session
        said_to_all = messages.shown_to(key.user)
        pulse = (_pulse(work, session), said_to_all)
        if pulse != last:
            last, said = pulse, loop.time()
            standing = await _standing(work, key, session)
            standing["messages"] = [{"id": m.id, "author": m.author, "text": m.text} for m in said_to_all]
            yield f"data: {json.dumps(standing)}\n\n".encode()
        elif loop.time() - said > KEEP_ALIVE:
            said = loop.time()
            yield b": still here\n\n"
        await asyncio.sleep(LOOK)


def _pulse(work: Coursework, session: Session | None) -> tuple[Any, ...]:
    """What says that there is news, from memory alone."""
    if session is None:
        return ()
    warned = work.sessions.idle_left(session) is not None
    return (
        session.id,
        session.state,
        session.saved,
        session.reason,
        session.open_sockets > 0,
        session.last_seen if warned else None,
    )


async def _standing(work: Coursework, key: SessionKey, session: Session | None) -> dict[str, Any]:
    saved = None if session is None else session.saved
    live = session is not None and session.live
    return {
        "running": live,
        "ready": session is not None and session.state is State.READY,
        "why": "" if session is None or live else tell(session.reason),
        "connected": session is not None and session.open_sockets > 0,
        "saved": None if saved is None else datetime.fromtimestamp(saved, UTC).isoformat(timespec="seconds"),
        "idle_seconds_left": work.sessions.idle_left(session) if session is not None and live else None,
        "checks": await _last_checks(work, key),
    }


async def _last_checks(work: Coursework, key: SessionKey) -> dict[str, Any] | None:
    """How many checks passed at the last validation, and whether that was of the notebook as it is now."""
    stored = await work.last_check(key.user, key.item)
    if stored is None or not stored.total:
        return None
    current = await work.current_digest(key.user, key.item)
    return {"passed": stored.passed, "total": stored.total, "current": stored.digest == current}
