"""The JSON routes: parse, ask the policy, call one domain method, shape the answer."""

from __future__ import annotations

import mimetypes
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from mograder.errors import TooLarge
from mograder.hub.api import schema
from mograder.hub.api.access import Work, requires
from mograder.hub.api.events import checks, stream
from mograder.hub.api.respond import attachment, done, replaced
from mograder.hub.content import Place
from mograder.hub.content_door import ContentDoor
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.middleware import from_elsewhere
from mograder.hub.overview import ItemState
from mograder.hub.pages.language import tell
from mograder.sessions.model import Kind, Session, SessionKey

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schema.Problem, "description": words}
    for status, words in {
        400: "Refused, nothing was changed",
        401: "Nobody is signed in",
        403: "Not allowed",
        404: "There is no such thing",
        409: "Not possible in this state",
        408: "The request came too slowly",
        413: "Too large",
        415: "The body is neither a form nor JSON",
        421: "Not one of the hub's host names",
        422: "Malformed",
        429: "Too much at once; see Retry-After",
        431: "The header fields are too large",
        500: "The hub or the notebook failed",
        503: "Not now; see Retry-After",
    }.items()
}
router = APIRouter(responses=ERRORS)


@router.get("/assignments", response_model=list[schema.Item])
async def assignments(who: Identity = requires(Action.USE_HUB), work: Coursework = Work) -> Any:
    """Every published item, with the caller's own state of it."""
    # Answered as it is: a class of 500 asks for it, and checking our own words costs more than saying them.
    states = await work.looks.items(who.user, staff=who.is_instructor)
    return Response(_LISTS.of(who.user, states), media_type="application/json")


@router.get("/editor-files", response_model=list[str])
async def editor_files(who: Identity = requires(Action.USE_HUB), work: Coursework = Work) -> Any:
    """Addresses of the static files that an editor loads at once, for a page that fetches them beforehand."""
    return work.first_files()


@router.get("/sessions", response_model=list[schema.SessionInfo])
async def sessions(who: Identity = requires(Action.USE_HUB), work: Coursework = Work) -> Any:
    """The caller's running sessions; an instructor sees everybody's."""
    mine = work.sessions.all() if who.is_instructor else work.sessions.of(who.user)
    return [_session(session, work.sessions.idle_left(session)) for session in mine]


@router.get("/status/{user}/{assignment}", response_model=schema.ItemStatus)
async def status(
    user: str,
    assignment: str,
    who: Identity = requires(Action.VIEW_WORK, visit=False),
    work: Coursework = Work,
) -> Any:
    """How a copy stands."""
    state = await work.item(user, assignment)
    return schema.ItemStatus.model_validate(_plain(state))


@router.post("/start-edit-deep/{assignment}", response_model=schema.Started)
async def start_edit_deep(
    request: Request, assignment: str, who: Identity = requires(Action.USE_HUB), work: Coursework = Work
) -> Response:
    """Open the caller's editor; a copy of the release is made if there is none."""
    session = await work.open_editor(who.user, assignment, copy=True)
    return done(request, schema.Started(url=session.url), said="started", to=session.url)


@router.post("/start-edit/{user}/{assignment}", response_model=schema.Started)
async def start_edit(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.CONTROL_SESSION),
    work: Coursework = Work,
) -> Response:
    """Open the editor of a copy that exists."""
    session = await work.open_editor(user, assignment, copy=False)
    return done(request, schema.Started(url=session.url), said="started", to=session.url)


@router.post("/stop-edit/{user}/{assignment}", response_model=schema.Stopped)
async def stop_edit(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.CONTROL_SESSION),
    work: Coursework = Work,
) -> Response:
    """Close an editor."""
    terminated = await work.stop("edit", user, assignment)
    return done(request, schema.Stopped(terminated=terminated), said="stopped", item=assignment)


@router.post("/start-run/{lecture}", response_model=schema.Started)
async def start_run(
    request: Request, lecture: str, who: Identity = requires(Action.USE_HUB), work: Coursework = Work
) -> Response:
    """Open a lecture for the caller."""
    session = await work.open_lecture(who.user, lecture)
    return done(request, schema.Started(url=session.url), said="started", to=session.url)


@router.post("/stop-run/{user}/{lecture}", response_model=schema.Stopped)
async def stop_run(
    request: Request,
    user: str,
    lecture: str,
    who: Identity = requires(Action.CONTROL_SESSION),
    work: Coursework = Work,
) -> Response:
    """Close a lecture."""
    terminated = await work.stop("run", user, lecture)
    return done(request, schema.Stopped(terminated=terminated), said="stopped", item=lecture)


