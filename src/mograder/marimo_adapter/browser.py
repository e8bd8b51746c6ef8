"""The least that a browser does with a session, for the canary: load the page, run the cells, complete,
save."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
from typing import Any

from websockets.sync.client import ClientConnection, unix_connect

_SESSION = "s_canary"
_OPEN_TIMEOUT = 30.0


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Tab:
    """One page on the editor behind the unix socket ``path``. Raises what its libraries do, or RuntimeError."""

    def __init__(self, path: str, base: str) -> None:
        self._path, self._base = path, base
        self._opened = contextlib.ExitStack()
        self._socket: ClientConnection | None = None
        self._token = ""
        self._cells: list[str] = []
        self._codes: list[str] = []

    def open(self) -> None:
        """Load the page, connect, and wait for the kernel."""
        found = re.search(r'data-token="([^"]+)"|"serverToken":\s*"([^"]+)"', self._request("GET", "/"))
        self._token = next((group for group in found.groups() if group), "") if found else ""
        url = f"ws://localhost{self._base}/ws?session_id={_SESSION}"
        self._socket = self._opened.enter_context(
            unix_connect(self._path, url, max_size=None, compression=None, open_timeout=_OPEN_TIMEOUT)
        )
        ready = self._until("kernel-ready")
        self._cells, self._codes = list(ready["cell_ids"]), list(ready["codes"])

    def run_all(self) -> None:
        """Run the notebook's cells, and wait until the last has ended."""
        self._post("/api/kernel/instantiate", {"objectIds": [], "values": [], "autoRun": True})
        self._until("completed-run")

    def run(self, code: str) -> None:
        """Run ``code`` in the place of the last cell, and wait until it has ended."""
        self._post("/api/kernel/run", {"cellIds": self._cells[-1:], "codes": [code]})
        self._until("completed-run")

    def try_editing(self, notebook: str) -> None:
        """Ask for completions and save ``notebook``: what they need is loaded when they are first asked for."""
        word = {"id": "1", "document": "import js", "cellId": self._cells[0]}
        self._post("/api/kernel/code_autocomplete", word)
        self._until("completion-result")
        count = len(self._cells)
        config = {"hide_code": False, "disabled": False, "column": None}
        saved: dict[str, Any] = {"cellIds": self._cells, "codes": self._codes, "names": ["_"] * count}
        saved |= {"configs": [config] * count, "filename": notebook, "persist": True, "layout": None}
        self._post("/api/kernel/save", saved)

    def _until(self, operation: str) -> dict[str, Any]:
        if self._socket is None:
            raise RuntimeError("the page is not open")
        while True:
            message = json.loads(self._socket.recv())
            if message.get("op") == operation:
                return dict(message.get("data", message))

    def _post(self, path: str, body: dict[str, Any]) -> None:
        self._request("POST", path, json.dumps(body))

    def _request(self, method: str, path: str, body: str | None = None) -> str:
        headers = {"Marimo-Session-Id": _SESSION, "Content-Type": "application/json"}
        headers |= {"Marimo-Server-Token": self._token} if self._token else {}
        connection = _Unix(self._path)
        connection.request(method, self._base + path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path} was answered with {answer.status}: {text[:200]}")
        return text
