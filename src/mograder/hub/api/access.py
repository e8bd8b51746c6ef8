"""What every route states: its action. Names in the path are judged first, then identity and policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import Depends, Request

from mograder.course import file_path, item_name, shown, user_name
from mograder.errors import Forbidden, NotFound, NotSignedIn
from mograder.hub.api import forms
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action, allowed
from mograder.sentences import Sentence

_JUDGES: dict[str, Callable[[str], str]] = {
    "user": user_name,
    "assignment": item_name,
    "lecture": item_name,
    "item": item_name,
    "name": item_name,
    "filename": file_path,
}


_ITEMS = ("assignment", "lecture", "item", "name")
"""Parameters that name an item."""


def requires(action: Action, *, visit: bool | None = None, from_editor: bool = False) -> Any:
    """The dependency of a route that lets ``action`` happen; gives the route its `Identity`.

    ``visit`` says that it shows somebody's work (None: what views work does): when that is not one's own, the look
    is noted in the audit log, and for its owner to see. ``from_editor``: it is asked by the bar over an editor,
    which has a form token of its own.
    """
    shows_work = action is Action.VIEW_WORK if visit is None else visit

    async def check(request: Request) -> Identity:
        request.state.action = action.value
        for parameter, value in request.path_params.items():
            if parameter in _JUDGES:
                _JUDGES[parameter](value)
        identity: Identity | None = request.state.identity
        apart = request.app.state.apart
        decision = allowed(identity, action, request.path_params.get("user"), apart=apart)
        request.state.rule = request.state.refusal if identity is None else decision.reason
        if identity is None and "authorization" in request.headers:
            raise NotSignedIn(request.state.refusal, tip="mograder hub generate-token")
        if identity is None:
            raise NotSignedIn(
                "Please sign in: {reason}.",
                tip="open the course through your university's login.",
                reason=request.state.refusal,
            )
        if not decision.allowed:
            raise Forbidden("{user} may not do this: {rule}.", user=identity.user, rule=decision.reason)
        await _hide(request, identity)
        await forms.check(request, identity, _editors_word(request) if from_editor else None)
        owner = request.path_params.get("user", identity.user)
        if shows_work and owner != identity.user:
            await _note_visit(request, identity.user, owner)
        return identity

    check.action = action  # type: ignore[attr-defined]  # a test reads it off every route
    return Depends(check)


async def _note_visit(request: Request, visitor: str, owner: str) -> None:
    request.state.visit = True
    named = request.path_params
    item = next((named[key] for key in ("assignment", "item", "lecture") if key in named), "")
    await asyncio.to_thread(request.app.state.visits.note, visitor, owner, item)


def _editors_word(request: Request) -> str:
    named = request.path_params
    return forms.editor_token(request.app.state.settings.secret, named["user"], named["assignment"])


async def coursework(request: Request) -> Coursework:
    """The hub's domain, put there by ``hub.app``."""
    found: Coursework = request.app.state.coursework
    return found


Work = Depends(coursework)


async def _hide(request: Request, identity: Identity) -> None:
    """What students do not see yet, or any more, is not there for them; who has a copy keeps it. Raises NotFound."""
    if identity.is_instructor:
        return
    named = next((request.path_params[name] for name in _ITEMS if name in request.path_params), None)
    work: Coursework | None = getattr(request.app.state, "coursework", None)
    if named is not None and work is not None and await work.is_hidden(identity.user, named):
        request.state.rule = Sentence("students do not see this item now")
        there = await asyncio.to_thread(work.releases.there)
        raise NotFound("No release named {name}. {there}", name=shown(named), there=there)
