"""A WebSocket between browser and session: after a checked handshake, bytes are piped both ways."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from mograder.errors import Malformed
from mograder.hub.gateway import answers, handshake, wire
from mograder.hub.gateway.admission import Passage
from mograder.hub.gateway.answers import refuse
from mograder.hub.gateway.core import Gateway
from mograder.hub.gateway.frames import FrameTrail
from mograder.hub.gateway.model import Activity, Refusal
from mograder.hub.gateway.transports import close_soon, set_reading

_COME_BACK = b"\x88\x02" + (1012).to_bytes(2, "big")  # a close frame: "service restart"
_NOT_ALLOWED = b"\x88\x02" + (1008).to_bytes(2, "big")  # "policy violation"
_LARGEST_HEAD = 16 * 1024
_UPGRADE = ((b"connection", b"Upgrade"), (b"upgrade", b"websocket"))
_DEAD_PEER = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 90_000))


class Stage(Enum):
    """How far a WebSocket is."""

    ASKED = "waits for the session's answer"
    OPEN = "bytes are piped"
    OVER = "ended"


class End(asyncio.Protocol):
    """One end of the pipe: writes what it receives to the other, and passes back-pressure and endings on."""

    __slots__ = ("ended", "forward", "splice", "told", "trail", "transport")

    def __init__(self, splice: Splice) -> None:
        self.splice = splice
        self.trail = FrameTrail()
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)  # set by `connected`
        self.forward: Callable[[bytes], None] = _nowhere  # the other end's write, once the pipe is open
        self.ended = False  # has said that nothing more will come
        self.told: set[Activity] = set()  # since the last sweep

    def connected(self, transport: asyncio.Transport) -> None:
        """Take the transport."""
        self.transport = transport
        transport.set_write_buffer_limits(self.splice.gateway.limits.buffer)

    def tell(self, kind: Activity) -> None:
        """Report what this end does; asked before, so that it costs nothing most of the time."""
        self.told.add(kind)
        self.splice.gateway.report(self.splice.session_id, kind, self.splice.gateway.now())

    def connection_lost(self, exc: Exception | None) -> None:
        self.splice.lost(self)

    def eof_received(self) -> bool:
        return self.splice.end_of(self)

    def pause_writing(self) -> None:
        self.splice.pause(self)

    def resume_writing(self) -> None:
        self.splice.resume(self)


class BrowserEnd(End):
    """The browser's end. ``on_lost`` is called once its connection is gone."""

    __slots__ = ("on_lost",)

    def __init__(self, splice: Splice) -> None:
        super().__init__(splice)
        self.on_lost: Callable[[], None] = lambda: None

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        kind: Activity = "input" if self.trail.advance(data) else "heartbeat"
        if kind not in self.told:
            self.tell(kind)
        self.forward(data)

    def shutdown(self) -> None:
        """Called by uvicorn when it stops."""
        self.splice.go_away()


