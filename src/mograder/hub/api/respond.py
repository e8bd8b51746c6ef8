"""Shaping an answer for who asked: JSON for scripts, a page or a way back for a form without JavaScript."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel

from mograder.hub.api import schema
from mograder.hub.coursework import Coursework
from mograder.hub.history import Version


def wants_page(request: Request) -> bool:
    """Whether a browser asks for something to show, not a script."""
    return "text/html" in request.headers.get("accept", "")


def root_of(request: Request) -> str:
    """The relative way from the page at this request's path to the hub's root ("./" at the root)."""
    return "../" * (request.url.path.count("/") - 1) or "./"


def done(
    request: Request,
    answer: BaseModel,
    *,
    said: str,
    item: str = "",
    to: str = "",
    asked: dict[str, str] | None = None,
) -> Response:
    """``answer`` as JSON; for a form a redirect to ``to`` (relative to the root) or to the dashboard with ``said``.

    ``asked`` is the query that goes with ``to``.
    """
    if not wants_page(request):
        return JSONResponse(answer.model_dump())
    words = asked if to else {"done": said, "item": item}
    query = "?" + urlencode(words) if words else ""
    return RedirectResponse(f"{root_of(request)}{to}{query}", status_code=303)


async def replaced(work: Coursework, user: str, item: str, kept: Version | None) -> schema.Replaced:
    """The answer to whatever replaced a notebook."""
    state = await work.item(user, item)
    return schema.Replaced(file_status=state.file_status or "n/a", archive=None if kept is None else kept.id)


def attachment(data: bytes, name: str, media_type: str = "text/x-python") -> Response:
    """``data`` as a download that no browser shows in our origin."""
    return Response(data, media_type=media_type, headers=as_attachment(name))


def as_attachment(name: str) -> dict[str, str]:
    """The header fields of a download."""
    return {
        "Content-Disposition": f"attachment; filename=\"{_ascii(name)}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }


def _ascii(name: str) -> str:
    return "".join(character if character.isascii() and character not in '"\\' else "_" for character in name)


def problem(detail: str, status: int, **extra: Any) -> JSONResponse:
    """An error as JSON."""
    return JSONResponse({"detail": detail, **extra}, status_code=status)
