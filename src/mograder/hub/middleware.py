"""What holds for every answer of the hub's own: who asks, from where, how much, and under which headers."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from mograder.errors import NotFound
from mograder.hub.hosts import Hosts
from mograder.hub.identity.gate import Gate
from mograder.hub.limits import address_of
from mograder.hub.pages import language
from mograder.hub.pages.render import content_security_policy
from mograder.sentences import Sentence

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", content_security_policy().encode()),
)
PUBLIC_FILES = "/static/"
"""What lies below is the same for everybody, and shared caches may keep it."""

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_HERE = (None, b"same-origin", b"none")
FOR_GOOD = (b"strict-transport-security", b"max-age=31536000")
NOT_KEPT = (b"cache-control", b"no-store")
_SMALL_BODY = 1 << 20
_SLOWEST = 16 * 1024  # bytes of a body per second, after a while
_PAGE = '<!doctype html><html lang="{}"><meta charset="utf-8"><title>{}</title><p>{}</p></html>'


_NO_SOCKET = Sentence("There is no WebSocket at this address.")
_ANOTHER_NAME = NotFound(
    "The hub does not answer to this host name.",
    tip="name it with public_url or allowed_hosts in [hub] of mograder.toml.",
)


class KnownHosts:
    """Refuses requests under a name that is not the hub's, and puts the name that the proxy tells into ``Host``.

    Refuses every WebSocket: those of notebooks do not come this far, and there are no others.

    Puts the scheme that browsers use into the scope as well; under HTTPS every answer says that it is for good.
    """

    def __init__(self, app: App, gate: Gate, hosts: Hosts) -> None:
        self._app = app
        self._gate = gate
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, client = scope["headers"], (scope.get("client") or ("", 0))[0]
        trusted = self._gate.is_trusted(client, headers)
        send = _refusing(send) if scope["type"] == "websocket" else send
        if self._gate.is_https(headers, client):
            scope["scheme"] = "https"
            send = _with_field(send, FOR_GOOD)
        if scope["type"] == "websocket":
            await refuse(send, 404, _NO_SOCKET)
            return
        host = _header(headers, b"host") or b"localhost"
        forwarded = (_header(headers, b"x-forwarded-host") or b"").rpartition(b",")[2].strip()
        if trusted and forwarded:
            host = forwarded
            scope["headers"] = [(b"host", host), *(field for field in headers if field[0] != b"host")]
        if self._hosts.knows(host.decode("latin-1"), from_proxy=trusted):
            await self._app(scope, receive, send)
            return
        await refuse(send, 421, _ANOTHER_NAME.whole)


class Aside:
    """Sends what lies below ``prefix`` to an application of its own: public files need no identity, no cookie."""

    def __init__(self, app: App, prefix: str, aside: App) -> None:
        self._app = app
        self._prefix = prefix
        self._aside = aside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(self._prefix):
            below = {**scope, "root_path": self._prefix.rstrip("/")}
            await self._aside(below, receive, send)
            return
        await self._app(scope, receive, send)


class Identification:
    """Decides who is asking (`Gate`) and from where, puts both into ``scope["state"]``, sets or ends the cookie.

    At the content host that is decided already, and the hub's own cookie counts for nothing.
    """

    def __init__(self, app: App, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["login"] = ""
        if state.get("at_content_host"):
            await self._app(scope, receive, send)
            return
        headers = scope["headers"]
        client = (scope.get("client") or ("", 0))[0]
        trusted = self._gate.is_trusted(client, headers)
        # A cookie on a file that shared caches keep would hand one person's login to everybody.
        answer = self._gate.identify(headers, client, begin=not scope["path"].startswith(PUBLIC_FILES))
        scope["state"]["login"] = answer.login
        scope["state"]["grant"] = answer.grant
        scope["state"]["address"] = address_of(headers, client, trusted)
        # Nothing further in has any use for it, so nothing can tell it.
        scope["headers"] = [field for field in headers if field[0] != self._gate.secret_header]
        scope["state"]["identity"] = answer.identity
        scope["state"]["refusal"] = answer.reason
        name = self._gate.cookie_name(https=scope["scheme"] == "https")
        cookie = None if answer.new_cookie is None else set_cookie(name, answer.new_cookie, scope["scheme"])

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and cookie and not _sets(message, name):
                message["headers"] = [*message["headers"], (b"set-cookie", cookie)]
            await send(message)

        await self._app(scope, receive, sending)


class CrossSite:
    """Refuses what another site's page makes a browser send: every change needs a same-origin proof, and of the rest
    other sites get links alone.

    Browsers say where a request comes from (``Sec-Fetch-Site``, ``Origin``); what says neither is no browser.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in _SAFE_METHODS and not same_origin(scope):
            await self._refuse(Sentence("a change must come from one of the hub's own pages"), scope, send)
        elif from_elsewhere(scope) and not _is_visit(scope):
            await self._refuse(Sentence("other sites may link here and nothing else"), scope, send)
        else:
            await self._app(scope, receive, send)

    async def _refuse(self, rule: str, scope: Scope, send: Send) -> None:
        scope["state"]["rule"] = rule
        await refuse(send, 403, Sentence("This request came from another site, so it was not carried out."))


