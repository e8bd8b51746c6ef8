"""A hub somewhere else: asking it as an instructor, with its refusals in one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import click
import httpx

from mograder.errors import MograderError

PATIENCE = httpx.Timeout(30.0, read=1800.0)
"""Seconds. An answer may wait for the packages of an item."""


def options(command: Any) -> Any:
    """The options ``--url`` and ``--token``."""
    command = click.option(
        "--token",
        envvar="MOGRADER_HUB_INSTRUCTOR_TOKEN",
        help="An instructor's token (mograder hub generate-token).",
    )(command)
    return click.option("--url", envvar="MOGRADER_HUB_URL", help="The hub's address.")(command)


class Remote:
    """A hub at ``url``. Raises MograderError for every answer that is no success."""

    def __init__(self, url: str | None, token: str | None) -> None:
        if not url:
            raise MograderError("Which hub?", tip="--url https://… or export MOGRADER_HUB_URL=…")
        if not token:
            raise MograderError(
                "The hub wants an instructor's token.",
                tip="--token … or export MOGRADER_HUB_INSTRUCTOR_TOKEN=…; mograder hub generate-token makes one.",
            )
        if urlsplit(url).scheme not in ("http", "https"):
            raise MograderError(f'"{url}" is no address of a hub.', tip="it begins with https://")
        self._url = url.rstrip("/") + "/"
        self._token = token

    def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON that the hub answers with."""
        return _judged(self._got(path, params), self._url)

    def read(self, path: str) -> bytes:
        """A file of the hub's as it is."""
        answer = self._got(path)
        if not answer.is_success:
            _judged(answer, self._url)
        return answer.content

    def _got(self, path: str, params: Mapping[str, str] | None = None) -> httpx.Response:
        headers = self._headers("application/json")
        with self._asking():
            return httpx.get(self._url + path, params=params, headers=headers, timeout=PATIENCE)

    def post(self, path: str, **content: Any) -> dict[str, Any]:
        """The JSON that the hub answers with. ``content`` is for ``httpx.post``."""
        with self._asking():
            answer = httpx.post(
                self._url + path, headers=self._headers("application/json"), timeout=PATIENCE, **content
            )
            return _judged(answer, self._url)

    def post_told(self, path: str, on_step: Callable[[str], None], **content: Any) -> dict[str, Any]:
        """As `post`; ``on_step`` is told each step of the hub's work while it goes on."""
        headers = self._headers("application/x-ndjson, application/json")
        with (
            self._asking(),
            httpx.stream("POST", self._url + path, headers=headers, timeout=PATIENCE, **content) as answer,
        ):
            if not answer.headers.get("content-type", "").startswith("application/x-ndjson"):
                answer.read()
                return _judged(answer, self._url)
            return _told(answer, on_step)

    def _headers(self, accept: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Accept": accept}

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadTimeout) as error:
            raise MograderError(
                f"The hub at {self._url} was reached and went away before it answered ({_reason(error)}): what it "
                "was asked is done whole or not at all.",
                tip="when it is back, do it again: twice does no harm.",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = _reason(error)
            raise MograderError(
                f"The hub at {self._url} can not be reached: {reason}.",
                tip="see whether it is up, and try again.",
            ) from error


def _told(answer: httpx.Response, on_step: Callable[[str], None]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for line in answer.iter_lines():
        said = json.loads(line) if line.strip() else {}
        if "step" in said:
            on_step(str(said["step"]))
    if "detail" in said:
        raise MograderError(f"The hub refused: {said['detail']}")
    if said.get("status") != "ok":
        raise httpx.RemoteProtocolError("it said no outcome")
    return said


def _reason(error: Exception) -> str:
    words = re.sub(r"^\[Errno -?\d+\] ", "", str(error))  # a number that only programmers look up
    return words.rstrip(".") or type(error).__name__


def _judged(answer: httpx.Response, url: str) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise MograderError(
            f"{url} did not answer as a hub does (status {answer.status_code}).",
            tip="see whether the address is that of the hub, and whether a login stands before its API.",
        )
    if not answer.is_success:
        detail = said.get("detail")
        raise MograderError(f"The hub refused: {detail if isinstance(detail, str) else answer.status_code}")
    return said
