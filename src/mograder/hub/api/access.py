"""What every route states: its action. Names in the path are judged first, then identity and policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends, Request

from mograder.course import file_name, item_name, user_name
from mograder.errors import Forbidden, NotSignedIn
from mograder.hub.api import forms
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action, allowed

_JUDGES: dict[str, Callable[[str], str]] = {
    "user": user_name,
    "assignment": item_name,
    "lecture": item_name,
    "item": item_name,
    "name": item_name,
    "filename": file_name,
}


def requires(action: Action) -> Any:
    """The dependency of a route that lets ``action`` happen; gives the route its `Identity`."""

    async def check(request: Request) -> Identity:
        request.state.action = action.value
        for parameter, value in request.path_params.items():
            if parameter in _JUDGES:
                _JUDGES[parameter](value)
        identity: Identity | None = request.state.identity
        decision = allowed(identity, action, request.path_params.get("user"))
        request.state.rule = request.state.refusal if identity is None else decision.reason
        if identity is None:
            raise NotSignedIn(
                f"Please sign in: {request.state.refusal}.",
                tip="open the course through your university's login.",
            )
        if not decision.allowed:
            raise Forbidden(f"{identity.user} may not do this: {decision.reason}.")
        await forms.check(request, identity)
        return identity

    check.action = action  # type: ignore[attr-defined]  # a test reads it off every route
    return Depends(check)


def coursework(request: Request) -> Coursework:
    """The hub's domain, put there by ``hub.app``."""
    found: Coursework = request.app.state.coursework
    return found


Work = Depends(coursework)
