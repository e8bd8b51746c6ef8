"""Checks a request's head while it arrives: sizes, and every way to say two things about where its body ends."""

from __future__ import annotations

from mograder.errors import Malformed
from mograder.hub.gateway.answers import refuse
from mograder.hub.gateway.model import Refusal
from mograder.hub.gateway.options import Limits

_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"host"))


class HeadGuard:
    """The rules for one request head. A broken rule raises `Malformed` and leaves its answer in ``refusal``.

    The parser is strict already; this holds what it lets through and two parties could read differently, so that
    no request can hide in the body of another, whatever stands in front of the hub.
    """

    __slots__ = ("_fields_left", "_head_room", "_target_room", "chunked", "host", "length", "refusal")

    def __init__(self, limits: Limits) -> None:
        self._target_room, self._head_room, self._fields_left = limits.target, limits.head, limits.headers
        self.chunked = False
        self.length: int | None = None
        self.host: bytes | None = None
        self.refusal: Refusal | None = None

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head."""
        return self.chunked or bool(self.length)

    def target(self, data: bytes) -> None:
        """Take a piece of the request target."""
        self._target_room -= len(data)
        if self._target_room < 0:
            self.refuse(414)

    def field(self, name: bytes, value: bytes) -> None:
        """Take a header field, its name in lower case."""
        self._head_room -= len(name) + len(value) + 4
        self._fields_left -= 1
        if self._head_room < 0 or self._fields_left < 0:
            self.refuse(431)
        if b"\r" in value or b"\n" in value or b"\0" in value:
            self.refuse(400)
        if name in _FRAMING:
            self._framing(name, value)

    def _framing(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            if self.length is not None or not value.isdigit() or len(value) > 18:
                self.refuse(400)
            self.length = int(value)
        elif name == b"transfer-encoding":
            if self.chunked or value.strip().lower() != b"chunked":
                self.refuse(400)
            self.chunked = True
        else:
            if self.host is not None:
                self.refuse(400)
            self.host = value

    def complete(self, version: str, url: bytes) -> bytes:
        """Check the whole head and return its target in origin form (path and query)."""
        if version not in {"1.1", "1.0"}:
            self.refuse(505)
        if self.chunked and (self.length is not None or version == "1.0"):
            self.refuse(400)
        if version == "1.1" and self.host is None:
            self.refuse(400)
        if url.startswith(b"/") or url == b"*":
            return url
        scheme, _, rest = url.partition(b"://")
        authority, slash, path = rest.partition(b"/")
        if scheme.lower() not in {b"http", b"https"} or authority.lower() != (self.host or b"").lower():
            self.refuse(400)
        return slash + path if slash else b"/"

    def refuse(self, status: int) -> None:
        """Raise `Malformed`, to be answered with ``status``."""
        self.refusal = refuse(status)
        raise Malformed(f"A request head was refused: {status}.")
