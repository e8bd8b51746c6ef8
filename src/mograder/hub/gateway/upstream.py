"""One keep-alive HTTP/1.1 connection to a session: sends requests, reads answers, trusts neither."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
from enum import Enum
from typing import NamedTuple, Protocol, cast

import httptools

from mograder.errors import Malformed
from mograder.hub.gateway.known import Known, Memory
from mograder.hub.gateway.model import Headers
from mograder.hub.gateway.options import Limits

_log = logging.getLogger(__name__)
_VARYING = (b"content-length", b"date")
_DATE = re.compile(rb"[\w ,:]{29}(?=\r\n)")


class Lost(Enum):
    """How an answer can fail to arrive."""

    BEFORE = "the connection ended before the first byte"
    MIDWAY = "the connection ended within the answer"
    NONSENSE = "the answer breaks HTTP"


class AnswerHead(NamedTuple):
    """The head of a plain answer of declared length, but for that length and the date."""

    status: int
    fields: Known


Heads = Memory[AnswerHead]


class Reader(Protocol):
    """Whoever asked: is given the answer piece by piece."""

    head_only: bool

    def answer_begins(self, status: int, headers: Headers, length: int | None, bodiless: bool) -> None:
        """Take the head. ``length`` is the body's size where the session declared one.

        Raises:
            Malformed: the answer must not go on; it is then lost as nonsense.
        """

    def answer_goes_on(self, data: bytes) -> None:
        """Take a piece of the body."""

    def answer_rests(self) -> None:
        """Take note that this is all for now: whatever was collected should go on its way."""

    def answer_ends(self) -> None:
        """Take note that the answer is complete."""

    def answer_lost(self, how: Lost) -> None:
        """Take note that there will be no (more) answer. The connection is gone."""

    def upstream_clogged(self) -> None:
        """Look at `Upstream.write_paused` again: it has changed."""


class Upstream(asyncio.Protocol):
    """A connection to a session's socket, used by one `Reader` at a time.

    A body of declared length bypasses the parser once its head is read. Whatever is not plainly the next answer
    (bytes nobody asked for, two framings, a 101) ends the connection, so that nothing is ever taken for the answer
    to another request.
    """

    def __init__(self, limits: Limits, session_id: str, heads: Heads) -> None:
        self.transport: asyncio.Transport = cast(
            asyncio.Transport, None
        )  # set before anything else is called
        self.idle_since = 0.0
        self.write_paused = False
        self._limits = limits
        self._session_id = session_id
        self._heads = heads
        self._reader: Reader | None = None
        self._reusable = True
        self._parser = httptools.HttpResponseParser(self)
        self._ear: socket.socket | None = None
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._got_bytes = self._head_done = self._ended = self._bodiless = self._until_close = False
        self._status = 0  # of the final head
        self._plain = True  # the head means the same whenever it comes
        self._left: int | None = None  # of a body of declared length

    # What the caller does.

    @property
    def fit(self) -> bool:
        """Whether another request may be sent here."""
        return self._reusable and not self.write_paused and not self.transport.is_closing()

    def ask(self, reader: Reader, data: bytes) -> None:
        """Send the first bytes of a request; its answer goes to ``reader``."""
        self._reset()
        self._reader = reader
        self.transport.write(data)

    def drop(self) -> None:
        """End the connection at once; the reader hears nothing more."""
        self._reader = None
        self._reusable = False
        self._deafen()
        self.transport.abort()

    def spoil(self) -> None:
        """Never use this connection for another request."""
        self._reusable = False

    def keep_an_ear(self) -> None:
        """Be ready for an answer that comes before the request is complete.

        A session may refuse an upload and close. Our next write then fails, and the event loop drops the connection
        without reading the answer that waits there; a second descriptor of the socket can still read it.
        """
        ours = self.transport.get_extra_info("socket")
        if self._ear is None and ours is not None:
            self._ear = socket.socket(fileno=os.dup(ours.fileno()))

    def _deafen(self) -> None:
        if self._ear is not None:
            self._ear.close()
            self._ear = None

    def _hear_last_words(self) -> None:
        ear, self._ear = self._ear, None
        if ear is None:
            return
        with ear, contextlib.suppress(OSError):
            data = ear.recv(self._limits.head)  # not blocking: the flag belongs to the socket
            if data:
                self.data_received(data)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(self._limits.buffer)

    def data_received(self, data: bytes) -> None:
        if self._reader is None:  # nobody asked
            self.drop()
            return
        if self._left and self._head_done:
            self._take_raw(self._reader, data)
        elif self._got_bytes or not self._again(self._reader, data):
            self._got_bytes = True
            self._parse(data)
        self._settle()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._reusable = False
        if exc is not None:
            self._hear_last_words()
        self._deafen()
        reader, self._reader = self._reader, None
        if reader is None:
            return
        if self._until_close and exc is None:
            reader.answer_ends()
        else:
            reader.answer_lost(Lost.MIDWAY if self._got_bytes else Lost.BEFORE)

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._reader is not None:
            self._reader.upstream_clogged()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._reader is not None:
            self._reader.upstream_clogged()

    # Reading an answer.

    def _settle(self) -> None:
        """Tell the reader that an answer, or what came of it, is complete; it may be gone by now."""
        reader = self._reader
        if reader is None:
            return
        if self._ended:
            self._reader = None
            self._deafen()
            reader.answer_ends()
        else:
            reader.answer_rests()

    def _again(self, reader: Reader, data: bytes) -> bool:
        """Take the head of an answer, and what comes with it, if there was one of the same text; else remember it."""
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return False
        text, length = without_length(data[:end])
        if length is None:
            return False
        known = self._heads.get(self._session_id, text)
        if known is None:
            self._got_bytes = True
            self._parse(data)
            self._remember(text)
            return True
        self._got_bytes = self._head_done = True
        self._bodiless = reader.head_only or known.status in (204, 304)
        body, left = data[end:], 0 if self._bodiless else length
        if len(body) > left:
            self._reusable = False
            body = body[:left]
        self._left = left - len(body)
        try:
            reader.answer_begins(known.status, known.fields, length, self._bodiless)
        except Malformed:
            self._fail()
            return True
        self._ended = not self._left
        if body and self._reader is reader:
            reader.answer_goes_on(body)
        return True

    def _remember(self, text: bytes) -> None:
        """Remember the head that was just parsed, if it was alone, and means the same whenever it comes."""
        if self._head_done and self._plain and self._status and self._reusable:
            fields = Known([pair for pair in self._headers if pair[0] not in _VARYING])
            self._heads.put(self._session_id, text, AnswerHead(self._status, fields))

    def _take_raw(self, reader: Reader, data: bytes) -> None:
        left = cast(int, self._left)
        if len(data) > left:
            self._reusable = False
            data = data[:left]
        self._left = left - len(data)
        if not self._left:
            self._ended = True
            self._parser = httptools.HttpResponseParser(self)  # the old one still waits for this body
        reader.answer_goes_on(data)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            _not_ours(error)
            self._reusable = False
            if not self._ended:
                self._fail()
                return
        if self._head_done and self._bodiless and not self._ended:
            # An answer to HEAD: the parser waits for the body that the head announces, and which never comes.
            self._ended = True
            self._parser = httptools.HttpResponseParser(self)

    def _fail(self) -> None:
        reader = self._reader
        self.drop()
        if reader is not None:
            reader.answer_lost(Lost.NONSENSE)

    # What the parser calls. An exception here ends the parsing.

    def on_message_begin(self) -> None:
        if self._ended or self._reader is None:
            raise Malformed("The session sent more than one answer.")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value) + 4
        if self._head_size > self._limits.head:
            raise Malformed("The head of the session's answer is too large.")
        if not self._head_done:  # what comes later are trailers, which do not cross
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._plain = False
            if status == 101:
                raise Malformed("The session switched protocols without being asked.")
            return
        reader = self._reader
        if reader is None or status > 599:
            raise Malformed("The session's answer makes no sense.")
        length, chunked = framing(self._headers)
        self._bodiless = reader.head_only or status in (204, 304)
        self._until_close = not self._bodiless and length is None and not chunked
        if self._until_close or not self._parser.should_keep_alive():
            self._reusable = False
        if not self._bodiless:
            self._left = length
        self._head_done = True
        self._status = status
        self._plain = self._plain and not any(name == b"location" for name, _ in self._headers)
        reader.answer_begins(status, self._headers, length, self._bodiless)

    def on_body(self, data: bytes) -> None:
        if self._bodiless:
            self._reusable = False
        elif self._reader is not None:
            if self._left is not None:
                self._left -= len(data)
            self._reader.answer_goes_on(data)

    def on_message_complete(self) -> None:
        if self._head_done:
            self._ended = True


def _not_ours(error: BaseException) -> None:
    """Log what was no fault of the session's: an exception of our own in one of the parser's callbacks."""
    cause = error.__context__
    if cause is not None and not isinstance(cause, Malformed):
        _log.error("Reading a session's answer failed.", exc_info=cause)


def without_length(head: bytes) -> tuple[bytes, int | None]:
    """Return an answer's head without the lines of its length and its date, and the length if it is plainly spelt.

    What is left is the same for many answers. Line by line nothing depends on what was taken out.
    """
    at = head.find(b"\r\ncontent-length: ")
    if at < 0:
        at = head.find(b"\r\nContent-Length: ")
    end = head.find(b"\r\n", at + 18)
    digits = head[at + 18 : end]
    if at < 0 or not digits.isdigit() or len(digits) > 18:
        return head, None
    text = head[:at] + head[end:]
    at = text.find(b"\r\ndate: ")
    if at >= 0 and _DATE.match(text, at + 8):
        text = text[:at] + text[at + 37 :]
    return text, int(digits)


def framing(headers: Headers) -> tuple[int | None, bool]:
    """Return the declared length of an answer's body, and whether it comes in chunks.

    Raises:
        Malformed: the fields contradict each other, or are not understood by everybody alike.
    """
    length: int | None = None
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > 18:
                raise Malformed("The session's answer has no clear length.")
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                raise Malformed("The session's answer has an unknown transfer coding.")
            chunked = True
    if chunked and length is not None:
        raise Malformed("The session's answer has two framings.")
    return length, chunked
