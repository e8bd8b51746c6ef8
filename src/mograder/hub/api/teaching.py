"""The instructors' JSON routes: publish, prepare, admit, tokens."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Query, Request, UploadFile
from fastapi.responses import StreamingResponse

from mograder.errors import Malformed
from mograder.hub.api import schema
from mograder.hub.api.access import requires
from mograder.hub.api.lines import MEDIA_TYPE, Say, lines
from mograder.hub.api.routes import ERRORS
from mograder.hub.identity.ledger import Ledger
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.publishing import Dates, Publishing
from mograder.hub.releases import Release
from mograder.hub.store.state import TokenRecord
from mograder.hub.visibility import ALWAYS

router = APIRouter(responses=ERRORS)


async def publishing(request: Request) -> Publishing:
    """The hub's domain, put there by ``hub.app``."""
    found: Publishing = request.app.state.publishing
    return found


Work = Depends(publishing)


@router.post("/publish/{name}", response_model=schema.Published, response_model_exclude_none=True)
async def publish(
    request: Request,
    name: str,
    files: Annotated[list[UploadFile], File()],
    type_: Annotated[Literal["assignment", "lecture"] | None, Query(alias="type")] = None,
    from_: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    until: Annotated[str | None, Query(max_length=40)] = None,
    zone: Annotated[str, Query(max_length=64)] = "",
    who: Identity = requires(Action.PUBLISH),
    work: Publishing = Work,
) -> Any:
    """Put an item up, in place of what was there, all or nothing. Waits until its packages are ready.

    Who accepts application/x-ndjson is told the steps. Students see it ``from`` and ``until`` a moment in ``zone``;
    what is not said stays as it was.
    """
    given: dict[str, bytes] = {}
    for file in files:
        if (file.filename or "") in given:
            raise Malformed("{file} is there twice.", file=file.filename)
        given[file.filename or ""] = await file.read()
    dates = Dates(from_, until, zone)
    if MEDIA_TYPE in request.headers.get("accept", ""):

        async def told(say: Say) -> dict[str, Any]:
            return _published(await work.publish(name, given, type_, dates, say)).model_dump(
                exclude_none=True
            )

        return StreamingResponse(lines(told), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
    return _published(await work.publish(name, given, type_, dates))


@router.get("/publish/{name}", response_model=schema.Current)
async def current(
    name: str,
    from_: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    until: Annotated[str | None, Query(max_length=40)] = None,
    zone: Annotated[str, Query(max_length=64)] = "",
    who: Identity = requires(Action.PUBLISH),
    work: Publishing = Work,
) -> Any:
    """What a publication (with these dates) would take the place of."""
    release, files, window = await work.current(name, Dates(from_, until, zone))
    if release is None:
        return schema.Current(type=None, files={}, becomes=window.words)
    return schema.Current(type=release.type, files=files, visible=release.window.words, becomes=window.words)


def _published(release: Release) -> schema.Published:
    words = None if release.window == ALWAYS else release.window.words
    return schema.Published(files=list(release.everything), type=release.type, visible=words)


@router.post("/warm-cache", response_model=schema.WarmedCache)
async def warm_cache(who: Identity = requires(Action.PUBLISH), work: Publishing = Work) -> Any:
    """Have the packages of every published item ready."""
    return schema.WarmedCache(warmed=await work.warm())


@router.post("/sync-users", response_model=schema.SyncedUsers)
async def sync_users(
    request: Request,
    users: schema.Users,
    who: Identity = requires(Action.MANAGE_USERS),
    work: Publishing = Work,
) -> Any:
    """Let in these people and nobody else; instructors always may."""
    count = await work.sync_users(users.users)
    await request.app.state.standing.recheck()
    return schema.SyncedUsers(count=count)


@router.get("/tokens", response_model=list[schema.TokenInfo])
async def list_tokens(request: Request, who: Identity = requires(Action.MANAGE_TOKENS)) -> Any:
    """Every bearer token that was made or used here, the newest first."""
    ledger: Ledger = request.app.state.ledger
    return [token_info(record) for record in await asyncio.to_thread(ledger.all)]


@router.post("/tokens/{token_id}/revoke", response_model=schema.TokenInfo)
async def revoke_token(
    request: Request, token_id: str, who: Identity = requires(Action.MANAGE_TOKENS)
) -> Any:
    """End a bearer token, and what is open by it."""
    ledger: Ledger = request.app.state.ledger
    record = await asyncio.to_thread(ledger.revoke, token_id)
    await request.app.state.standing.recheck()
    return token_info(record)


def token_info(record: TokenRecord) -> schema.TokenInfo:
    """A token as JSON shows it."""
    return schema.TokenInfo(
        id=record.id,
        user=record.user,
        role=record.role,
        audience=record.audience,
        created=_iso(record.created),
        expires=_iso(record.expires),
        revoked=None if record.revoked is None else _iso(record.revoked),
        last_used=None if record.last_used is None else _iso(record.last_used),
    )


def _iso(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds")
