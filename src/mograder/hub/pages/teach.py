"""The instructors' routes that steer: the course at a glance, messages, stopping notebooks."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from mograder.hub.api.access import Work, requires
from mograder.hub.api.respond import wants_page
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.pages import teach_views as views
from mograder.hub.pages import words
from mograder.hub.pages.common import OnDesk, moment, page, root, title
from mograder.hub.pages.language import N_, gettext, ngettext
from mograder.hub.pages.render import render
from mograder.hub.pages.views import path
from mograder.hub.releases import Release
from mograder.hub.teaching import audit_search
from mograder.hub.teaching.desk import Desk
from mograder.hub.teaching.messages import Messages
from mograder.sentences import Sentence
from mograder.sessions.model import SessionKey

router = APIRouter(include_in_schema=False)

ONLINE_SECONDS = 300.0
"""Who asked for something this recently is online."""

_PUBLISHED = 20

_SAID = {
    "sent": N_("The message is on everybody's pages now."),
    "withdrawn": N_("The message is taken back."),
    "stopped": N_("It is stopped. What was saved is safe."),
    "stopped-all": N_("Every notebook is stopped. What was saved is safe."),
}


@router.get("/teach")
async def course(
    request: Request,
    who: Identity = requires(Action.TEACH),
    work: Coursework = Work,
    desk: Desk = OnDesk,
    done: str = "",
) -> Response:
    """Items, who is here, what it takes of the machine, what was published and said."""
    now, frame = datetime.now(UTC), page(request, who)
    running = await _running(work, desk)
    items = await work.published_items()
    begun = {release.name: await asyncio.to_thread(desk.attempts.begun, release.name) for release, _ in items}
    messages: Messages = request.app.state.messages
    view = views.Course(
        page=frame,
        now=now,
        items=_items(work, items, begun, running),
        running=running,
        online=_online(desk, now, {row.user for row in running}),
        published=await asyncio.to_thread(_published, desk),
        messages=tuple(
            views.Sent(m.id, m.author, moment(m.when), m.text, messages.readers(m.id))
            for m in messages.current()
        ),
        said=gettext(_SAID.get(done, "")) or None,
    )
    return HTMLResponse(render(view))


@router.post("/teach/message")
async def send(
    request: Request, text: Annotated[str, Form(max_length=20_000)], who: Identity = requires(Action.TEACH)
) -> Response:
    """Say something to everybody."""
    message = request.app.state.messages.send(who.user, text)
    return _back(request, "sent", {"status": "ok", "id": message.id})


@router.post("/teach/message/{number}/withdraw")
async def withdraw(request: Request, number: int, who: Identity = requires(Action.TEACH)) -> Response:
    """Take a message back."""
    request.app.state.messages.withdraw(number)
    return _back(request, "withdrawn", {"status": "ok"})


@router.get("/messages")
async def messages(request: Request, who: Identity = requires(Action.USE_HUB)) -> Response:
    """What the caller has not put away yet: the bar over an open notebook asks for it."""
    found = request.app.state.messages.shown_to(who.user)
    return JSONResponse(
        [
            {
                "id": m.id,
                "author": m.author,
                "when": moment(m.when).isoformat(timespec="seconds"),
                "text": m.text,
                "dismiss": path("messages", str(m.id), "dismiss"),
            }
            for m in found
        ]
    )


@router.post("/messages/{number}/dismiss")
async def dismiss(request: Request, number: int, who: Identity = requires(Action.USE_HUB)) -> Response:
    """Put a message away."""
    request.app.state.messages.dismiss(number, who.user)
    if not wants_page(request):
        return JSONResponse({"status": "ok"})
    return RedirectResponse(root(request), status_code=303)


@router.get("/teach/stop/{kind}/{user}/{item}")
async def ask_to_stop(
    request: Request,
    kind: Literal["edit", "run"],
    user: str,
    item: str,
    who: Identity = requires(Action.TEACH),
) -> Response:
    """Asks first: somebody may be typing."""
    view = views.Confirm(
        page(request, who),
        gettext("Stop %(item)s of %(name)s?") % {"item": item, "name": user},
        gettext(
            "What was saved is safe. What is being computed is lost, and variables are gone; it can be opened again."
        ),
        gettext("Stop it"),
        path("teach", "stop", kind, user, item),
    )
    return HTMLResponse(render(view))


@router.post("/teach/stop/{kind}/{user}/{item}")
async def stop(
    request: Request,
    kind: Literal["edit", "run"],
    user: str,
    item: str,
    who: Identity = requires(Action.TEACH),
    work: Coursework = Work,
) -> Response:
    """End somebody's notebook."""
    terminated = await work.sessions.stop(SessionKey(kind, user, item), Sentence("An instructor stopped it."))
    return _back(request, "stopped", {"status": "ok", "terminated": terminated})


@router.get("/teach/stop-all")
async def ask_to_stop_all(
    request: Request, who: Identity = requires(Action.TEACH), work: Coursework = Work
) -> Response:
    """Asks first, and says how many."""
    number = len(work.sessions.all())
    question = ngettext(
        "Stop the one notebook that is open?", "Stop all %(num)s notebooks that are open?", number
    ) % {"num": number}
    text = gettext(
        "What was saved is safe. What is being computed is lost. Everybody can open theirs again at once."
    )
    view = views.Confirm(page(request, who), question, text, gettext("Stop them all"), "teach/stop-all")
    return HTMLResponse(render(view))


@router.post("/teach/stop-all")
async def stop_all(
    request: Request, who: Identity = requires(Action.TEACH), work: Coursework = Work
) -> Response:
    """End every notebook of the course."""
    number = await work.sessions.stop_all(Sentence("An instructor stopped every notebook."))
    return _back(request, "stopped-all", {"status": "ok", "terminated": number})


async def _running(work: Coursework, desk: Desk) -> tuple[views.Running, ...]:
    readings = await desk.load.now()
    rows = []
    for session in work.sessions.all():
        reading = readings.get(session.id)
        rows.append(
            views.Running(
                session.key.user,
                session.key.item,
                session.key.kind,
                moment(session.started),
                moment(session.last_seen),
                None if reading is None else reading.memory_bytes,
                None if reading is None else reading.cores,
            )
        )
    return tuple(rows)


def _items(
    work: Coursework,
    items: list[tuple[Release, bool]],
    begun: dict[str, int],
    running: tuple[views.Running, ...],
) -> tuple[views.CourseItem, ...]:
    up = Counter(row.item for row in running)
    return tuple(
        views.CourseItem(
            release.name,
            title(release.name),
            release.type.value,
            words.window(release.window),
            ready,
            begun[release.name],
            up[release.name],
            work.package_problem(release.name),
        )
        for release, ready in items
    )


def _online(desk: Desk, now: datetime, busy: set[str]) -> tuple[str, ...]:
    recent = now.timestamp() - ONLINE_SECONDS
    seen = (login.user for login in desk.logins.latest().values() if login.last_seen > recent)
    return tuple(sorted(user for user in seen if user not in busy))


def _published(desk: Desk) -> tuple[views.Published, ...]:
    found = audit_search.entries(
        desk.audit,
        _PUBLISHED,
        lambda entry: entry.get("action") == Action.PUBLISH and bool(entry.get("item")),
    )
    return tuple(
        views.Published(datetime.fromisoformat(e["when"]).astimezone(), e["who"], e["item"], e["outcome"])
        for e in found
    )


def _back(request: Request, said: str, answer: dict[str, object]) -> Response:
    if not wants_page(request):
        return JSONResponse(answer)
    return RedirectResponse(f"{root(request)}teach?done={said}", status_code=303)
