"""The pages' routes: gather what a view needs, render it."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from mograder.errors import NotFound
from mograder.hub.api.access import Work, requires
from mograder.hub.api.files import belongings
from mograder.hub.api.respond import wants_page
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.overview import ItemState
from mograder.hub.pages import views
from mograder.hub.pages.assets import packed, static_table
from mograder.hub.pages.common import no_cookie, page, root, session_row, title
from mograder.hub.pages.file_views import filled
from mograder.hub.pages.language import N_, gettext, tell
from mograder.hub.pages.render import render
from mograder.hub.releases import ItemType
from mograder.hub.workspaces import FileStatus
from mograder.sessions.model import Kind, SessionKey, State

router = APIRouter(include_in_schema=False)

_SAID = {
    "started": N_("{item} is open."),
    "stopped": N_("{item} was stopped."),
    "downloaded": N_("{item} is ready to be edited."),
    "reset": N_("{item} is back to the published version; your work is kept in its history."),
    "uploaded": N_("Your notebook replaced {item}; the old one is kept in its history."),
    "updated": N_("{item} has the new version now; your work is kept in its history."),
    "restored": N_("The older version of {item} is back; the one before it is kept in the history."),
    "exported": N_("{item} is marked as exported."),
}


@router.get("/")
async def dashboard(
    request: Request,
    who: Identity = requires(Action.USE_HUB),
    work: Coursework = Work,
    done: str = "",
    item: str = "",
) -> Response:
    """What is due and what is running."""
    frame = page(request, who)  # first of all: its word of the news must not be newer than what is shown
    items = await work.looks.items(who.user, updates=True, staff=who.is_instructor)
    running = work.sessions.all() if who.is_instructor else work.sessions.of(who.user)
    view = views.Dashboard(
        page=frame,
        now=datetime.now(UTC),
        assignments=tuple(
            [
                item_row(request, state, await _disk(request, who.user, state))
                for state in items
                if state.type is ItemType.ASSIGNMENT
            ]
        ),
        lectures=tuple(
            views.LectureRow(state.name, title(state.name), state.session_active, state.visible)
            for state in items
            if state.type is ItemType.LECTURE
        ),
        sessions=tuple(session_row(session, work.sessions.idle_left(session)) for session in running),
        flash=_flash(done, item, {state.name for state in items}),
    )
    return HTMLResponse(render(view))


@router.get("/edit/{assignment}")
@router.get("/edit/{assignment}/")
async def edit(
    request: Request, assignment: str, who: Identity = requires(Action.USE_HUB), work: Coursework = Work
) -> Response:
    """The start page of an assignment; straight to the editor if it is up."""
    state = await work.item(who.user, assignment)
    if not state.has_release:
        await asyncio.to_thread(work.releases.get, assignment)
    if state.type is ItemType.LECTURE:
        return RedirectResponse(f"{root(request)}{views.path('run', assignment)}", status_code=303)
    return _start(request, who, work, assignment, "edit", views.path("start-edit-deep", assignment))


@router.get("/run/{lecture}")
@router.get("/run/{lecture}/")
async def run(
    request: Request, lecture: str, who: Identity = requires(Action.USE_HUB), work: Coursework = Work
) -> Response:
    """The start page of a lecture; straight to the viewer if it is up."""
    release = await asyncio.to_thread(work.releases.get, lecture)
    if release.type is not ItemType.LECTURE:
        return RedirectResponse(f"{root(request)}{views.path('edit', lecture)}", status_code=303)
    return _start(request, who, work, lecture, "run", views.path("start-run", lecture))


@router.get("/results/{user}/{item}")
async def results(
    request: Request,
    user: str,
    item: str,
    who: Identity = requires(Action.VIEW_WORK),
    work: Coursework = Work,
) -> Response:
    """What the last validation found."""
    found = await work.last_result(user, item)
    if found is None:
        raise NotFound("{item} was not validated yet.", tip="press Validate.", item=item)
    return HTMLResponse(render(_report(page(request, who), user, item, tell(found))))


@router.get("/static/{version}/{name}")
async def static(request: Request, version: str, name: str) -> Response:
    """A file of the pages' own or of the course's brand, under an address that never changes its content."""
    address = f"static/{version}/{name}"
    found = static_table().get(address) or request.app.state.brand.files.get(address)
    if found is None:
        raise NotFound("There is no such file.")
    data, content_type = found
    headers = {
        "Content-Type": content_type,
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",  # a logo is a document
        "Vary": "Accept-Encoding",
    }
    accepted = re.split(r"[\s,;]+", request.headers.get("accept-encoding", ""))
    coding = next((coding for coding in ("br", "gzip") if coding in accepted), None)
    if coding is not None and address in static_table() and (small := packed(address, coding)) is not None:
        return Response(small, headers=headers | {"Content-Encoding": coding})
    return Response(data, headers=headers)


@router.get("/logout")
async def ask_to_sign_out(request: Request, who: Identity = requires(Action.USE_HUB)) -> Response:
    """A page with the button."""
    return HTMLResponse(render(views.SignOut(page(request, who))))


@router.post("/logout")
async def sign_out(request: Request, who: Identity = requires(Action.USE_HUB)) -> Response:
    """End this login; the cookie is worth nothing from now on, wherever it was copied to."""
    request.app.state.gate.sign_out(request.scope["headers"], request.state.login)
    headers = {"Set-Cookie": no_cookie(request), "Clear-Site-Data": '"cache"'}
    if not wants_page(request):
        return JSONResponse({"status": "ok"}, headers=headers)
    onward: str = request.app.state.settings.hub.logout_url
    if onward:
        headers["Refresh"] = f"0; url={onward}"  # no redirect: a form may lead to the hub alone (form-action)
    return HTMLResponse(render(views.SignOut(page(request, None), done=True, onward=onward)), headers=headers)


def _start(
    request: Request, who: Identity, work: Coursework, item: str, kind: Kind, start_url: str
) -> Response:
    session = work.sessions.get(SessionKey(kind, who.user, item))
    target = f"{views.path(kind, 'user', who.user, item)}/"
    if session is not None and session.state is State.READY:
        return RedirectResponse(f"{root(request)}{target}", status_code=303)
    stopped = work.sessions.fault(SessionKey(kind, who.user, item)) if session is None else ""
    view = views.Start(
        page(request, who), item, kind, start_url, target, error=stopped or None, stopped=bool(stopped)
    )
    return HTMLResponse(render(view))


async def _disk(request: Request, user: str, state: ItemState) -> str:
    """Words about the disk space of a copy when there is little left; empty otherwise."""
    if state.file_status in (None, FileStatus.NOT_STARTED):
        return ""
    mine = belongings(request)
    used = await mine.nearly_full(user, state.name)
    return "" if used is None else filled(used, mine.quota)


def item_row(request: Request, state: ItemState, disk: str = "") -> views.ItemRow:
    """An assignment as the person who looks sees it."""
    due = request.app.state.due_dates.get(state.name)
    check = None if not state.total else views.Tally(state.passed or 0, state.total)
    return views.ItemRow(
        name=state.name,
        title=title(state.name),
        file_status=state.file_status or "not_started",
        session_active=state.session_active,
        has_release=state.has_release,
        due=due,
        last_check=check,
        check_current=state.check_current,
        exported_before=state.exported_before,
        update_available=state.update_available,
        visible=state.visible,
        disk=disk,
    )


def _flash(done: str, item: str, known: set[str]) -> views.Flash | None:
    """Words for ``?done=…``: only ours, and only about items that exist, so that no link can put words here."""
    if done not in _SAID or item not in known:
        return None
    return views.Flash(gettext(_SAID[done]).format(item=item))


def _report(page: views.Page, user: str, item: str, found: dict[str, Any]) -> views.CheckReport:
    return views.CheckReport(
        page=page,
        owner=user,
        item=item,
        checks=checks_of(found),
        cell_errors=tuple(plain_words(error) for error in found["cell_errors"] or ()),
        export_error=found["export_error"],
        integrity_warnings=tuple(plain_words(warning) for warning in found["integrity_warnings"]),
        report_url=views.path("validate-report", user, item) if found["html_available"] else None,
    )


def checks_of(found: dict[str, Any]) -> tuple[views.Check, ...]:
    """The checks of a validation's JSON."""
    return tuple(
        views.Check(check["label"], check["status"], _lines(check["details"])) for check in found["checks"]
    )


def _lines(details: Any) -> tuple[str, ...]:
    if isinstance(details, str):
        return tuple(details.splitlines())
    return tuple(str(detail) for detail in details or ())


def plain_words(thing: Any) -> str:
    """A sentence, or a JSON object's values."""
    return (
        thing if isinstance(thing, str) else " ".join(str(value) for value in dict(thing).values() if value)
    )
