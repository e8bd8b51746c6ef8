"""HTTP/1.1 heads as bytes."""

from __future__ import annotations

from collections.abc import Iterable

from mograder.hub.gateway.answers import phrase


def request_head(method: str, url: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request, blank line included."""
    lines = [b"%b %b HTTP/1.1\r\n" % (method.encode("ascii"), url)]
    lines += [b"%b: %b\r\n" % pair for pair in fields]
    lines.append(b"\r\n")
    return b"".join(lines)


def answer_head(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of an answer, blank line included."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, phrase(status))]
    lines += [b"%b: %b\r\n" % pair for pair in fields]
    lines.append(b"\r\n")
    return b"".join(lines)


def chunk(data: bytes) -> bytes:
    """Return ``data`` (not empty) as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
