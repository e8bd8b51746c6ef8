"""HTTP/1.1 heads as bytes."""

from __future__ import annotations

from functools import lru_cache

from mograder.hub.gateway.answers import phrase
from mograder.hub.gateway.known import read
from mograder.hub.gateway.model import Headers


def lines(fields: Headers) -> bytes:
    """Return header fields as lines."""
    return b"".join([b"%b: %b\r\n" % pair for pair in fields])


def request_head(method: str, url: bytes, fields: Headers, more: Headers = ()) -> bytes:
    """Return the head of a request with ``fields`` and ``more``, blank line included."""
    return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (
        method.encode("ascii"), url, read(lines, fields), lines(more) if more else b"",
    )  # fmt: skip


def answer_head(status: int, fields: Headers, more: Headers = ()) -> bytes:
    """Return the head of an answer with ``fields`` and ``more``, blank line included."""
    return b"%b%b%b\r\n" % (_status_line(status), read(lines, fields), lines(more) if more else b"")


@lru_cache
def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, phrase(status))


def chunk(data: bytes) -> bytes:
    """Return ``data`` (not empty) as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
