"""The account page: who I am here, how the pages look, what runs, signing out everywhere."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from mograder.errors import Malformed
from mograder.hub.api.access import Work, requires
from mograder.hub.api.respond import wants_page
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.pages import account_views, language, views
from mograder.hub.pages.common import THEME, THEMES, moment, no_cookie, page, root, session_row
from mograder.hub.pages.language import gettext
from mograder.hub.pages.render import render

router = APIRouter(include_in_schema=False)

_YEAR = 365 * 86400


@router.get("/account")
async def account(
    request: Request, who: Identity = requires(Action.USE_HUB), work: Coursework = Work, done: str = ""
) -> Response:
    """Who the caller is here."""
    logins = request.app.state.logins.of(who.user)
    view = account_views.Account(
        page(request, who),
        datetime.now(UTC),
        via=who.via,
        logins=tuple(
            account_views.SignIn(login.via, moment(login.created), moment(login.last_seen))
            for login in logins
        ),
        sessions=tuple(
            session_row(session, work.sessions.idle_left(session)) for session in work.sessions.of(who.user)
        ),
        flash=views.Flash(gettext("It is kept in this browser.")) if done == "look" else None,
    )
    return HTMLResponse(render(view))


@router.post("/account/look")
async def look(request: Request, who: Identity = requires(Action.USE_HUB)) -> Response:
    """Light, dark, or as the machine says; kept in this browser alone."""
    theme = str((await request.form()).get("theme") or "")
    if theme not in THEMES:
        raise Malformed("A page is light, dark, or as your machine is set.")
    return _kept(request, THEME, theme)


@router.post("/account/language")
async def speak(request: Request, who: Identity = requires(Action.USE_HUB)) -> Response:
    """Another language; kept in this browser."""
    chosen = str((await request.form()).get("language") or "")
    if chosen not in language.LANGUAGES:
        raise Malformed("The hub does not speak that language.")
    return _kept(request, language.COOKIE, chosen)


@router.post("/account/sign-out-everywhere")
async def sign_out_everywhere(request: Request, who: Identity = requires(Action.USE_HUB)) -> Response:
    """End every login of the caller, on every machine."""
    request.app.state.logins.end_all(who.user)
    request.app.state.standing.signed_out_everywhere(who.user)
    headers = {"Set-Cookie": no_cookie(request), "Clear-Site-Data": '"cache"'}
    if not wants_page(request):
        return JSONResponse({"status": "ok"}, headers=headers)
    onward: str = request.app.state.settings.hub.logout_url
    return HTMLResponse(render(views.SignOut(page(request, None), done=True, onward=onward)), headers=headers)


def _kept(request: Request, name: str, value: str) -> Response:
    """Keep ``value`` in this browser; nothing forgets it."""
    secure = "; Secure" if request.scope["scheme"] == "https" else ""
    cookie = f"{name}={value}; Path=/; Max-Age={_YEAR if value else 0}; SameSite=Lax{secure}"
    headers = {"Set-Cookie": cookie}
    if not wants_page(request):
        return JSONResponse({"status": "ok"}, headers=headers)
    return RedirectResponse(f"{root(request)}account?done=look", status_code=303, headers=headers)
