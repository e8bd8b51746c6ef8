"""The hub's half of the way to the content host: whoever may look at something gets a ticket for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from mograder.errors import Forbidden, NotFound
from mograder.hub.api.access import requires
from mograder.hub.content import Place
from mograder.hub.content_door import ContentDoor
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action

router = APIRouter(prefix="/hand-off", include_in_schema=False)

State = Annotated[str, Query(pattern="^[0-9a-f]{64}$")]


@router.get("/edit/user/{user}/{assignment}")
async def editor(
    request: Request,
    user: str,
    assignment: str,
    state: State,
    who: Identity = requires(Action.USE_SESSION, visit=True),
) -> Response:
    """To a live notebook."""
    return _ticket(request, who, Place("edit", user, assignment), state)


@router.get("/run/user/{user}/{lecture}")
async def lecture(
    request: Request,
    user: str,
    lecture: str,
    state: State,
    who: Identity = requires(Action.USE_SESSION, visit=True),
) -> Response:
    """To a live lecture."""
    return _ticket(request, who, Place("run", user, lecture), state)


@router.get("/validate-report/{user}/{assignment}")
async def report(
    request: Request,
    user: str,
    assignment: str,
    state: State,
    who: Identity = requires(Action.VIEW_WORK),
) -> Response:
    """To the report of a validation."""
    return _ticket(request, who, Place("validate-report", user, assignment), state)


def _ticket(request: Request, who: Identity, place: Place, state: str) -> Response:
    door: ContentDoor | None = request.app.state.content_door
    if door is None:
        raise NotFound("This hub has no content host.")
    if request.headers.get("sec-fetch-dest", "document") != "document" or not request.state.login:
        raise Forbidden(
            "This is a way for a browser's window, after signing in.", tip="open it from the hub."
        )
    answer = door.ticket(place, who.user, request.state.login, state)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(status_code=answer.status, headers=headers)
