"""The JSON routes of the files beside a notebook, and of all of somebody's work as a zip file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from mograder.hub.api import schema
from mograder.hub.api.access import Work, requires
from mograder.hub.api.respond import as_attachment, done
from mograder.hub.api.routes import ERRORS
from mograder.hub.belongings import Belongings
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.takeout import zipped

router = APIRouter(responses=ERRORS)


def belongings(request: Request) -> Belongings:
    """The files of everybody's copies, put there by ``hub.app``."""
    found: Belongings = request.app.state.belongings
    return found


@router.post("/files/{user}/{assignment}", response_model=schema.Stored)
async def put_files(
    request: Request,
    user: str,
    assignment: str,
    files: Annotated[list[UploadFile], File(max_length=200)],
    who: Identity = requires(Action.CHANGE_WORK),
) -> Response:
    """Put files beside the notebook; one that has its name replaces it. All fit, or none is taken."""
    mine = belongings(request)
    sent = {file.filename or "": await file.read() for file in files}
    names = sorted(sent)
    kept = await mine.put(user, assignment, sent)
    answer = schema.Stored(
        files=names,
        used=await mine.used(user, assignment),
        quota=mine.quota,
        archive=None if kept is None else kept.id,
    )
    return done(request, answer, said="stored", to=f"files/{user}/{assignment}", asked={"done": "stored"})


@router.post("/delete-file/{user}/{assignment}", response_model=schema.Deleted)
async def delete_file(
    request: Request,
    user: str,
    assignment: str,
    path: Annotated[str, Form(max_length=4000)],
    who: Identity = requires(Action.CHANGE_WORK),
) -> Response:
    """Delete a file beside the notebook; it is kept in the history."""
    kept = await belongings(request).remove(user, assignment, path)
    asked = {"done": "deleted", "undo": kept.id}
    return done(
        request, schema.Deleted(archive=kept.id), said="deleted", to=f"files/{user}/{assignment}", asked=asked
    )


@router.get("/files/{user}/{assignment}/{path:path}", response_class=StreamingResponse)
async def get_file(
    request: Request, user: str, assignment: str, path: str, who: Identity = requires(Action.VIEW_WORK)
) -> Response:
    """One file beside the notebook."""
    pieces = belongings(request).pieces(user, assignment, path)
    first = await run_in_threadpool(
        next, pieces, b""
    )  # whether there is one is known before the answer begins

    def content() -> Iterator[bytes]:
        yield first
        yield from pieces

    return StreamingResponse(
        content(), media_type="application/octet-stream", headers=as_attachment(path.rpartition("/")[2])
    )


@router.get("/all-work/{user}", response_class=StreamingResponse)
async def all_work(
    user: str, who: Identity = requires(Action.VIEW_WORK), work: Coursework = Work
) -> Response:
    """Every notebook of somebody's with the files beside it, as a zip file."""
    return StreamingResponse(
        zipped(work.workspaces, user), media_type="application/zip", headers=as_attachment(f"{user}.zip")
    )
