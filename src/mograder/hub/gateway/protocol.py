"""The gateway inside uvicorn: the one module that knows uvicorn's HTTP protocol class from within.

Requests for session paths never become ASGI: they are answered by an `Exchange`, or their connection becomes a
`Splice`. Everything else goes to the hub's application as always.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from typing import Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mograder.errors import Malformed
from mograder.hub.gateway import answers
from mograder.hub.gateway.admission import Passage
from mograder.hub.gateway.answers import refuse
from mograder.hub.gateway.core import Gateway
from mograder.hub.gateway.exchange import Exchange, RefusedExchange, SessionExchange
from mograder.hub.gateway.guard import HeadGuard
from mograder.hub.gateway.known import Known
from mograder.hub.gateway.model import UNIX, Door, Headers, Refusal, RequestHead
from mograder.hub.gateway.options import Options
from mograder.hub.gateway.routing import Place
from mograder.hub.gateway.splice import Splice

_log = logging.getLogger(__name__)
_LARGEST_READ = 256 * 1024  # what an event loop hands over at once
# The first line of most requests, in letters that no parser reads in two ways; of others the parser decides.
_PLAIN = re.compile(rb"(GET|HEAD) (/[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*) HTTP/1\.1\r\n")
_METHODS = {b"GET": "GET", b"HEAD": "HEAD"}


class Valve(FlowControl):
    """uvicorn's flow control, with a hold of ours: while ``held``, nobody else can make the connection read."""

    held = False

    def resume_reading(self) -> None:
        """Read on, unless held."""
        if not self.held:
            super().resume_reading()

    def hold(self, held: bool) -> None:
        """Set or end the hold."""
        if held == self.held:
            return
        self.held = held
        if held:
            self.pause_reading()
        else:
            self.resume_reading()


