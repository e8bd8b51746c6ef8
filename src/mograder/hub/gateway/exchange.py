"""A request and its answer on a browser's connection, in the shape that uvicorn expects of its own cycles."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from mograder.hub.gateway import answers, wire
from mograder.hub.gateway.admission import Passage
from mograder.hub.gateway.call import Call
from mograder.hub.gateway.core import Gateway
from mograder.hub.gateway.model import Headers, Refusal
from mograder.hub.gateway.transports import LastWords

_JOINED = 16 * 1024  # bytes that are cheaper to copy than to write in pieces


class Client(Protocol):
    """What an exchange needs of the browser's connection."""

    transport: asyncio.Transport

    @property
    def gateway(self) -> Gateway:
        """The gateway that the connection belongs to."""

    @property
    def default_fields(self) -> Headers:
        """What the server adds to every answer: the date."""

    def exchange_begins(self, exchange: Exchange) -> None:
        """Take note that this exchange is now the one on the wire."""

    def exchange_ends(self, *, is_last: bool) -> None:
        """Take note that the answer is complete: the next one may begin, unless this was the last."""

    def reconsider_reading(self) -> None:
        """Look again at whether more of the browser's bytes can be taken."""


class Exchange:
    """Base of both kinds: what uvicorn reads and sets, and how an answer ends.

    ``message_event.set()`` is uvicorn's way to say that the connection is lost.
    """

    __slots__ = ("client", "disconnected", "head_only", "keep_alive", "response_complete")

    def __init__(self, client: Client, keep_alive: bool, head_only: bool) -> None:
        self.client = client
        self.keep_alive = keep_alive
        self.head_only = head_only
        self.response_complete = self.disconnected = False

    @property
    def message_event(self) -> Exchange:
        """Itself: see `lost`."""
        return self

    @property
    def scope(self) -> dict[str, Any]:
        """Nothing that uvicorn needs."""
        return {}

    def set(self) -> None:
        """Do nothing: see `lost`."""

    def start(self) -> None:
        """Begin, now that earlier answers on this connection are complete."""
        raise NotImplementedError

    def feed(self, data: bytes) -> None:
        """Take a piece of the request's body."""

    def feed_end(self) -> None:
        """Take note that the request is complete."""

    def lost(self) -> None:
        """Take note that the browser is gone."""
        self.response_complete = self.disconnected = True

    @property
    def unread(self) -> bool:
        """Whether the browser may still be sending this request."""
        return False

    @property
    def clogged(self) -> bool:
        """Whether the request's body must wait."""
        return False

    def finish(self) -> None:
        """End the answer, and the connection if it is not kept."""
        self.response_complete = True
        transport = self.client.transport
        if not self.keep_alive:
            if self.unread:
                LastWords(transport, self.client.gateway.limits.linger_seconds)
            else:
                transport.close()
        self.client.exchange_ends(is_last=not self.keep_alive)


class RefusedExchange(Exchange):
    """A request that is answered by the hub itself."""

    __slots__ = ("_refusal", "_unread")

    def __init__(self, client: Client, refusal: Refusal, unread: bool, *, keep_alive: bool, head_only: bool):
        self._unread = unread
        super().__init__(client, keep_alive and not self._unread, head_only)
        self._refusal = refusal

    def start(self) -> None:
        """See `Exchange.start`."""
        self.client.exchange_begins(self)
        self.client.transport.write(
            answers.raw(
                self._refusal,
                self.client.gateway.options.scheme,
                close=not self.keep_alive,
                head_only=self.head_only,
            )
        )
        self.finish()

    def feed_end(self) -> None:
        """See `Exchange.feed_end`."""
        self._unread = False

    @property
    def unread(self) -> bool:
        """See `Exchange.unread`."""
        return self._unread


class SessionExchange(Exchange):
    """A request that a session answers."""

    __slots__ = ("_begun", "_call", "_chunked", "_expects", "_old", "_out", "_scheme")

    def __init__(
        self,
        client: Client,
        passage: Passage,
        length: int | None = None,
        chunked: bool = False,
        *,
        keep_alive: bool = True,
        old: bool = False,
        expects: bool = False,
    ) -> None:
        super().__init__(client, keep_alive, passage.head.method == "HEAD")
        self._call = Call(client.gateway, passage, self, length, chunked)
        self._scheme = passage.head.scheme
        self._old = old  # HTTP/1.0
        self._expects = expects and (chunked or bool(length))  # 100-continue
        self._begun = self._chunked = False
        self._out: list[bytes] = []  # small writes are joined: each costs a system call and a packet

    def start(self) -> None:
        """See `Exchange.start`."""
        self.client.exchange_begins(self)
        if self._expects:
            self.client.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._call.start()

    def feed(self, data: bytes) -> None:
        """See `Exchange.feed`."""
        self._call.feed(data)

    def feed_end(self) -> None:
        """See `Exchange.feed_end`."""
        self._call.feed_end()

    def lost(self) -> None:
        """See `Exchange.lost`."""
        super().lost()
        self._call.abort()

    def broken(self) -> None:
        """Take note that the request's body breaks HTTP."""
        self._call.abort()
        self.fail(answers.refuse(400))

    @property
    def unread(self) -> bool:
        """See `Exchange.unread`."""
        return self._call.body_due

    @property
    def clogged(self) -> bool:
        """See `Exchange.clogged`."""
        return self._call.clogged

    def pause(self) -> None:
        """The browser does not read."""
        self._call.pause_answer()

    def resume(self) -> None:
        """The browser reads again."""
        self._call.resume_answer()

    # What the call calls.

    def begin(self, status: int, fields: Headers, length: int | None, bodiless: bool) -> None:
        """See `Caller.begin`."""
        more = list(self.client.default_fields)
        if self._call.body_due:
            self.keep_alive = False
        if length is not None and (not bodiless or self.head_only):
            more.append((b"content-length", b"%d" % length))
        elif not bodiless and self._old:
            self.keep_alive = False
        elif not bodiless:
            self._chunked = True
            more.append((b"transfer-encoding", b"chunked"))
        if not self.keep_alive or self._old:
            more.append((b"connection", b"keep-alive" if self.keep_alive else b"close"))
        self._begun = True
        self._out.append(wire.answer_head(status, fields, more))

    def go_on(self, data: bytes) -> None:
        """See `Caller.go_on`."""
        if self._chunked:
            self._out += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._out.append(data)

    def rest(self) -> None:
        """See `Caller.rest`."""
        out, self._out = self._out, []
        if len(out) == 1:
            self.client.transport.write(out[0])
        elif out and sum(map(len, out)) <= _JOINED:
            self.client.transport.write(b"".join(out))
        elif out:
            self.client.transport.writelines(out)

    def end(self) -> None:
        """See `Caller.end`."""
        if self._chunked:
            self._out.append(wire.LAST_CHUNK)
        self.rest()
        self.finish()

    def fail(self, refusal: Refusal) -> None:
        """See `Caller.fail`."""
        if self._begun:
            self.response_complete = True
            self.client.transport.abort()
            return
        self.keep_alive = self.keep_alive and not self._call.body_due
        self.client.transport.write(
            answers.raw(refusal, self._scheme, close=not self.keep_alive, head_only=self.head_only)
        )
        self.finish()

    def throttle(self) -> None:
        """See `Caller.throttle`."""
        self.client.reconsider_reading()
