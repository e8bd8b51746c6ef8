"""A browser made of bytes: sends exactly what a test says and reads answers strictly."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PREFIX = b"/edit/user/alice/t1/"
API = PREFIX + b"api/kernel/"


class Torn(Exception):
    """The connection ended within an answer; ``got`` is what came, ``reset`` whether it was reset."""

    def __init__(self, got: bytes, reset: bool) -> None:
        super().__init__(f"{len(got)} bytes, {'reset' if reset else 'closed'}: {got[:60]!r}")
        self.got, self.reset = got, reset


@dataclass
class Reply:
    status: int
    head: bytes
    body: bytes = b""
    chunked: bool = False

    def all(self, name: str) -> list[str]:
        found = re.findall(rb"(?mi)^" + name.encode() + rb": *([^\r]*)\r", self.head)
        return [value.decode("latin-1") for value in found]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Connection:
    """A TCP connection that reads whole answers."""

    socket: socket.socket
    buffer: bytes = field(default=b"")

    def send(self, data: bytes) -> Connection:
        self.socket.sendall(data)
        return self

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            raise Torn(self.buffer, True) from None
        if not data:
            raise Torn(self.buffer, False)
        self.buffer += data

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._more()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        return self.take(self.buffer.index(mark) + len(mark))

    def rest(self) -> bytes:
        """Read until the connection ends."""
        try:
            while True:
                self._more()
        except Torn:
            taken, self.buffer = self.buffer, b""
            return taken

    def reply(self, *, head_only: bool = False, interim: bool = False) -> Reply:
        """Read one answer; interim ones (1xx) are skipped unless asked for."""
        head = self.until(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        assert match, head
        reply = Reply(int(match[1]), head)
        if reply.status < 200:
            return reply if interim else self.reply(head_only=head_only)
        if head_only or reply.status in (204, 304):
            return reply
        if reply.one("transfer-encoding") == "chunked":
            reply.chunked = True
            while size := int(self.until(b"\r\n"), 16):
                reply.body += self.take(size)
                assert self.take(2) == b"\r\n"
            assert self.take(2) == b"\r\n"
        elif (length := reply.one("content-length")) is not None:
            reply.body = self.take(int(length))
        else:
            reply.body = self.rest()
        return reply

    def rest_of_chunks(self) -> bytes:
        """Read what is left of a chunked body of which a whole chunk's data was just read."""
        assert self.take(2) == b"\r\n"
        body = b""
        while size := int(self.until(b"\r\n"), 16):
            body += self.take(size)
            assert self.take(2) == b"\r\n"
        assert self.take(2) == b"\r\n"
        return body

    def ended(self) -> bool:
        """Tell whether the connection ends without another byte."""
        return self.rest() == b""

    def reset(self) -> None:
        """Vanish without a goodbye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


@dataclass
class Hub:
    """A hub process of one variant, and the sessions behind it."""

    variant: str
    port: int
    process: subprocess.Popen[str]
    directory: Path
    log: Path

    @property
    def origin(self) -> bytes:
        return b"http://127.0.0.1:%d" % self.port

    @contextmanager
    def connect(self, *, seconds: float = 10, receive_buffer: int | None = None) -> Iterator[Connection]:
        with socket.socket() as raw:
            if receive_buffer is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            raw.settimeout(seconds)
            raw.connect(("127.0.0.1", self.port))
            yield Connection(raw)

    def head(
        self,
        target: bytes,
        method: bytes = b"GET",
        extra: bytes = b"",
        *,
        version: bytes = b"1.1",
        who: bytes = b"alice",
    ) -> bytes:
        """Return a request's head as a browser would send it; a bare name means a path of the test session."""
        if not re.match(rb"/|[a-z]+://", target):
            target = (PREFIX if method in (b"GET", b"HEAD") else API) + target
        origin = b"" if method in (b"GET", b"HEAD") else b"Origin: %b\r\n" % self.origin
        cookie = b"Cookie: hub=%b\r\n" % who if who else b""
        return b"%b %b HTTP/%b\r\nHost: 127.0.0.1:%d\r\n%b%b%b\r\n" % (
            method, target, version, self.port, cookie, origin, extra,
        )  # fmt: skip

    def post(self, target: bytes, body: bytes, extra: bytes = b"") -> bytes:
        return self.head(target, b"POST", b"Content-Length: %d\r\n%b" % (len(body), extra)) + body

    def ask(self, data: bytes, *, head_only: bool = False) -> Reply:
        """Send ``data`` on a connection of its own and read one answer."""
        with self.connect() as connection:
            return connection.send(data).reply(head_only=head_only)

    def get(self, target: bytes, extra: bytes = b"", *, who: bytes = b"alice") -> Reply:
        return self.ask(self.head(target, extra=extra, who=who))

    def upgrade(
        self,
        target: bytes = b"/edit/user/alice/w1/ws",
        *,
        origin: bytes | None = b"own",
        who: bytes = b"alice",
        upgrade: bytes = b"websocket",
        version: bytes = b"13",
        key: bytes = b"dGhlIHNhbXBsZSBub25jZQ==",
        extra: bytes = b"",
        method: bytes = b"GET",
    ) -> bytes:
        """Return the head of a WebSocket handshake."""
        lines = b"" if origin is None else b"Origin: %b\r\n" % (self.origin if origin == b"own" else origin)
        cookie = b"Cookie: hub=%b\r\n" % who if who else b""
        return (
            b"%b %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: %b\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: %b\r\nSec-WebSocket-Protocol: marimo\r\n%b%b%b\r\n"
        ) % (method, target, self.port, upgrade, key, version, lines, cookie, extra)

    def events(self) -> list[list[str]]:
        """Return, and forget, what the door was told."""
        return list(self.get(b"/hub/events").json())

    def rss(self) -> int:
        """Return the hub's resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found
        return int(found[1]) * 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def session(self, name: bytes) -> Any:
        """Ask the HTTP session directly, past the hub."""
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(10)
            raw.connect(str(self.directory / "http.sock"))
            reply = Connection(raw).send(b"GET /" + name + b" HTTP/1.1\r\nHost: x\r\n\r\n").reply()
            return json.loads(reply.body) if reply.body[:1] in (b"[", b"{") else reply.body

    def seen(self) -> list[str]:
        """Return, and forget, the heads that the session saw."""
        return [head for head in self.session(b"seen") if "/seen " not in head]


def masked(payload: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """Return a client's WebSocket frame (with a mask of zeros)."""
    size = len(payload)
    short = size if size < 126 else 126 if size < 1 << 16 else 127
    extended = b"" if short < 126 else size.to_bytes(2 if short == 126 else 8, "big")
    return bytes([opcode | (0x80 if fin else 0), 0x80 | short]) + extended + b"\0\0\0\0" + payload


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """Return a server's WebSocket frame."""
    return masked(payload, opcode, fin=fin)[:1] + unmasked_size(len(payload)) + payload


def unmasked_size(size: int) -> bytes:
    if size < 126:
        return bytes([size])
    return b"\x7e" + size.to_bytes(2, "big") if size < 1 << 16 else b"\x7f" + size.to_bytes(8, "big")


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Poll until ``condition`` holds; for effects in another process that announce themselves nowhere."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