class HubProtocol(HttpToolsProtocol):
    """A browser's connection to the hub. Use through `protocol_class`."""

    gateway: ClassVar[Gateway]
    flow: Valve
    cycle: Any  # uvicorn's own cycle for the application, an `Exchange` for a session

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = HeadGuard(self.gateway.limits)
        self._in_head = self._in_message = False
        self._deaf = self._mute = False  # reads nothing more; says nothing more
        self._head_bytes = 0  # since the head began; the parser keeps an unfinished field to itself
        self._waiting_since = 0.0  # for a head, or the rest of one
        self._answered = False  # at least once: the rest is the time of keep-alive
        self._text: bytes | None = (
            None  # of the head that is being parsed, if it came in one piece and is alone
        )
        self._body_left = 0  # of a body of declared length, for a session
        self._place: Place | Refusal | None = None
        self._on_wire: Exchange | None = None  # with pipelining not necessarily ``cycle``, the newest parsed
        self._deadline: float | None = None  # set once the connection must end soon
        self._address = ""  # of the browser, or of the proxy before it
        self._seat: str | None = None  # the address whose seat this connection has

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        if self.client is None and _is_unix(transport):
            self.client = (UNIX, 0)  # said in so many words: who is already gone has no address either
        transport.set_write_buffer_limits(self.gateway.limits.buffer)
        self.flow = Valve(transport)
        self._waiting_since = self.loop.time()
        if self._is_seated():
            self.gateway.watch(self)

    def _is_seated(self) -> bool:
        self._address = address = self.client[0] if self.client else ""
        unbounded = address == UNIX or self.gateway.options.speaks_for_many(address)
        refusal = self.gateway.seats.take(address, unbounded=unbounded)
        if refusal is None:
            self._seat = address
            return True
        self._deaf = self._mute = True
        self.transport.write(answers.raw(refusal, self.gateway.options.scheme, close=True))
        self.transport.close()
        return False

    def _leave_seat(self) -> None:
        if self._seat is not None:
            self.gateway.seats.leave(self._seat)
            self._seat = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave_seat()
        self.gateway.unwatch(self)
        super().connection_lost(exc)
        self.pipeline.clear()
        current, self._on_wire = self._on_wire, None
        if current is not None and not current.response_complete:
            current.lost()

    def eof_received(self) -> bool:  # type: ignore[override]  # None there means False
        """Let a browser that has ended its direction read its answer, for a while."""
        if self._on_wire is None or self._in_message:
            return False
        self.cycle.keep_alive = False
        self._end_within(self.gateway.limits.linger_seconds)
        return True

    def shutdown(self) -> None:
        """Finish the answer on the wire, then close. Called by uvicorn when it stops."""
        super().shutdown()
        if self._on_wire is not None:
            self._on_wire.keep_alive = False
            self._end_within(self.gateway.limits.linger_seconds)

    def _end_within(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds

    def sweep(self, now: float) -> None:
        """See `Mortal.sweep`."""
        if self._deadline is not None and now > self._deadline:
            self.transport.abort()
        if self.flow.read_paused or self._deaf or not (self._in_head or self._is_idle):
            return
        waited = now - self._waiting_since
        if self._answered and not self._in_head:
            if waited > self.timeout_keep_alive:
                self.timeout_keep_alive_handler()
        elif waited > self.gateway.limits.head_seconds:
            self._refuse_last(refuse(408))

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def pause_writing(self) -> None:
        super().pause_writing()
        if isinstance(self._on_wire, SessionExchange):
            self._on_wire.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if isinstance(self._on_wire, SessionExchange):
            self._on_wire.resume()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._body_left:
            data = self._take_body(data)
            if not data:
                return
        self._text = None
        if (
            not self._in_message
            and self._is_idle
            and (plain := _PLAIN.match(data)) is not None
            and self._again(plain, data[plain.end() :])
        ):
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._broken(error)
        else:
            if self._in_head:
                self._head_bytes += len(data)
                if self._head_bytes > _LARGEST_READ + 2 * self.gateway.limits.head:
                    self._refuse_last(refuse(431))

    def _again(self, plain: re.Match[bytes], text: bytes) -> bool:
        """Take a request whose head, but for its first line, parser and guard have let pass; else remember ``text``."""
        known = self.gateway.heads.get(self._address, text)
        if known is None:
            if text.find(b"\r\n\r\n") == len(text) - 4:
                self._text = text
            return False
        method, target = plain.groups()
        place = self.gateway.admission.router.find(target)
        if place is None or len(target) > self.gateway.limits.target:
            return False
        self.headers, self.url = cast(Any, known), target
        decision = self._decide(place, _METHODS[method], websocket=False)
        if isinstance(decision, Refusal):
            exchange: Exchange = RefusedExchange(
                self, decision, False, keep_alive=True, head_only=method == b"HEAD"
            )
        else:
            exchange = SessionExchange(self, decision)
        self.cycle = exchange
        exchange.start()
        return True

    def _take_body(self, data: bytes) -> bytes:
        """Pass a body of declared length on without parsing, hence copying, it; return what comes behind it."""
        body = data[: self._body_left] if len(data) > self._body_left else data
        self._body_left -= len(body)
        self.cycle.feed(body)
        if not self._body_left:
            self.parser = _request_parser(self)  # the old one still waits for this body
            self.on_message_complete()
        return data[len(body) :]

    def _broken(self, error: httptools.HttpParserError) -> None:
        refusal = self._guard.refusal or refuse(400)
        cause = error.__context__
        if cause is not None and not isinstance(cause, Malformed | httptools.HttpParserError):
            _log.error("Taking in a request failed.", exc_info=cause)
            refusal = refuse(500)
        current = self.cycle
        if self._in_head or not self._in_message:
            self._refuse_last(refusal)
        elif isinstance(current, SessionExchange) and current is self._on_wire:
            self._deaf = True
            current.broken()
        else:
            self.transport.abort()

    def _refuse_last(self, refusal: Refusal) -> None:
        """Answer with ``refusal`` when earlier requests are answered, then close; read nothing more."""
        self._deaf = True
        self._enqueue(RefusedExchange(self, refusal, True, keep_alive=False, head_only=False))

    # The request head, as the parser finds it.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._guard = HeadGuard(self.gateway.limits)
        self._in_head = self._in_message = True
        self._head_bytes = 0
        self._waiting_since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        self._guard.target(url)
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: uvicorn would add it to the head that the application has already judged
        name = name.lower()
        self._guard.field(name, value)
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        guard, parser = self._guard, self.parser
        version = parser.get_http_version()
        self.url = guard.complete(version, self.url)
        self._place = place = self.gateway.admission.router.find(self.url)
        if place is None:
            self._in_head = False
            super().on_headers_complete()
            return
        method = parser.get_method().decode("ascii")
        self.scope["method"] = method
        if parser.should_upgrade():
            if method == "CONNECT":
                guard.refuse(405)
            if self._get_upgrade() != b"websocket":
                guard.refuse(501)
            self._in_head = False
            return
        self._in_head = False
        keep_alive = parser.should_keep_alive()
        self._body_left = guard.length or 0
        decision = self._decide(place, method, websocket=False)
        if isinstance(decision, Refusal):
            self._enqueue(
                RefusedExchange(
                    self, decision, guard.has_body, keep_alive=keep_alive, head_only=method == "HEAD"
                )
            )
        else:
            if self._text is not None and keep_alive and guard.length is None and not guard.chunked:
                self.gateway.heads.put(self._address, self._text, Known(self.headers))
            self._enqueue(
                SessionExchange(
                    self,
                    decision,
                    guard.length,
                    guard.chunked,
                    keep_alive=keep_alive,
                    old=version == "1.0",
                    expects=self.expect_100_continue,
                )
            )

    def _decide(self, place: Place | Refusal, method: str, *, websocket: bool) -> Passage | Refusal:
        head = RequestHead(method, self.url, self.headers, self._address, self.scheme or "http", websocket)
        return self.gateway.admission.decide(place, head)

    @property
    def default_fields(self) -> Headers:
        """See `Client.default_fields`."""
        return self.server_state.default_headers

    # The queue of requests on this connection.

    def _enqueue(self, exchange: Exchange) -> None:
        if self._mute:
            return
        earlier, self.cycle = self.cycle, exchange
        if earlier is None or earlier.response_complete:
            exchange.start()
        else:
            self.pipeline.appendleft((cast(Any, exchange), cast(Any, None)))
            self.reconsider_reading()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, Exchange):
            cycle.start()
        else:
            super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        if not isinstance(self.cycle, Exchange):
            super().on_body(body)
            return
        if self._guard.length is not None:
            self._body_left -= len(body)
        self.cycle.feed(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        if isinstance(self.cycle, Exchange):
            self.cycle.feed_end()
        else:
            super().on_message_complete()

    def exchange_begins(self, exchange: Exchange) -> None:
        """See `Client.exchange_begins`."""
        self._on_wire = exchange
        if self.flow.write_paused and isinstance(exchange, SessionExchange):
            exchange.pause()

    def exchange_ends(self, *, is_last: bool) -> None:
        """See `Client.exchange_ends`."""
        self._on_wire = None
        if is_last:
            self._mute = self._deaf = True
            self.pipeline.clear()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Do as uvicorn does, but for its timer for each answer: `sweep` looks at the time of keep-alive."""
        self._waiting_since = self.loop.time()
        self._answered = True
        if self._mute:
            return
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        self.reconsider_reading()

    def reconsider_reading(self) -> None:
        """See `Client.reconsider_reading`."""
        current = self._on_wire
        self.flow.hold(bool(self.pipeline) or (current is not None and current.clogged))

    # WebSockets.

    def _upgrade(self, rest: bytes) -> None:
        if self._place is None:
            self._upgrade_of_the_hub()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse_last(refuse(400, "A WebSocket can not follow an unanswered request."))
            return
        if self._guard.has_body:
            self._refuse_last(refuse(400))
            return
        place = self._place
        decision = self._decide(place, self.scope["method"], websocket=True)
        if isinstance(decision, Refusal):
            self._refuse_last(decision)
            return
        self.gateway.unwatch(self)
        self.connections.discard(self)
        splice = Splice(self.gateway, decision, self.transport, self.connections)
        splice.browser.on_lost = self._leave_seat
        splice.begin(rest)

    def _upgrade_of_the_hub(self) -> None:
        if not self._should_upgrade():
            self._unsupported_upgrade_warning()  # the request itself is being answered
        elif self.cycle is not None and not self.cycle.response_complete:
            self._refuse_last(refuse(400))
        else:
            self.gateway.unwatch(self)
            self._leave_seat()
            self.handle_websocket_upgrade()


def _is_unix(transport: asyncio.Transport) -> bool:
    sock = transport.get_extra_info("socket")
    return sock is not None and sock.family == socket.AF_UNIX


def _request_parser(protocol: HubProtocol) -> httptools.HttpRequestParser:
    """Return a parser as uvicorn makes it."""
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def protocol_class(door: Door, options: Options | None = None) -> type[HubProtocol]:
    """Return the class for ``uvicorn.Config(http=...)`` whose session paths are admitted by ``door``.

    Use with ``proxy_headers=False``: the gateway judges forwarded headers itself.
    """
    return type("HubProtocol", (HubProtocol,), {"gateway": Gateway(door, options)})
