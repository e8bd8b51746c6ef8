"""One request to a session and its answer, whoever asked: connection, retry, back-pressure, time-outs."""

from __future__ import annotations

from typing import Protocol, cast

from mograder.hub.gateway import wire
from mograder.hub.gateway.admission import Passage
from mograder.hub.gateway.answers import refuse
from mograder.hub.gateway.core import Gateway
from mograder.hub.gateway.model import Headers, Refusal, Save
from mograder.hub.gateway.transports import set_reading
from mograder.hub.gateway.upstream import Lost, Upstream

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS"))
_VALIDATORS = frozenset((b"etag", b"last-modified"))  # of the session's page, which is not what we send


class Caller(Protocol):
    """Whoever carries a call's answer to the browser."""

    def begin(self, status: int, fields: Headers, length: int | None, bodiless: bool) -> None:
        """Take the head of the answer, already filtered, without framing."""

    def go_on(self, data: bytes) -> None:
        """Take a piece of the body."""

    def rest(self) -> None:
        """Take note that this is all for now: whatever was collected should go on its way."""

    def end(self) -> None:
        """Take note that the answer is complete."""

    def fail(self, refusal: Refusal) -> None:
        """Answer with ``refusal``, or break off if the answer has begun: never end a torn answer cleanly."""

    def throttle(self) -> None:
        """Look at `Call.clogged` again."""