@router.post("/download-release/{user}/{assignment}", response_model=schema.Replaced)
async def download_release(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Put the release into the workspace; a copy that is there is archived first."""
    kept = await work.download(user, assignment)
    return done(request, await replaced(work, user, assignment, kept), said="downloaded", item=assignment)


@router.post("/reset/{user}/{assignment}", response_model=schema.Replaced)
async def reset(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Archive the copy and bring the release back."""
    kept = await work.reset(user, assignment)
    return done(request, await replaced(work, user, assignment, kept), said="reset", item=assignment)


@router.post("/upload/{user}/{assignment}", response_model=schema.Replaced)
async def upload(
    request: Request,
    user: str,
    assignment: str,
    file: Annotated[UploadFile, File()],
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Replace the notebook by an upload, after a look at it; the old one is archived."""
    limit: int = request.app.state.max_upload
    data = await file.read(limit + 1)
    if len(data) > limit:
        raise TooLarge("A notebook of over {size} MB is not accepted; nothing was changed.", size=limit >> 20)
    await request.app.state.belongings.check_room(user, assignment, {f"{assignment}.py": len(data)})
    kept = await work.upload(user, assignment, data)
    return done(request, await replaced(work, user, assignment, kept), said="uploaded", item=assignment)


@router.get("/export/{user}/{assignment}", response_class=Response)
async def export(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.VIEW_WORK),
    work: Coursework = Work,
) -> Response:
    """The notebook as a file. What its owner takes away counts as exported; not what another site led them to."""
    taken = who.user == user and not from_elsewhere(request.scope)
    data = await (work.export if taken else work.read_notebook)(user, assignment)
    return attachment(data, f"{assignment}.py")


@router.post("/mark-exported/{user}/{assignment}", response_model=schema.Ok)
async def mark_exported(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Note that the notebook as it is now was handed in."""
    await work.export(user, assignment)
    return done(request, schema.Ok(), said="exported", item=assignment)


@router.post("/validate/{user}/{assignment}", response_model=schema.Validation)
async def validate(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Run the notebook to its end in a copy and say what its checks found."""
    result = schema.Validation(**tell(await work.validate(user, assignment)))
    return done(request, result, said="validated", to=f"results/{user}/{assignment}")


@router.get("/validate-events/{user}/{assignment}", response_class=StreamingResponse)
async def validate_events(
    user: str, assignment: str, who: Identity = requires(Action.VIEW_WORK), work: Coursework = Work
) -> Response:
    """What the run of the checks that goes on finds, as server-sent events: step, check, end."""
    return StreamingResponse(
        checks(work.checking, user, assignment),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.get("/validate-report/{user}/{assignment}", response_class=Response)
async def validate_report(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.VIEW_WORK),
    work: Coursework = Work,
) -> Response:
    """The page of the last validation: written by a student's code, so it gets no power over the hub."""
    door: ContentDoor | None = request.app.state.content_door
    if door is not None and who.via not in ("content", "token"):
        place = Place("validate-report", user, assignment)
        return RedirectResponse(door.host.url(place), status_code=303)
    html = await work.report(user, assignment)
    if (
        door is not None and who.via == "token"
    ):  # a program: a browser that got here with a token shows nothing
        return attachment(html, f"{assignment}.html", "text/html")
    policy = "sandbox allow-scripts; default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'none'"
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": policy})


@router.get("/release/{name}/{filename:path}", response_class=Response)
async def release_file(
    name: str, filename: str, who: Identity = requires(Action.USE_HUB), work: Coursework = Work
) -> Response:
    """One file of a published item."""
    data = await work.release_file(name, filename)
    return attachment(
        data, filename.rpartition("/")[2], mimetypes.guess_type(filename)[0] or "application/octet-stream"
    )


@router.get("/events/{kind}/{user}/{item}", response_class=StreamingResponse)
async def events(
    kind: Kind,
    user: str,
    item: str,
    who: Identity = requires(Action.VIEW_WORK, visit=False),
    work: Coursework = Work,
) -> Response:
    """The steps of a start as server-sent events: step, queued, ready, failed."""
    await work.published(item)
    return StreamingResponse(
        stream(work.sessions, SessionKey(kind, user, item)),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


class _Lists:
    """What was said of lists of items: a list that is the same object needs not be put in words again."""

    def __init__(self, room: int = 5000) -> None:
        self._room = room
        self._said: dict[str, tuple[tuple[ItemState, ...], bytes]] = {}

    def of(self, user: str, states: tuple[ItemState, ...]) -> bytes:
        """``states`` as JSON."""
        known = self._said.get(user)
        if known is not None and known[0] is states:
            return known[1]
        if len(self._said) >= self._room:
            self._said.clear()
        said = bytes(JSONResponse([_plain(state) for state in states]).body)
        self._said[user] = states, said
        return said


_LISTS = _Lists()


def _plain(state: ItemState) -> dict[str, Any]:
    """`schema.Item` as plain data."""
    return {
        "name": state.name,
        "type": state.type.value,
        "file_status": "n/a" if state.file_status is None else state.file_status.value,
        "has_release": state.has_release,
        "session_active": state.session_active,
    }


def _session(session: Session, idle_left: int | None) -> schema.SessionInfo:
    return schema.SessionInfo(
        username=session.key.user,
        assignment=session.key.item,
        url=session.url,
        type="lecture" if session.key.kind == "run" else "assignment",
        last_seen=datetime.fromtimestamp(session.last_seen, UTC).isoformat(timespec="seconds"),
        idle_seconds_left=idle_left,
    )