class SessionEnd(End):
    """The session's end."""

    __slots__ = ("head", "watched")

    def __init__(self, splice: Splice) -> None:
        super().__init__(splice)
        self.head = b""  # of the answer to the handshake, until it is complete
        self.watched = True  # not simply piped: during the handshake, and while leaving

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.connected(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        if self.watched:
            self.splice.session_says(data)
            return
        if self.trail.advance(data) and "output" not in self.told:
            self.tell("output")
        self.forward(data)


def _nowhere(_data: bytes) -> None:
    raise AssertionError("bytes were piped before the handshake was granted")


def _ignored(_data: bytes) -> None:
    """Take what somebody says who may not say it any more."""


class Splice:
    """Both ends of one WebSocket. ``connections`` is uvicorn's set of what it waits for when it stops."""

    def __init__(
        self, gateway: Gateway, passage: Passage, transport: asyncio.Transport, connections: set[Any]
    ) -> None:
        self.gateway = gateway
        self.passage = passage
        self.browser = BrowserEnd(self)
        self.session = SessionEnd(self)
        self.session_id = passage.target.session_id
        self._connections = connections
        self._early = b""
        self._stage = Stage.ASKED
        self._since = gateway.now()  # the handshake began, or the browser stopped reading
        self._unread = False
        self._deadline: float | None = None
        self._goodbye = _COME_BACK
        self.browser.connected(transport)

    # The handshake.

    def begin(self, early: bytes) -> None:
        """Take the connection over; ``early`` is what the browser sent behind its handshake."""
        head, transport = self.passage.head, self.browser.transport
        transport.set_protocol(self.browser)
        set_reading(transport, False)
        refusal = handshake.refused_request(head.method, head.headers)
        if refusal is None and not self.gateway.pool.enter(self.passage.target):
            refusal = refuse(503, "This session has too many connections at once.")
        if refusal is not None:
            self._stage = Stage.OVER
            self._say(answers.raw(refusal, self.passage.head.scheme, close=True))
            return
        self._early = early
        self._connections.add(self.browser)
        self.gateway.watch(self)
        self.gateway.options.granted.enter(self.passage.target.grant, self.revoke)
        _notice_dead_peers(transport)
        self.gateway.spawn(self._dial())

    async def _dial(self) -> None:
        gateway, passage = self.gateway, self.passage
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(gateway.limits.connect_seconds):
                await loop.create_unix_connection(lambda: self.session, passage.target.socket_path)
        except (OSError, TimeoutError):
            if self._stage is not Stage.OVER:
                self._refuse(gateway.admission.unreachable(passage))
            return
        if self._stage is Stage.OVER:
            self.session.transport.abort()
            return
        fields = [*gateway.admission.request_fields(passage), *_UPGRADE]
        self.session.transport.write(wire.request_head("GET", passage.url, fields))

    def session_says(self, data: bytes) -> None:
        """Take what the session sends while it is watched."""
        if self._stage is Stage.OPEN:
            self._leave(data)
        elif self._stage is Stage.ASKED:
            self.session.head += data
            self._handshake_goes_on(self.session.head)

    def _handshake_goes_on(self, received: bytes) -> None:
        head, blank, rest = received.partition(b"\r\n\r\n")
        if not blank:
            if len(received) > _LARGEST_HEAD:
                self._refuse(refuse(502, "The session's answer is too large."))
            return
        try:
            answer = handshake.parse_answer(head)
            if handshake.is_granted(answer, self.passage.head.header(b"sec-websocket-key") or b""):
                self._grant(answer, rest)
                return
            refusal = refuse(answer.status if 400 <= answer.status < 600 else 502)
        except Malformed as error:
            refusal = refuse(502, error.message)
        self._refuse(refusal)

    def _grant(self, answer: handshake.Answer, rest: bytes) -> None:
        fields = [*self.gateway.admission.answer_fields(self.passage, answer.headers), *_UPGRADE]
        self._stage = Stage.OPEN
        self.session.head, self.session.watched = b"", False
        self.session.forward = self.browser.transport.write
        self.browser.forward = self.session.transport.write
        self.gateway.door.activity(self.session_id, "opened")
        self.browser.transport.write(wire.answer_head(101, fields))
        if rest:
            self.session.data_received(rest)
        if self._early:
            self.browser.data_received(self._early)
            self._early = b""
        set_reading(self.browser.transport, True)

    def _refuse(self, refusal: Refusal) -> None:
        self._say(answers.raw(refusal, self.passage.head.scheme, close=True))
        self._end()

    def _say(self, last: bytes) -> None:
        """Write the last bytes that the browser gets."""
        transport = self.browser.transport
        if not transport.is_closing():
            transport.write(last)
            close_soon(transport, self.gateway.limits.linger_seconds)

    # The pipe.

    def pause(self, end: End) -> None:
        """Stop reading the other end of one that takes no more."""
        if end is self.browser:
            self._unread, self._since = True, self.gateway.now()
        if self._stage is Stage.OPEN:
            set_reading(self._other(end).transport, False)

    def resume(self, end: End) -> None:
        """Read the other end again."""
        if end is self.browser:
            self._unread = False
        if self._stage is Stage.OPEN:
            set_reading(self._other(end).transport, True)

    def end_of(self, end: End) -> bool:
        """Pass on that one end will send nothing more; return whether it can still be written to."""
        other = self._other(end)
        if self._stage is not Stage.OPEN or other.ended or not other.transport.can_write_eof():
            return False
        end.ended = True
        if not other.transport.is_closing():
            other.transport.write_eof()
        self._deadline = self.gateway.now() + self.gateway.limits.linger_seconds
        return True

    def lost(self, end: End) -> None:
        """End the other end, too, once it has what was sent."""
        if self._stage is Stage.ASKED and end is self.session:
            self._refuse(self.gateway.admission.unreachable(self.passage))
        else:
            self._end()

    def go_away(self) -> None:
        """Tell the browser to come back later, behind a whole frame."""
        if self._stage is Stage.ASKED:
            self._refuse(refuse(503, "The hub is restarting."))
        else:
            self._part()

    def revoke(self) -> None:
        """Part with a browser whose person may not be here any more; what it still sends goes nowhere."""
        if self._stage is Stage.ASKED:
            self._refuse(refuse(401, "Please sign in again."))
        elif self._stage is Stage.OPEN:
            self._goodbye = _NOT_ALLOWED
            self.browser.forward = _ignored
            self._part()

    def _part(self) -> None:
        if self.session.trail.between_frames:
            self._say(self._goodbye)
            self._end()
        else:
            self.session.watched = True
            self._deadline = self.gateway.now() + self.gateway.limits.linger_seconds

    def _leave(self, data: bytes) -> None:
        """Pass on the rest of the frame on the wire, then go away."""
        taken = self.session.trail.rest_of_frame(data)
        self.browser.transport.write(data[:taken])
        if self.session.trail.between_frames:
            self._part()

    def sweep(self, now: float) -> None:
        """See `Mortal.sweep`."""
        self.browser.told.clear()
        self.session.told.clear()
        limits, still = self.gateway.limits, now - self._since
        if self._stage is Stage.ASKED and still > limits.head_seconds:
            self._refuse(refuse(504, "The session did not open the WebSocket in time."))
        elif (self._unread and still > limits.stalled_seconds) or now > (self._deadline or now):
            self.browser.transport.abort()
            self._end()

    def _other(self, end: End) -> End:
        return self.session if end is self.browser else self.browser

    def _end(self) -> None:
        if self._stage is Stage.OVER:
            return
        was_open, self._stage = self._stage is Stage.OPEN, Stage.OVER
        self._connections.discard(self.browser)
        self.gateway.unwatch(self)
        self.gateway.options.granted.leave(self.passage.target.grant, self.revoke)
        self.gateway.pool.leave(self.passage.target)
        for end in (self.browser, self.session):
            if end.transport is not None and not end.transport.is_closing():
                close_soon(end.transport, self.gateway.limits.linger_seconds)
        if was_open:
            self.gateway.door.activity(self.session_id, "closed")


def _notice_dead_peers(transport: asyncio.Transport) -> None:
    """Have the kernel end a TCP connection whose other side has vanished, within about a minute and a half."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _DEAD_PEER:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