class Call:
    """A request on its way. Ends with one of `Caller.end` and `Caller.fail`, or with `abort`."""

    __slots__ = (
        "_begun", "_body_due", "_caller", "_chunked", "_entered", "_gateway", "_head", "_heeded", "_moved", "_page_end",
        "_passage", "_paused", "_repeatable", "_reused", "_sent", "_status", "_upstream", "_waiting", "head_only",
        "over",
    )  # fmt: skip

    def __init__(
        self, gateway: Gateway, passage: Passage, caller: Caller, length: int | None, chunked: bool
    ) -> None:
        self.head_only = passage.head.method == "HEAD"
        self.over = False
        self._gateway = gateway
        self._passage = passage
        self._caller = caller
        self._chunked = chunked
        self._body_due = chunked or bool(length)
        self._repeatable = passage.head.method in _REPEATABLE and not self._body_due
        self._head = _head(gateway, passage, length, chunked)
        self._waiting: list[bytes] | None = [] if self._body_due else None  # what came before a connection
        self._upstream: Upstream | None = None
        self._entered = self._reused = self._begun = self._paused = self._heeded = False
        self._status = 0
        self._sent = 0
        self._moved = 0.0
        self._page_end = b""

    # What the caller does.

    def start(self) -> None:
        """Send the request, over a kept connection if there is one."""
        gateway, target = self._gateway, self._passage.target
        self._moved = now = gateway.now()
        self._entered = gateway.pool.enter(target)
        if not self._entered:
            self._fail(refuse(503, "This session has too many requests at once."))
            return
        gateway.watch(self)
        self._tell("begun")
        gateway.report(target.session_id, self._passage.activity, now)
        upstream = gateway.pool.take(target, now)
        self._reused = upstream is not None
        if upstream is None:
            self._redial()
        else:
            self._attach(upstream)

    def feed(self, data: bytes) -> None:
        """Send a piece of the request's body. The caller should stop while `clogged`."""
        if self.over:
            return
        self._moved = self._gateway.now()
        self._sent += len(data)
        if self._sent > self._gateway.limits.body:
            self._fail(refuse(413, "This is more than a session takes in one request."))
        else:
            self._send(wire.chunk(data) if self._chunked else data)

    def feed_end(self) -> None:
        """End the request's body."""
        self._body_due = False
        if self._chunked and not self.over:
            self._send(wire.LAST_CHUNK)

    def _send(self, data: bytes) -> None:
        if self._upstream is not None:
            self._upstream.keep_an_ear()
            self._upstream.transport.write(data)
        elif self._waiting is not None:
            self._waiting.append(data)
            self._caller.throttle()

    @property
    def clogged(self) -> bool:
        """Whether the request's body must wait: the session does not read, or is not connected yet."""
        if self._upstream is not None:
            return self._upstream.write_paused
        return bool(self._waiting) and not self.over

    @property
    def body_due(self) -> bool:
        """Whether the request's body is not complete yet."""
        return self._body_due

    def pause_answer(self) -> None:
        """Stop reading the answer until `resume_answer`."""
        self._paused = True
        self._moved = self._gateway.now()
        if self._upstream is not None:
            set_reading(self._upstream.transport, False)

    def resume_answer(self) -> None:
        """Read on."""
        self._paused = False
        if self._upstream is not None:
            set_reading(self._upstream.transport, True)

    def abort(self) -> None:
        """Give up: the browser is gone."""
        if not self.over:
            self._close()
            self._tell("left")

    def revoke(self) -> None:
        """Break off: whoever asked may not be here any more."""
        if not self.over:
            self._fail(refuse(401, "Please sign in again."))

    def _heed(self) -> None:
        """End with what let the person in. What changes something is carried out, and is soon over."""
        if not self._heeded and self._repeatable:
            self._heeded = True
            self._gateway.options.granted.enter(self._passage.target.grant, self.revoke)

    def sweep(self, now: float) -> None:
        """Give up a call in which nothing moves."""
        self._heed()  # what is over within a second is not worth it
        limits, still = self._gateway.limits, now - self._moved
        if self._paused:
            if still > limits.stalled_seconds:
                self._fail(refuse(408, "The answer was not read."))
        elif self._body_due:
            if still > limits.stalled_seconds:
                late = refuse(504, "The session does not read.") if self.clogged else refuse(408)
                self._fail(late)
        elif not self._begun and still > limits.answer_seconds:
            self._fail(refuse(504, "The session did not answer in time."))

    # The connection.

    def _redial(self) -> None:
        self._waiting = self._waiting or []
        self._gateway.spawn(self._dial())

    async def _dial(self) -> None:
        try:
            upstream = await self._gateway.pool.dial(self._passage.target)
        except (OSError, TimeoutError):
            if not self.over:
                self._fail(self._gateway.admission.unreachable(self._passage))
            return
        if self.over:
            upstream.drop()
        else:
            self._attach(upstream)

    def _attach(self, upstream: Upstream) -> None:
        self._upstream = upstream
        waiting, self._waiting = self._waiting, None
        upstream.ask(self, b"".join((self._head, *waiting)) if waiting else self._head)
        if self._paused:  # an earlier answer still fills the browser's connection
            set_reading(upstream.transport, False)
        if waiting or upstream.write_paused:
            self._caller.throttle()

    def _close(self) -> Caller:
        """End; returns the caller, who is told why and then left alone: they hold on to this call."""
        caller, self._caller = self._caller, cast(Caller, None)
        self.over = True
        upstream, self._upstream = self._upstream, None
        self._waiting = None
        if upstream is not None:
            upstream.drop()
        if self._heeded:
            self._gateway.options.granted.leave(self._passage.target.grant, self.revoke)
        if self._entered:
            self._gateway.unwatch(self)
            self._gateway.pool.leave(self._passage.target)
        return caller

    def _tell(self, stage: Save) -> None:
        """Tell the hub how far a save is; of other requests it is told nothing."""
        if self._passage.is_save:
            self._gateway.door.save(self._passage.target.session_id, stage)

    def _fail(self, refusal: Refusal) -> None:
        caller = self._close()
        self._tell("failed")
        caller.fail(refusal)

    # What the connection calls.

    def answer_begins(self, status: int, headers: Headers, length: int | None, bodiless: bool) -> None:
        """See `Reader.answer_begins`."""
        fields = self._gateway.admission.answer_fields(self._passage, headers)
        self._begun = True
        self._status = status
        if self._passage.page_end and status == 200 and _is_plain_page(fields):
            self._page_end = self._passage.page_end
            length = None if length is None else length + len(self._page_end)
            fields = [pair for pair in fields if pair[0] not in _VALIDATORS]
        self._caller.begin(status, fields, length, bodiless)

    def answer_goes_on(self, data: bytes) -> None:
        """See `Reader.answer_goes_on`."""
        self._caller.go_on(data)

    def answer_rests(self) -> None:
        """See `Reader.answer_rests`."""
        self._caller.rest()

    def answer_ends(self) -> None:
        """See `Reader.answer_ends`."""
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return
        if self._body_due:  # the session answered before it had the whole request
            upstream.spoil()
        if self._paused:
            set_reading(upstream.transport, True)
        caller = self._close()
        gateway = self._gateway
        gateway.pool.give(self._passage.target, upstream, gateway.now())
        self._tell("done" if 200 <= self._status < 300 else "failed")
        if self._page_end:
            caller.go_on(self._page_end)
        caller.end()

    def answer_lost(self, how: Lost) -> None:
        """See `Reader.answer_lost`."""
        self._upstream = None
        if how is Lost.BEFORE and self._reused and self._repeatable:
            # The session closed a kept connection just when we used it.
            self._reused = False
            self._redial()
        elif how is Lost.NONSENSE:
            self._fail(refuse(502, "The session's answer makes no sense."))
        else:
            self._fail(self._gateway.admission.unreachable(self._passage))

    def upstream_clogged(self) -> None:
        """See `Reader.upstream_clogged`."""
        self._caller.throttle()


def _is_plain_page(fields: Headers) -> bool:
    """Tell whether HTML can be added to the end of the answer's body: it is HTML, and not compressed."""
    named = dict(fields)
    return named.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in named


def _head(gateway: Gateway, passage: Passage, length: int | None, chunked: bool) -> bytes:
    framing: Headers = ()
    if chunked:
        framing = ((b"transfer-encoding", b"chunked"),)
    elif length is not None:
        framing = ((b"content-length", b"%d" % length),)
    fields = gateway.admission.request_fields(passage)
    return wire.request_head(passage.head.method, passage.url, fields, framing)
