"""What stands between identity and the routes: the audit log's eyes, the limits, and what a body may be."""

from __future__ import annotations

from mograder.hub.audit import REFUSED, AuditLog, Entry
from mograder.hub.identity.model import Identity
from mograder.hub.limits import Limits
from mograder.hub.middleware import PUBLIC_FILES, App, Message, Receive, Scope, Send, refuse
from mograder.sentences import Sentence

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_BODIES = (b"application/x-www-form-urlencoded", b"multipart/form-data", b"application/json")


class Audited:
    """Has every change and every refusal written down, with the rule that the inner parts leave in the state."""

    def __init__(self, app: App, audit: AuditLog) -> None:
        self._app = app
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                visit = scope["state"].get("visit", False)  # of an instructor to a student's work
                if scope["method"] not in _SAFE_METHODS or status in REFUSED or visit:
                    self._audit.note(self._entry(scope, status))
            await send(message)

        await self._app(scope, receive, sending)

    def _entry(self, scope: Scope, status: int) -> Entry:
        state, named = scope["state"], scope.get("path_params") or {}
        item = next((named[key] for key in ("assignment", "lecture", "item", "name") if key in named), "")
        return Entry(
            who=state.get("identity"),
            address=state["address"],
            method=scope["method"],
            path=scope["path"],
            status=status,
            rule=state.get("rule") or state.get("refusal") or "",
            action=str(state.get("action", "")),
            owner=str(named.get("user", "")),
            item=str(item),
        )


class RateLimit:
    """Answers 429 to who asks too much, and to addresses that failed to sign in too often."""

    def __init__(self, app: App, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(PUBLIC_FILES):
            await self._app(scope, receive, send)
            return
        who: Identity | None = scope["state"]["identity"]
        address = "" if who else scope["state"]["address"]
        overrun = self._limits.request(who) if who else self._limits.stranger(address)
        if overrun is not None:
            scope["state"]["rule"] = overrun.reason
            wait = str(overrun.retry_after).encode()
            sentence = Sentence(
                "Too much at once: {reason}. Try again in {seconds} s.",
                reason=overrun.reason,
                seconds=overrun.retry_after,
            )
            await refuse(send, 429, sentence, ((b"retry-after", wait),), page=_wants_page(scope))
        elif who:
            await self._of_a_person(who, scope, receive, send)
        else:
            await self._of_a_stranger(address, scope, receive, send)

    async def _of_a_person(self, who: Identity, scope: Scope, receive: Receive, send: Send) -> None:
        self._limits.begin(who)
        try:
            await self._app(scope, receive, send)
        finally:
            self._limits.end(who)

    async def _of_a_stranger(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            failed = message.get("status") == 401 or scope["state"].get("failed", False)
            if message["type"] == "http.response.start" and failed:
                self._limits.failed(address)
            await send(message)

        await self._app(scope, receive, sending)


class BodyKinds:
    """Refuses bodies of kinds that no route reads: what a page may send anywhere as text is no form and no JSON."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS and not _is_known_kind(scope):
            scope["state"]["rule"] = Sentence("a body must be a form or JSON")
            await refuse(
                send,
                415,
                Sentence("The body of this request is neither a form nor JSON; nothing was changed."),
            )
            return
        await self._app(scope, receive, send)


def _is_known_kind(scope: Scope) -> bool:
    fields = dict(scope["headers"])
    kind = fields.get(b"content-type")
    if kind is None:
        return b"transfer-encoding" not in fields and fields.get(b"content-length", b"0").strip(b"0") == b""
    return kind.partition(b";")[0].strip().lower() in _BODIES


def _wants_page(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