class BodyLimit:
    """Refuses bodies that are too large, by their announced length before a byte is read, else by counting; and
    those that come too slowly."""

    def __init__(self, app: App, limits: dict[str, int], patience: float = 60.0) -> None:
        self._app = app
        self._limits = limits  # bytes by first path segment
        self._patience = patience  # seconds for a body, and more for each byte that came

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"].strip("/").split("/")[0], _SMALL_BODY)
        announced = _header(scope["headers"], b"content-length")
        if announced is not None and announced.isdigit() and (len(announced) > 18 or int(announced) > limit):
            await refuse(send, 413, _too_large(limit))
            return
        await self._app(scope, _counted(receive, limit, self._patience), send)


class Speaking:
    """Lets everything behind it speak the language of whoever reads the answer."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with language.speaking(language.of_request(scope["headers"])):
            await self._app(scope, receive, send)


class SecurityHeaders:
    """Puts the hub's headers on every answer; personal answers are never cached.

    ``form_targets`` are origins that a form's answer may lead to: browsers judge the whole way of a form.
    """

    def __init__(self, app: App, form_targets: tuple[str, ...] = ()) -> None:
        self._app = app
        policy = (b"content-security-policy", content_security_policy(form_targets).encode())
        self._fields = [policy if field[0] == policy[0] else field for field in SECURITY_HEADERS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [header for header in self._fields if header[0] not in present]
                if b"cache-control" not in present:
                    added.append(NOT_KEPT)
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, sending)


class BodyTooLarge(HTTPException):
    """More bytes came than are accepted. An HTTPException: FastAPI makes 400 of all else that ends a body."""

    def __init__(self, detail: str) -> None:
        super().__init__(413, detail)

    def __str__(self) -> str:
        return self.detail


def same_origin(scope: Scope) -> bool:
    """Whether a request says that it comes from one of our own pages, or from no page at all."""
    headers = scope["headers"]
    site = _header(headers, b"sec-fetch-site")
    if site is not None:
        return site in (b"same-origin", b"none")
    origin = _header(headers, b"origin")
    if origin is None:
        return True
    host = _header(headers, b"host") or b""
    return origin.lower() in (b"http://" + host.lower(), b"https://" + host.lower())


def from_elsewhere(scope: Scope) -> bool:
    """Whether a browser says that another site's page, or one of another host, is behind a request."""
    return _header(scope["headers"], b"sec-fetch-site") not in _HERE


def _is_visit(scope: Scope) -> bool:
    """Whether a browser's window goes to this address, by a link from wherever."""
    headers = scope["headers"]
    how = _header(headers, b"sec-fetch-mode"), _header(headers, b"sec-fetch-dest")
    return bool(scope["method"] == "GET") and how == (b"navigate", b"document")


def _with_field(send: Send, field: tuple[bytes, bytes]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = any(name == field[0] for name, _ in message["headers"])
            message["headers"] = [*message["headers"], *(() if present else (field,))]
        await send(message)

    return sending


def _refusing(send: Send) -> Send:
    """What sends the answer to a WebSocket's handshake that is refused as that to any other request."""

    async def sending(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return sending


async def refuse(
    send: Send, status: int, detail: str, fields: tuple[tuple[bytes, bytes], ...] = (), *, page: bool = False
) -> None:
    """Answer with a JSON sentence (or the barest of pages) without reading the request's body.

    It has the hub's headers wherever it comes from: also outside of `SecurityHeaders`.
    """
    said = language.tell(detail)
    title, code = language.gettext("Not now"), language.language()
    text = _PAGE.format(code, title, html.escape(said)) if page else json.dumps({"detail": said})
    body = text.encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8" if page else b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        NOT_KEPT,
        *SECURITY_HEADERS,
        *fields,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _counted(receive: Receive, limit: int, patience: float) -> Receive:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    count = 0
    complete = False

    async def counting() -> Message:
        nonlocal count, complete
        if complete:
            return await receive()  # waits for the end of the connection, as long as the answer takes
        try:
            async with asyncio.timeout_at(deadline + count / _SLOWEST):
                message = await receive()
        except TimeoutError:
            raise HTTPException(
                408, Sentence("The body of this request came too slowly; nothing was changed.")
            ) from None
        count += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if count > limit:
            raise BodyTooLarge(_too_large(limit))
        return message

    return counting


def _too_large(limit: int) -> str:
    return Sentence(
        "That is more than the {size} MB that are accepted here; nothing was changed.",
        size=f"{limit / (1 << 20):.0f}",
    )


def set_cookie(name: str, value: str, scheme: str) -> bytes:
    """The header value that keeps a login's cookie ("": ends it)."""
    secure = "; Secure" if scheme == "https" else ""
    age = "; Max-Age=0" if value == "" else f"; Max-Age={180 * 86400}"
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}".encode()


def _sets(message: Message, name: str) -> bool:
    """Whether an answer sets this cookie already: who signs out by the request that signed them in is out."""
    begins = f"{name}=".encode()
    return any(key.lower() == b"set-cookie" and value.startswith(begins) for key, value in message["headers"])


def _header(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    for key, value in headers:
        if key == name:
            return bytes(value)
    return None
