"""The JSON that the hub answers with."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Problem(BaseModel):
    """Every error: one sentence."""

    detail: str


class Ok(BaseModel):
    """It is done."""

    status: Literal["ok"] = "ok"


class Started(Ok):
    """A session is up; ``url`` is relative to the hub's root."""

    url: str


class Stopped(Ok):
    """A session is down; ``terminated`` says whether there was one."""

    terminated: bool


class Replaced(Ok):
    """A notebook was replaced; ``archive`` names what was kept of the old one, in the item's history."""

    file_status: str
    archive: str | None


class ItemStatus(BaseModel):
    """How one person's copy stands."""

    file_status: str
    session_active: bool
    has_release: bool


class Item(BaseModel):
    """One published item as one person sees it."""

    name: str
    type: str
    file_status: str
    has_release: bool
    session_active: bool


class SessionInfo(BaseModel):
    """One running session. ``last_seen`` is in ISO 8601, UTC.

    ``idle_seconds_left`` is there when the session is soon stopped because nobody is at work in it.
    """

    username: str
    assignment: str
    url: str
    type: str
    last_seen: str
    idle_seconds_left: int | None = None


class Validation(BaseModel):
    """What the checks of a notebook said."""

    checks: list[dict[str, Any]]
    cell_errors: Any
    export_ok: bool
    export_error: Any
    html_available: bool
    integrity_level: str
    integrity_warnings: list[Any]


class Stored(Ok):
    """These files lie beside the notebook now; ``archive`` is the version that the notebook became, if it was one.

    ``used`` of ``quota`` bytes are taken.
    """

    files: list[str]
    used: int
    quota: int
    archive: str | None


class Deleted(Ok):
    """A file is gone from beside the notebook; ``archive`` is the version that brings it back."""

    archive: str


class VersionInfo(BaseModel):
    """One kept version of a file. ``when`` is in ISO 8601, UTC; ``size`` in bytes.

    ``passed`` of ``total`` checks went well, if this version was validated.
    """

    id: str
    when: str
    reason: str
    file: str
    size: int
    passed: int | None = None
    total: int | None = None


class Published(Ok):
    """An item is up; ``files`` are the names that can be had from ``/release/{name}/``.

    ``visible`` says when students see it, if not always.
    """

    files: list[str]
    type: str
    visible: str | None = None


class Current(BaseModel):
    """What is published of an item: SHA-256 by file name; ``type`` is None if it is not.

    ``visible`` says when students see it, ``becomes`` when they would with the dates that were asked about.
    """

    type: str | None
    files: dict[str, str]
    visible: str | None = None
    becomes: str


class WarmedCache(Ok):
    """The packages of these items are ready."""

    warmed: list[str]


class Users(BaseModel):
    """Everybody who may enter the course."""

    users: list[str]


class TokenInfo(BaseModel):
    """One bearer token, by its number; the token itself is kept nowhere. Times are in ISO 8601, UTC."""

    id: str
    user: str
    role: str
    audience: str
    created: str
    expires: str
    revoked: str | None
    last_used: str | None


class SyncedUsers(Ok):
    """So many people may enter now."""

    count: int
