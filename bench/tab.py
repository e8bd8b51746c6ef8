"""A browser tab that costs the machine next to nothing, so that what is measured is the server behind it."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

_PATIENCE = 180.0  # seconds
_OPERATION = re.compile(rb'\s*{\s*"op"\s*:\s*"([^"]*)"')
_IDLE = re.compile(rb'"status"\s*:\s*"idle"')
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Tab:
    """One tab on the notebook at ``url``; ``headers`` go with every request. Seconds are nobody's business here.

    Reads what it needs of a message and no more. It answers pings only while it reads: it is not made to stay.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        split = urlsplit(url)
        self._host, self._port = split.hostname or "", split.port or 80
        self._base = split.path.rstrip("/")
        self._session = f"s_{os.urandom(3).hex()}"
        self._headers = {"Origin": f"http://{split.netloc}", "Host": split.netloc, **(headers or {})}
        self._token = ""
        self._socket: socket.socket | None = None
        self._rest = b""

    def start(self) -> Tab:
        """Load the page, connect, run the cells until each has ended. Raises ``AssertionError`` or ``OSError``."""
        page = self._request("GET", "/", b"").decode()
        if found := re.search(r'data-token="([^"]+)"|"serverToken":\s*"([^"]+)"', page):
            self._token = found[1] or found[2] or ""
        self._open()
        cells = self._until_ready()
        self._request("POST", "/api/kernel/instantiate", b'{"objectIds": [], "values": [], "autoRun": true}')
        idle = set(self._until_completed())
        assert idle >= cells, f"{len(cells - idle)} of {len(cells)} cells did not run"
        return self

    def close(self) -> None:
        """Close the tab."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _request(self, method: str, path: str, body: bytes) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE)
        headers = {**self._headers, "Marimo-Session-Id": self._session, "Content-Type": "application/json"}
        headers |= {"Marimo-Server-Token": self._token} if self._token else {}
        connection.request(method, self._base + path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status == 200, f"{path}: {answer.status} {content[:300]!r}"
        return content

    def _open(self) -> None:
        self._socket = socket.create_connection((self._host, self._port), _PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"GET {self._base}/ws?session_id={self._session} HTTP/1.1", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        assert head.split()[1] == b"101", head[:300]

    def _until_ready(self) -> set[str]:
        """The ids of the notebook's cells."""
        for message in self._messages():
            if _operation(message) == b"kernel-ready":
                return set(json.loads(message)["data"]["cell_ids"])
        raise AssertionError("there was no kernel")

    def _until_completed(self) -> Iterator[str]:
        """The ids of cells that have ended, until all have."""
        for message in self._messages():
            operation = _operation(message)
            if operation == b"completed-run":
                return
            if operation == b"cell-op" and _IDLE.search(message):
                data = json.loads(message)["data"]
                if data.get("status") == "idle":
                    yield data["cell_id"]
        raise AssertionError("the cells did not end")

    def _messages(self) -> Iterator[bytes]:
        whole, deadline = b"", time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            last, kind, payload = self._frame()
            if kind == _PING:
                self._pong(payload)
            elif kind == _CLOSE:
                return
            elif kind in (0, _TEXT):
                whole += payload
                if last:
                    yield whole
                    whole = b""

    def _frame(self) -> tuple[bool, int, bytes]:
        first, size = self._take(2)
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8))
        return first >= 128, first & 15, self._take(size)

    def _pong(self, payload: bytes) -> None:
        assert self._socket is not None
        # A client's frames are masked; the mask may be nothing.
        self._socket.sendall(bytes([128 | _PONG, 128 | len(payload)]) + bytes(4) + payload)

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def _more(self) -> None:
        assert self._socket is not None
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("the server hung up")
        self._rest += data


def _operation(message: bytes) -> bytes:
    found = _OPERATION.match(message)
    return found[1] if found else b""
