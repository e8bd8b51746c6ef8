"""What the bar over an editor asks, below the session's own prefix: nothing that the notebook may not know or do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from mograder.errors import NotFound
from mograder.hub.api import schema
from mograder.hub.api.access import Work, requires
from mograder.hub.api.events import KEEP_ALIVE, checks
from mograder.hub.belongings import Belongings
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.news import Streams
from mograder.hub.packages import taken_away
from mograder.hub.pages import bar
from mograder.hub.pages.assets import static_table
from mograder.hub.pages.language import tell
from mograder.hub.teaching.messages import Messages
from mograder.hub.teaching.visits import Visits
from mograder.sessions.model import Session, SessionKey, State

T = TypeVar("T")

MEASURE = 60.0
"""Seconds between two looks at how full the disk space of an open notebook is."""

router = APIRouter(prefix="/edit/user/{user}/{assignment}/_hub", include_in_schema=False)
lectures = APIRouter(prefix="/run/user/{user}/{assignment}/_hub", include_in_schema=False)
"""A lecture has no bar but for messages."""


@lectures.get("/events")
async def lecture_events(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
) -> Response:
    """What is said to everybody, now and whenever that changes, as server-sent events."""
    state = request.app.state
    return _streamed(_watch(state.streams, lambda: _messages(state.messages, user), _as_they_are))


@router.get("/events")
async def events(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.USE_SESSION, from_editor=True),
    work: Coursework = Work,
) -> Response:
    """How the editor stands, now and whenever that changes, as server-sent events."""
    state = request.app.state
    editor = _Editor(
        work,
        state.messages,
        state.visits,
        state.belongings,
        SessionKey("edit", user, assignment),
        state.settings.state_dir,
    )
    return _streamed(_watch(state.streams, editor.pulse, editor.standing))


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
    return _streamed(checks(work.checking, user, assignment))


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
@lectures.post("/messages/{number}/dismiss", response_model=schema.Ok)
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
@lectures.get("/{version}/{name}")
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


def _streamed(pieces: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(pieces, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _watch(
    streams: Streams, pulse: Callable[[], T], standing: Callable[[T], Awaitable[dict[str, Any]]]
) -> AsyncIterator[bytes]:
    """``standing`` whenever ``pulse`` is another one: the pulse is taken from memory alone."""
    loop = asyncio.get_running_loop()
    last: T | None = None
    said = loop.time()
    async for _ in streams.ticks():
        now = pulse()
        if now != last:
            last, said = now, loop.time()
            yield f"data: {json.dumps(await standing(now))}\n\n".encode()
        elif loop.time() - said > KEEP_ALIVE:
            said = loop.time()
            yield b": still here\n\n"


def _messages(messages: Messages, user: str) -> dict[str, Any]:
    return {
        "messages": [{"id": m.id, "author": m.author, "text": m.text} for m in messages.shown_to(user)],
    }


async def _as_they_are(found: dict[str, Any]) -> dict[str, Any]:
    return found


class _Editor:
    """What the bar over one editor tells."""

    def __init__(
        self,
        work: Coursework,
        messages: Messages,
        visits: Visits,
        belongings: Belongings,
        key: SessionKey,
        state_dir: Path,
    ) -> None:
        self._state_dir = state_dir
        self._work, self._messages, self._visits = work, messages, visits
        self._belongings, self._key = belongings, key
        self._session: Session | None = None
        self._began = time.monotonic()

    def pulse(self) -> tuple[Any, ...]:
        """What says that there is news."""
        sessions, key = self._work.sessions, self._key
        self._session = session = sessions.get(key) or self._session
        about_all = (
            _messages(self._messages, key.user),
            self._visits.under_way(key.user, key.item),
            self._work.validated[key.user],
            (time.monotonic() - self._began) // MEASURE,  # files appear without a word
        )
        if session is None:
            return about_all
        warned = sessions.idle_left(session) is not None
        return (
            *about_all,
            session.id,
            session.state,
            session.saved,
            session.saving,
            session.reason,
            session.open_sockets > 0,
            session.last_seen if warned else None,
        )

    async def standing(self, pulse: tuple[Any, ...]) -> dict[str, Any]:
        """How the editor stands."""
        work, session, key = self._work, self._session, self._key
        saved = None if session is None else session.saved
        live = session is not None and session.live
        visit = self._visits.under_way(key.user, key.item)
        return {
            "running": live,
            "ready": session is not None and session.state is State.READY,
            "why": "" if session is None or live else session.reason,
            "connected": session is not None and session.open_sockets > 0,
            "saved": None if saved is None else _iso(saved),
            "saving": "" if session is None else session.saving,
            "idle_seconds_left": work.sessions.idle_left(session) if session is not None and live else None,
            "checks": await _last_checks(work, key),
            "full": await self._full(),
            "packages_gone": session is not None and live and taken_away(self._state_dir, session),
            "visit": None if visit is None else {"who": visit.visitor, "when": _iso(visit.when)},
            **_messages(self._messages, key.user),
        }

    async def _full(self) -> dict[str, int] | None:
        """MB in use and MB that there are, when that is nearly all."""
        used = await self._belongings.nearly_full(self._key.user, self._key.item)
        return None if used is None else {"used": used >> 20, "quota": self._belongings.quota >> 20}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


async def _last_checks(work: Coursework, key: SessionKey) -> dict[str, Any] | None:
    """How many checks passed at the last validation, and whether that was of the notebook as it is now."""
    stored = await work.last_check(key.user, key.item)
    if stored is None or not stored.total:
        return None
    current = await work.current_digest(key.user, key.item)
    return {"passed": stored.passed, "total": stored.total, "current": stored.digest == current}
