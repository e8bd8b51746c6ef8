"""A stand-in for the browser: speaks marimo's protocol over a unix socket or through a hub's URL."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect, unix_connect

PATIENCE = 60.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class MarimoClient:
    """One browser tab on one notebook.

    ``MarimoClient(unix="/run/s.sock", base="/edit/user/a/A1")`` speaks to a session,
    ``MarimoClient(url="http://127.0.0.1:8080/edit/user/a/A1", headers={"Cookie": "..."})`` goes through a hub.
    Times in ``times`` are seconds since ``start``.
    """

    def __init__(
        self,
        *,
        unix: str | None = None,
        url: str | None = None,
        base: str = "",
        headers: dict[str, str] | None = None,
        session_id: str | None = None,
    ) -> None:
        assert (unix is None) != (url is None), "a unix socket or a URL"
        self._unix = unix
        split = urlsplit(url or "http://localhost")
        self._host, self._port = split.hostname or "localhost", split.port
        self.base = (base or split.path).rstrip("/")
        self.headers = {"Origin": f"http://{split.netloc}", **(headers or {})}
        self.session_id = session_id or f"s_{uuid.uuid4().hex[:6]}"
        self.server_token = ""
        self.socket: ClientConnection | None = None
        self._opened = contextlib.ExitStack()
        self.cells: list[str] = []
        self.codes: list[str] = []
        self.ready: dict[str, Any] = {}
        self.seen: list[str] = []
        self.outputs: dict[str, Output] = {}
        self.times: dict[str, float] = {}

    # -- HTTP -----------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request below the session's base URL; a body goes as JSON."""
        connection: http.client.HTTPConnection
        if self._unix:
            connection = _UnixConnection(self._unix)
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)
        sent = {**self.headers, "Marimo-Session-Id": self.session_id, **headers}
        if self.server_token:
            sent["Marimo-Server-Token"] = self.server_token
        data = None
        if body is not None:
            sent["Content-Type"], data = "application/json", json.dumps(body)
        try:
            connection.request(method, self.base + path, data, sent)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any = None) -> Answer:
        """POST JSON; anything but success is an ``AssertionError`` with the answer's first words."""
        answer = self.request("POST", path, {} if body is None else body)
        assert answer.status < 300, f"{path}: {answer.status} {answer.text[:300]}"
        return answer

    def page(self) -> str:
        """The editor's HTML; remembers the token that later requests carry."""
        answer = self.request("GET", "/")
        assert answer.status == 200, f"page: {answer.status} {answer.text[:300]}"
        found = re.search(r'data-token="([^"]+)"|"serverToken":\s*"([^"]+)"', answer.text)
        self.server_token = next((group for group in found.groups() if group), "") if found else ""
        return answer.text

    # -- WebSocket ------------------------------------------------------------------------------------------

    def open(self, **query: str) -> None:
        """Open the document's WebSocket."""
        words = "&".join(f"{key}={value}" for key, value in {"session_id": self.session_id, **query}.items())
        netloc = f"{self._host}:{self._port}" if self._port else self._host
        url = f"ws://{netloc}{self.base}/ws?{words}"
        headers = {key: value for key, value in self.headers.items() if key != "Origin"}
        options: dict[str, Any] = {
            "max_size": None,
            "open_timeout": PATIENCE,
            # Before 0.21, a kernel was a fork of the server that held its connections open.
            "close_timeout": 1,
            "compression": None,
            "additional_headers": headers,
            "origin": self.headers["Origin"],
        }
        opening = unix_connect(self._unix, url, **options) if self._unix else connect(url, **options)
        self.socket = self._opened.enter_context(opening)

    def receive(self, timeout: float = PATIENCE) -> tuple[str, dict[str, Any]]:
        """The next message as (operation, data); ``TimeoutError`` or ``ConnectionClosed`` when none comes."""
        assert self.socket is not None, "open() first"
        message = json.loads(self.socket.recv(timeout=timeout))
        operation, data = message.get("op"), message.get("data", message)
        self.seen.append(operation)
        if operation == "kernel-ready":
            self.ready, self.cells, self.codes = data, list(data["cell_ids"]), list(data["codes"])
        elif operation == "cell-op":
            self.outputs.setdefault(data["cell_id"], Output()).update(data)
        return operation, data

    def until(self, operation: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Read on until ``operation`` comes; its data."""
        end = time.monotonic() + timeout
        while True:
            found, data = self.receive(max(0.01, end - time.monotonic()))
            if found == operation:
                return data

    def start(self, *, run_cells: bool = True, timeout: float = PATIENCE) -> MarimoClient:
        """Do what a page does when it loads: HTML, WebSocket, kernel; in an editor, run the cells."""
        begun = time.perf_counter()
        self.page()
        self.times["page"] = time.perf_counter() - begun
        self.open()
        self.until("kernel-ready", timeout)
        self.times["kernel"] = time.perf_counter() - begun
        if run_cells and not self.ready.get("resumed"):
            self.instantiate()
        self.until("completed-run", timeout)
        self.times["completed"] = time.perf_counter() - begun
        return self

    # -- What a person does ---------------------------------------------------------------------------------

    def instantiate(self) -> None:
        """Run the notebook's cells for the first time."""
        self.post("/api/kernel/instantiate", {"objectIds": [], "values": [], "autoRun": True})

    def run(self, cell: str, code: str, timeout: float = PATIENCE) -> str:
        """Give ``cell`` new ``code``, run it, and return what it shows, as text."""
        self.send(cell, code)
        self.until("completed-run", timeout)
        return self.output(cell)

    def send(self, cell: str, code: str) -> None:
        """Give ``cell`` new ``code`` and run it without waiting."""
        self.post("/api/kernel/run", {"cellIds": [cell], "codes": [code]})
        if cell in self.cells:
            self.codes[self.cells.index(cell)] = code

    def output(self, cell: str) -> str:
        """What ``cell`` shows now, as text (outputs of structured types as JSON)."""
        shown = self.outputs.get(cell, Output()).output or {}
        data = shown.get("data", "")
        return data if isinstance(data, str) else json.dumps(data)

    def wait_for_output(self, cell: str, text: str, timeout: float = PATIENCE) -> str:
        """Read on until ``cell`` shows ``text``."""
        end = time.monotonic() + timeout
        while text not in self.output(cell):
            self.receive(max(0.01, end - time.monotonic()))
        return self.output(cell)

    def save(self, filename: str) -> None:
        """What the page does one second after the last edit."""
        config = {"hide_code": False, "disabled": False, "column": None}
        self.post(
            "/api/kernel/save",
            {
                "cellIds": self.cells,
                "codes": self.codes,
                "names": ["_"] * len(self.cells),
                "configs": [config] * len(self.cells),
                "filename": filename,
                "persist": True,
                "layout": None,
            },
        )

    def interrupt(self) -> None:
        """The stop button."""
        self.post("/api/kernel/interrupt")

    def restart(self) -> None:
        """The restart command: the session is closed, the page loads again (``start`` a new client for that)."""
        self.post("/api/kernel/restart_session")

    def close(self) -> None:
        """Close the tab."""
        self.socket = None
        self._opened.close()

    def __enter__(self) -> MarimoClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Output:
    """The last known state of one cell."""

    output: dict[str, Any] | None = None
    status: str | None = None
    console: list[dict[str, Any]] = field(default_factory=list)

    def update(self, data: dict[str, Any]) -> None:
        if data.get("output") is not None:
            self.output = data["output"]
        if data.get("status") is not None:
            self.status = data["status"]
        console = data.get("console")
        if console:
            self.console += console if isinstance(console, list) else [console]
