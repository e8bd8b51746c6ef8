"""The gateway as plain ASGI, for a server whose protocol class can not be taken over: same rules, more work.

HTTP goes through the same `Call`. WebSockets are taken apart into messages and put together again, so pings, pongs
and compression end at the hub, and a message must fit into memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mograder.errors import Malformed
from mograder.hub.gateway import answers
from mograder.hub.gateway.admission import Passage
from mograder.hub.gateway.answers import refuse
from mograder.hub.gateway.asgi_socket import carry_socket
from mograder.hub.gateway.call import Call
from mograder.hub.gateway.core import Gateway
from mograder.hub.gateway.guard import HeadGuard
from mograder.hub.gateway.model import UNIX, Door, Headers, Refusal, RequestHead
from mograder.hub.gateway.names import encode_path
from mograder.hub.gateway.options import Options
from mograder.hub.gateway.routing import Place

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)


class GatewayApp:
    """An ASGI application that carries session paths itself and leaves everything else to ``app``."""

    def __init__(self, app: App, door: Door, options: Options | None = None) -> None:
        self.app = app
        self.gateway = Gateway(door, options)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if not scope.get("client") and scope.get("server") and scope["server"][1] is None:
            scope = {**scope, "client": (UNIX, 0)}  # the server's end is a path: so it is by how it is bound
        if any(name.lower() == b"transfer-encoding" for name, _ in scope["headers"]):
            # uvicorn adds the trailers of a chunked body to the head, where the hub would believe them. Browsers
            # do not send chunks.
            await _refuse(refuse(411), self.gateway.options.scheme, send)
            return
        target = _target(scope)
        place = self.gateway.admission.router.find(target)
        if place is None:
            await self.app(scope, receive, send)
            return
        guard = HeadGuard(self.gateway.limits)
        decision = self._decide(place, guard, scope, target)
        if scope["type"] == "websocket":
            await carry_socket(self.gateway, decision, scope, receive, send)
        elif isinstance(decision, Refusal):
            await _refuse(decision, self.gateway.options.scheme, send)
        else:
            await _Carrier(self.gateway, decision, guard, send).carry(receive)

    def _decide(
        self, place: Place | Refusal, guard: HeadGuard, scope: Message, target: bytes
    ) -> Passage | Refusal:
        head = _head(scope, target)
        return _check(guard, head, scope) or self.gateway.admission.decide(place, head)


def _target(scope: Message) -> bytes:
    path: bytes = scope.get("raw_path") or encode_path(scope["path"])
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def _head(scope: Message, target: bytes) -> RequestHead:
    # A copy: some servers add a request's trailers to the list when they arrive.
    headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
    websocket = scope["type"] == "websocket"
    scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
    client = scope["client"][0] if scope.get("client") else ""
    return RequestHead(scope.get("method", "GET"), target, headers, client, scheme, websocket)


def _check(guard: HeadGuard, head: RequestHead, scope: Message) -> Refusal | None:
    try:
        guard.target(head.target)
        for name, value in head.headers:
            guard.field(name, value)
        guard.complete(scope.get("http_version", "1.1"), head.target)
    except Malformed:
        return guard.refusal
    return None


async def _refuse(refusal: Refusal, scheme: str, send: Send) -> None:
    fields = answers.fields(refusal, scheme)
    await send({"type": "http.response.start", "status": refusal.status, "headers": fields})
    await send({"type": "http.response.body", "body": refusal.body})


class _Carrier:
    """Carries one request to a session and its answer back: the `Caller` of a `Call`."""

    def __init__(self, gateway: Gateway, passage: Passage, guard: HeadGuard, send: Send) -> None:
        self._limit = gateway.limits.buffer
        self._scheme = passage.head.scheme
        self._send = send
        self._call = Call(gateway, passage, self, guard.length, guard.chunked)
        self._has_body = guard.has_body
        self._start: Message | None = None
        self._refusal: Refusal | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = self._torn = self._paused = False
        self._news = asyncio.Event()  # from the session
        self._flow = asyncio.Event()  # to the session

    async def carry(self, receive: Receive) -> None:
        """Serve the request to its end."""
        self._call.start()
        pump = asyncio.create_task(self._pump(receive))
        try:
            await self._answer()
        finally:
            pump.cancel()
            self._call.abort()

    async def _pump(self, receive: Receive) -> None:
        """Feed the request's body, then wait for the browser to go away."""
        more = self._has_body
        while (message := await receive())["type"] == "http.request":
            if more and message.get("body"):
                self._call.feed(message["body"])
            if more and not message.get("more_body"):
                more = False
                self._call.feed_end()
            while self._call.clogged and not self._call.over:
                self._flow.clear()
                await self._flow.wait()
        self._call.abort()
        self._torn = True
        self._news.set()

    async def _answer(self) -> None:
        await self._until(lambda: self._start is not None)
        if self._refusal is not None:
            await _refuse(self._refusal, self._scheme, self._send)
        if self._start is None:
            return
        await self._send(self._start)
        while True:
            await self._until(lambda: bool(self._pieces) or self._ended)
            if self._torn:
                return  # unfinished on purpose: the server then ends the connection
            body, self._pieces, self._size = b"".join(self._pieces), [], 0
            last = self._ended
            await self._send({"type": "http.response.body", "body": body, "more_body": not last})
            if last:
                return
            if self._paused:
                self._paused = False
                self._call.resume_answer()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not (condition() or self._torn or self._refusal):
            self._news.clear()
            await self._news.wait()

    # What the call calls.

    def begin(self, status: int, headers: Headers, length: int | None, bodiless: bool) -> None:
        """See `Caller.begin`."""
        fields = list(headers)
        if length is not None and (not bodiless or self._call.head_only):
            fields.append((b"content-length", b"%d" % length))
        if self._call.body_due:
            fields.append((b"connection", b"close"))
        self._start = {"type": "http.response.start", "status": status, "headers": fields}
        self._news.set()

    def go_on(self, data: bytes) -> None:
        """See `Caller.go_on`."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._limit and not self._paused:
            self._paused = True
            self._call.pause_answer()
        self._news.set()

    def rest(self) -> None:
        """See `Caller.rest`."""

    def end(self) -> None:
        """See `Caller.end`."""
        self._ended = True
        self._news.set()

    def fail(self, refusal: Refusal) -> None:
        """See `Caller.fail`."""
        if self._start is None:
            self._refusal = refusal
        self._torn = True
        self._flow.set()
        self._news.set()

    def throttle(self) -> None:
        """See `Caller.throttle`."""
        self._flow.set()
