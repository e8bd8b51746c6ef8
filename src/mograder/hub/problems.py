"""Every error as an answer: JSON for scripts, a page with a way on for people, never a traceback."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from mograder.errors import MograderError, NotSignedIn, SessionFailed, Unavailable, UnsafeNotebook, exhausted
from mograder.hub.api.respond import problem, wants_page
from mograder.hub.middleware import FOR_GOOD, NOT_KEPT, SECURITY_HEADERS, BodyTooLarge
from mograder.hub.pages import views
from mograder.hub.pages.common import page
from mograder.hub.pages.language import N_, of_request, speaking, tell
from mograder.hub.pages.render import render
from mograder.hub.sign_in import way_to_login

log = logging.getLogger("mograder.hub")

_WORDS = {
    404: N_("There is nothing at this address."),
    405: N_("This address can not be asked in this way."),
}


def install(app: FastAPI) -> None:
    """Give ``app`` its error answers."""
    app.add_exception_handler(MograderError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(BodyTooLarge, _too_large)
    app.add_exception_handler(OSError, _machine)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, MograderError)
    extra: dict[str, Any] = {}
    if error.status not in (401, 403):  # there the rule is known already
        request.state.rule = error.message
    if isinstance(error, UnsafeNotebook):
        extra["unsafe"] = [tell(finding) for finding in error.findings]
    if isinstance(error, SessionFailed):
        extra["log_tail"] = error.log_tail
    response = _shaped(request, error, error.status, extra)
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotSignedIn):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = _WORDS.get(error.status_code, error.detail)
    response = _shaped(request, MograderError(sentence), error.status_code, {})
    response.headers.update(error.headers or {})
    return response


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    what = first["msg"].lower()
    if first["type"] == "json_invalid":
        senseless = MograderError("The body of this request is no JSON.")
    elif where:
        senseless = MograderError("The request makes no sense: {where}: {what}.", where=where, what=what)
    else:
        senseless = MograderError("The request makes no sense: {what}.", what=what)
    return _shaped(request, senseless, 422, {})


async def _too_large(request: Request, error: Exception) -> Response:
    assert isinstance(error, BodyTooLarge)
    return _shaped(request, MograderError(error.detail), 413, {})


async def _machine(request: Request, error: Exception) -> Response:
    """What the machine lacks. With a handler of its own, so that the connection stays: others wait on it, too."""
    if (busy := exhausted(error)) is None:
        return await _unexpected(request, error)
    log.error("out of resources at %s %s: %s", request.method, request.url.path, error)
    return await _ours(request, busy)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error at %s %s", request.method, request.url.path, exc_info=error)
    scope = request.scope
    with speaking(
        of_request(scope["headers"])
    ):  # this one is caught outside of all that speaks or adds headers
        broken = MograderError("Something went wrong in the hub. It was noted; your work is safe.")
        response = _shaped(request, broken, 500, {})
    https = request.app.state.gate.is_https(scope["headers"], (scope.get("client") or ("", 0))[0])
    for name, value in (*SECURITY_HEADERS, NOT_KEPT, *((FOR_GOOD,) if https else ())):
        response.headers[name.decode()] = value.decode()
    return response


def _target(request: Request) -> str:
    """The page that was asked for, as it came; a change is not carried out by coming back."""
    scope = request.scope
    asked = b"?".join(part for part in (scope.get("raw_path", b"/"), scope["query_string"]) if part)
    return asked.decode("latin-1") if request.method == "GET" else "/"


def _to_sign_in(request: Request, view: views.Problem) -> views.Problem:
    """``view`` with the way to the login, if that is known; else with the way to ask once more, signed in by then."""
    settings, target = request.app.state.settings, _target(request)
    if login := way_to_login(settings.hub.login_url, settings.root + target):
        return replace(view, sign_in=login)
    return replace(view, again=request.method == "GET")


def _shaped(request: Request, error: MograderError, status: int, extra: dict[str, Any]) -> Response:
    if not wants_page(request):
        return problem(tell(error.whole), status, **extra)
    who = getattr(request.state, "identity", None)
    view = views.Problem.of(page(request, who), error)
    if status == 401:
        view = _to_sign_in(request, view)
    if status != view.status:
        view = views.Problem(view.page, status, error.message, tip=error.tip)
    return HTMLResponse(render(view), status_code=status)
