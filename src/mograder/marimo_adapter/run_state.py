"""Whether a cell runs, as a session's own server knows it: an extra answer that the hub asks for, and nobody else.

A cell that waits (for a download, in ``time.sleep``) takes no processor time, so nothing outside the session can tell
it from one that has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]

#: Below the session's base URL. The gateway lets no browser ask for it.
PATH = "/_mograder/running"

RUNNING, RESTING, UNKNOWN = 200, 204, 404

_AT_WORK = frozenset(("running", "queued"))


def answering(application: Any) -> Application:
    """marimo's ASGI application, answering ``PATH`` besides: 200 a cell runs, 204 none does, 404 it can not tell."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(PATH):
            await application(scope, receive, send)
            return
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": _state(application), "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return app


def _state(application: Any) -> int:
    sessions = getattr(getattr(application.state, "session_manager", None), "sessions", None)
    if sessions is None:
        return UNKNOWN
    states = [_works(session) for session in list(sessions.values())]
    if None in states:
        return UNKNOWN
    return RUNNING if True in states else RESTING


def _works(session: Any) -> bool | None:
    """Whether one of marimo's sessions has a cell at work. A dead kernel runs nothing, whatever it said last."""
    if getattr(getattr(session, "kernel_state", lambda: None)(), "value", "") == "stopped":
        return False
    view = getattr(session, "session_view", None)
    cells = getattr(view, "cell_notifications", None)
    cells = getattr(view, "cell_operations", None) if cells is None else cells
    return None if cells is None else _any_at_work(cells.values())


def _any_at_work(cells: Iterable[Any]) -> bool:
    return any(getattr(cell, "status", None) in _AT_WORK for cell in cells)
