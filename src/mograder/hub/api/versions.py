"""The JSON routes of the history: kept versions, and what brings one of them back, whole or by cell."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from mograder.hub.api import schema
from mograder.hub.api.access import Work, requires
from mograder.hub.api.respond import attachment, done, replaced
from mograder.hub.api.routes import ERRORS
from mograder.hub.coursework import Coursework
from mograder.hub.history import Version
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.versions import Versions

router = APIRouter(responses=ERRORS)


@router.get("/versions/{user}/{assignment}", response_model=list[schema.VersionInfo])
async def versions(
    user: str, assignment: str, who: Identity = requires(Action.VIEW_WORK), work: Coursework = Work
) -> Any:
    """Everything that was ever saved or replaced, newest first."""
    results = await work.checked(user, assignment)
    return [_info(v, results.get(v.digest)) for v in await work.versions(user, assignment)]


@router.get("/versions/{user}/{assignment}/{version}", response_class=Response)
async def version(
    user: str,
    assignment: str,
    version: str,
    who: Identity = requires(Action.VIEW_WORK),
    work: Coursework = Work,
) -> Response:
    """One kept version as a file."""
    found, data = await work.version(user, assignment, version)
    return attachment(data, found.file.rpartition("/")[2], "application/octet-stream")


@router.post("/restore/{user}/{assignment}", response_model=schema.Replaced)
async def restore(
    request: Request,
    user: str,
    assignment: str,
    version: Annotated[str, Form(max_length=400)],
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Bring a kept version back; what it replaces is kept too."""
    found, _ = await work.version(user, assignment, version)
    page = "history" if found.file == f"{assignment}.py" else "files"
    kept = await work.restore(user, assignment, version)
    return await _restored(request, work, user, assignment, kept, page, {"done": "restored"})


@router.post("/restore-cell/{user}/{assignment}", response_model=schema.Replaced)
async def restore_cell(
    request: Request,
    user: str,
    assignment: str,
    version: Annotated[str, Form(max_length=400)],
    cell: Annotated[int, Form(ge=0, le=100_000)],
    expected: Annotated[str, Form(max_length=64)],
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Give the copy one cell of a version (by its place there, from 0) or of the release ("release").

    ``expected`` is the SHA-256 of the copy that it is meant for: another one is left alone, with 409.
    """
    kept = await Versions(work).restore_cell(user, assignment, version, cell, expected)
    asked = {"done": "cell", "old": version}
    return await _restored(request, work, user, assignment, kept, "compare", asked)


async def _restored(
    request: Request,
    work: Coursework,
    user: str,
    item: str,
    kept: Version | None,
    page: str,
    asked: dict[str, str],
) -> Response:
    """A form is sent to ``page``, which offers to undo it."""
    answer = await replaced(work, user, item, kept)
    undo = {} if kept is None else {"undo": kept.id}
    return done(request, answer, said="restored", to=f"{page}/{user}/{item}", asked=asked | undo)


def _info(kept: Version, result: tuple[int, int] | None) -> schema.VersionInfo:
    passed, total = result or (None, None)
    return schema.VersionInfo(
        id=kept.id,
        when=kept.when.isoformat(),
        reason=kept.reason,
        file=kept.file,
        size=kept.size,
        passed=passed,
        total=total,
    )
