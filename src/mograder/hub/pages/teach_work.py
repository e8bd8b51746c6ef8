"""The instructors' routes that look at work: radar, a student's notebooks, preview."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from mograder.errors import Malformed, NotANotebook, NotFound
from mograder.hub.api.access import Work, requires
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.overview import ItemState
from mograder.hub.pages import teach_views as views
from mograder.hub.pages import words
from mograder.hub.pages.common import OnDesk, page, title
from mograder.hub.pages.language import tell
from mograder.hub.pages.render import render
from mograder.hub.pages.routes import checks_of, item_row, plain_words
from mograder.hub.pages.views import Dashboard, LectureRow, Page
from mograder.hub.releases import ItemType
from mograder.hub.teaching import radar
from mograder.hub.teaching.desk import Desk
from mograder.notebook.read import parse_notebook

router = APIRouter(include_in_schema=False)

_NOTHING: dict[str, Any] = {"checks": (), "cell_errors": (), "html_available": False}

_READABLE = 20 << 20  # bytes of a notebook that is shown


@router.get("/teach/radar")
async def show_radar(
    request: Request,
    who: Identity = requires(Action.TEACH),
    work: Coursework = Work,
    desk: Desk = OnDesk,
    item: str = "",
    names: str = "",
) -> Response:
    """How the class does. Without ``names=show`` the answer holds no student's name at all."""
    assignments = tuple(
        release.name for release, _ in await work.published_items() if release.type is ItemType.ASSIGNMENT
    )
    if item and item not in assignments:
        raise NotFound("There is no such assignment.", tip="choose one on the radar's page.")
    chosen = item or (assignments[-1] if assignments else None)
    view = views.Radar(page(request, who), datetime.now(UTC), assignments, chosen, names=names == "show")
    if chosen is not None:
        view = await asyncio.to_thread(_standing, desk, view, chosen)
    return HTMLResponse(render(view))


@router.get("/teach/student/{user}")
async def student(
    request: Request, user: str, who: Identity = requires(Action.TEACH), work: Coursework = Work
) -> Response:
    """One person's assignments."""
    items = [state for state in await work.looks.items(user) if state.type is ItemType.ASSIGNMENT]
    rows = (item_row(request, state) for state in items)
    found = tuple(
        views.StudentItem(r.name, r.title, r.state, r.last_check, state.session_active)
        for r, state in zip(rows, items, strict=True)
    )
    return HTMLResponse(render(views.Student(page(request, who), user, found)))


@router.get("/teach/help/{user}/{item}")
async def help_(
    request: Request,
    user: str,
    item: str,
    who: Identity = requires(Action.TEACH, visit=True),
    work: Coursework = Work,
) -> Response:
    """A student's notebook as text. Nothing of it is run, here or in the browser."""
    data = await work.read_notebook(user, item)
    state = await work.item(user, item)
    found = tell(await work.last_result(user, item) or _NOTHING)
    cells, trouble = await asyncio.to_thread(_cells, data, item)
    view = views.Help(
        page(request, who),
        user,
        item,
        cells,
        trouble,
        checks_of(found),
        tuple(plain_words(error) for error in found["cell_errors"] or ()),
        found["html_available"],
        state.session_active,
    )
    return HTMLResponse(render(view))


@router.get("/teach/preview")
async def preview(
    request: Request, who: Identity = requires(Action.TEACH), work: Coursework = Work, at: str = ""
) -> Response:
    """The dashboard of somebody who begins at a date."""
    when = _moment(at)
    items = await work.published_items()
    mine = page(request, who)
    fresh = Page(mine.course_title, "student", "student", root=mine.root)
    rows, lectures = [], []
    for release, _ in items:
        if not release.window.is_open(when):
            continue
        if release.type is ItemType.LECTURE:
            lectures.append(LectureRow(release.name, title(release.name)))
        else:
            state = ItemState(release.name, release.type, None, True, False)
            rows.append(item_row(request, state))
    shown = Dashboard(fresh, when, tuple(rows), tuple(lectures))
    local = when.strftime("%Y-%m-%dT%H:%M")
    return HTMLResponse(render(views.Preview(mine, shown, local, words.day(when))))


def _standing(desk: Desk, view: views.Radar, item: str) -> views.Radar:
    results = desk.attempts.results(item)
    return views.Radar(
        view.page,
        view.now,
        view.assignments,
        item,
        desk.attempts.begun(item),
        len(results),
        radar.standings(desk.attempts.of_item(item)),
        radar.clusters(results),
        view.names,
    )


def _cells(data: bytes, item: str) -> tuple[tuple[views.CellSource, ...], str | None]:
    """The cells; of what is no notebook (any more) the text, with a sentence."""
    try:
        notebook = parse_notebook(data, limit=_READABLE, name=f"{item}.py")
    except (NotANotebook, Malformed) as error:
        text = data[: 1 << 20].decode("utf-8", "replace")
        return (views.CellSource("_", text, "unparsable"),), error.message
    return tuple(views.CellSource(cell.name, cell.code, cell.kind) for cell in notebook.cells), None


def _moment(at: str) -> datetime:
    """What a ``datetime-local`` field says, in the machine's zone; now if it says nothing. Raises Malformed."""
    if not at:
        return datetime.now().astimezone()
    try:
        return datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError):
        raise Malformed("This is no date.", tip="write it like 2026-11-27T23:59.") from None
