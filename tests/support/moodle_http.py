"""How the Moodle of the tests speaks: over HTTP, with its two shapes of a refusal, and ill in several ways."""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

Mode = Literal[
    "ok", "maintenance", "slow", "html", "off", "redirect", "damaged", "cut", "bare", "empty", "null"
]
"""``bare``: a proxy took the ETag off; ``cut``: that, and the end of the file; ``null``: every answer is null."""


class Refused(Exception):
    """An answer in the first shape of a refusal."""

    def __init__(self, code: str, message: str, kind: str = "moodle_exception") -> None:
        super().__init__(message)
        self.code, self.message, self.kind = code, message, kind


class Speaks(Protocol):
    """What the server asks of a Moodle."""

    mode: Mode
    old: bool
    release: threading.Event

    def call(self, token: str, function: str, given: dict[str, Any]) -> Any: ...
    def upload(self, token: str, files: list[tuple[str, bytes]]) -> Any: ...
    def file(self, token: str, path: str) -> bytes | None: ...


def nested(form: list[tuple[str, str]]) -> dict[str, Any]:
    """``a[0][b]=1`` as PHP takes it apart."""
    found: dict[str, Any] = {}
    for name, value in form:
        first, *rest = name.replace("]", "").split("[")
        place, last = found, first
        for step in rest:
            place = place.setdefault(last, {})
            last = step
        place[last] = value
    return found


def handler(moodle: Speaks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self._ill():
                return
            parts = urlsplit(self.path)
            try:
                data = moodle.file(dict(parse_qsl(parts.query)).get("token", ""), unquote(parts.path))
            except Refused as refused:
                self._refuse_otherwise(200, refused.code, refused.message)
                return
            if data is None:
                self._refuse_otherwise(404, "filenotfound", "Sorry, the requested file could not be found")
                return
            tag = hashlib.sha1(data).hexdigest()
            if moodle.mode == "damaged":
                data = data[:-1] + b"?"
            name = unquote(parts.path.rpartition("/")[2]).encode().decode("latin-1")
            headers = {"Content-Disposition": f'inline; filename="{name}"', "Etag": f'"{tag}"'}
            if moodle.mode in ("bare", "cut"):
                del headers["Etag"]
                data = data[:-1] if moodle.mode == "cut" else data
            self._answer(200, data, "text/plain; charset=utf-8", headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self._ill():
                return
            parts = urlsplit(self.path)
            if parts.path == "/login/token.php":
                self._login(dict(parse_qsl(body.decode())))
            elif parts.path == "/webservice/upload.php":
                self._upload(dict(parse_qsl(parts.query)).get("token", ""), body)
            else:
                self._call(parse_qsl(body.decode(), keep_blank_values=True))

        def _call(self, form: list[tuple[str, str]]) -> None:
            given = nested(form)
            token, function = given.pop("wstoken", ""), given.pop("wsfunction", "")
            if given.pop("moodlewsrestformat", "xml") != "json":
                self._answer(200, b"<?xml version='1.0'?><RESPONSE/>", "application/xml")
                return
            try:
                answer = moodle.call(token, function, given)
            except Refused as refused:
                kind = refused.kind if moodle.old else f"core\\exception\\{refused.kind}"
                answer = {"exception": kind, "errorcode": refused.code, "message": refused.message}
            except (TypeError, KeyError):
                kind = "core\\exception\\invalid_parameter_exception"
                message = "Invalid parameter value detected"
                answer = {"exception": kind, "errorcode": "invalidparameter", "message": message}
            self._json(200, answer)

        def _login(self, form: dict[str, str]) -> None:
            if form.get("service") not in ("moodle_mobile_app", "marimo_hub"):
                self._refuse_otherwise(200, "servicenotavailable", "Web service is not available.")
            elif form.get("password") != "right":
                self._refuse_otherwise(200, "invalidlogin", "Invalid login, please try again")
            else:
                self._json(200, {"token": f"TOKEN-{form['username']}", "privatetoken": None})

        def _upload(self, token: str, body: bytes) -> None:
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
            files = [
                (p.get_filename(), p.get_payload(decode=True))
                for p in message.iter_parts()
                if p.get_filename()
            ]
            try:
                answer = moodle.upload(token, files)  # type: ignore[arg-type]
            except Refused as refused:
                self._refuse_otherwise(200, refused.code, refused.message)
                return
            self._answer(200, json.dumps(answer).encode(), "text/plain; charset=utf-8")

        def _ill(self) -> bool:
            """What a Moodle in trouble says instead."""
            if moodle.mode == "maintenance":
                self._answer(503, b"<html>This site is undergoing maintenance</html>", "text/html")
            elif moodle.mode == "html":
                self._answer(200, b"<!DOCTYPE html><html><title>Log in</title></html>", "text/html")
            elif moodle.mode == "off":
                self._answer(403, b"", "text/html; charset=utf-8")
            elif moodle.mode == "null":
                self._answer(200, b"null", "application/json")
            elif moodle.mode == "empty":
                self._answer(200, b"", "application/json")
            elif moodle.mode == "redirect":
                self._answer(303, b"", "text/html", {"Location": "https://elsewhere.example.edu/"})
            elif moodle.mode == "slow":
                moodle.release.wait(60)
                return True
            else:
                return False
            return True

        def _refuse_otherwise(self, status: int, code: str, message: str) -> None:
            """The second shape of a refusal."""
            rest = {"stacktrace": None, "debuginfo": None, "reproductionlink": None}
            self._json(status, {"error": message, "errorcode": code, **rest})

        def _json(self, status: int, answer: Any) -> None:
            self._answer(status, json.dumps(answer).encode(), "application/json")

        def _answer(
            self, status: int, data: bytes, content_type: str, headers: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": content_type, **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
