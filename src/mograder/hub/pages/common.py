"""What every page route needs: the page's frame, titles, the parts that ``hub.app`` put there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from fastapi import Depends, Request

from mograder.hub.api import forms
from mograder.hub.identity.model import Identity
from mograder.hub.middleware import set_cookie
from mograder.hub.pages import views
from mograder.hub.pages.language import tell
from mograder.hub.teaching.desk import Desk
from mograder.sessions.model import Session

THEME = "mograder_theme"
"""The cookie that keeps how the pages look."""

THEMES: dict[str, Literal["", "light", "dark"]] = {"": "", "light": "light", "dark": "dark"}


def page(request: Request, who: Identity | None) -> views.Page:
    """What every page has."""
    state, user = request.app.state, "" if who is None else who.user
    return views.Page(
        course_title=state.settings.course.title,
        user=user,
        role="student" if who is None else who.role.value,
        mode_notice=tell(state.notice) if state.notice else None,
        root=root(request),
        csrf="" if who is None else forms.token(state.settings.secret, user),
        # A guest is known by the cookie alone: without it they could never come back to their work.
        sign_out=None if state.settings.dev or who is None else "logout",
        messages=tuple(
            views.Note(m.id, m.author, moment(m.when), m.text) for m in state.messages.shown_to(user) if user
        ),
        visits=tuple(views.Look(v.visitor, v.item, moment(v.when)) for v in state.visits.to(user) if user),
        theme=THEMES.get(request.cookies.get(THEME, ""), ""),
        brand_css=state.brand.css,
        logo=state.brand.logo,
        notice=state.brand.notice,
        news="" if who is None else state.news.word(who),
    )


def root(request: Request) -> str:
    """The relative way from this request's page to the hub's root."""
    return views.relative_root(request.url.path)


def no_cookie(request: Request) -> str:
    """The ``Set-Cookie`` that takes the hub's cookie away."""
    scheme = request.scope["scheme"]
    name = request.app.state.gate.cookie_name(https=scheme == "https")
    return set_cookie(name, "", scheme).decode()


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as an aware time in the machine's zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone()


def session_row(session: Session, idle_left: int | None = None) -> views.SessionRow:
    """A running notebook."""
    return views.SessionRow(
        username=session.key.user,
        item=session.key.item,
        kind=session.key.kind,
        url=f"{views.path(session.key.kind, 'user', session.key.user, session.key.item)}/",
        last_seen=datetime.fromtimestamp(session.last_seen, UTC),
        idle_left=idle_left,
    )


def title(name: str) -> str:
    """``A1-Heat-Equation`` read aloud: the dashes and underscores of a directory name are spaces."""
    first, _, rest = name.partition("-")
    return f"{first}: {rest.replace('-', ' ').replace('_', ' ')}" if rest else name


async def desk(request: Request) -> Desk:
    """The instructors' half of the hub."""
    found: Desk = request.app.state.desk
    return found


OnDesk = Depends(desk)
