"""Serves marimo's static files for all sessions from one address: compressed beforehand, kept by browsers for good."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from pathlib import Path

from mograder.hub.gateway.answers import HUB_SECURITY, fields, refuse
from mograder.hub.gateway.asgi import Message, Receive, Send
from mograder.hub.gateway.asset_store import Asset, AssetStore
from mograder.hub.gateway.model import Refusal

_log = logging.getLogger(__name__)
_PIECE = 256 * 1024
_MEMORY = 48 << 20  # all of one version's compressed files fit several times
_FOR_GOOD = b"public, max-age=31536000, immutable"
_PREFERRED = ("br", "gzip")
# The policy is not for pages: it keeps a worker that somebody starts from one of these scripts away from the hub.
_SECURITY = [pair for pair in HUB_SECURITY if pair[0] not in (b"cache-control", b"content-type")]


class Assets:
    """An ASGI application for ``/_marimo/{version}/{name}``; mount it there, or give it the whole path.

    It takes the last two parts of the path apart itself: the path below the mount is "/{version}/{name}".
    """

    def __init__(self, cache: Path) -> None:
        self.store = AssetStore(cache)
        self._bodies: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._held = 0

    async def offer(self, version: str, directory: Path) -> None:
        """Serve the files in ``directory`` as those of marimo ``version``; returns once they are compressed.

        They are served from the first moment on, uncompressed until then. Call it in a background task at start and
        whenever an environment is made; offering a version again costs nothing.

        Raises:
            NameRefused: ``version`` can not be part of a path.
            OSError: a directory can not be read or written.
        """
        await asyncio.to_thread(self.store.add, version, directory)
        if version not in self.store.complete:
            await asyncio.to_thread(self.store.compress, version)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise ValueError(f"Static files are served over HTTP, not {scope['type']}.")
        headers = dict(scope["headers"])
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        version, _, name = path.lstrip("/").partition("/")
        asset = self.store.files.get(version, {}).get(name)
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, _refusal(405, ((b"allow", b"GET, HEAD"),)))
        elif asset is None:
            await _send(send, _refusal(404))
        else:
            encoding = choose(headers.get(b"accept-encoding", b""), asset.encodings)
            await self._answer(asset, encoding, headers, scope["method"] == "HEAD", send)

    async def _answer(
        self, asset: Asset, encoding: str, headers: dict[bytes, bytes], head_only: bool, send: Send
    ) -> None:
        tag = f'"{asset.digest[:32]}-{encoding}"'.encode()
        common = [(b"etag", tag), (b"cache-control", _FOR_GOOD), (b"vary", b"accept-encoding"), *_SECURITY]
        if matches(headers.get(b"if-none-match", b""), tag):
            await _send(send, (304, common, b""))
            return
        try:
            body = await self._body(asset, encoding)
        except OSError as error:
            _log.error("A static file can not be read: %s", error)
            await _send(send, _refusal(503))
            return
        common += ((b"content-type", asset.kind.encode()), (b"content-length", b"%d" % len(body)))
        if encoding != "raw":
            common.append((b"content-encoding", encoding.encode()))
        await _send(send, (200, common, b"" if head_only else body))

    async def _body(self, asset: Asset, encoding: str) -> bytes:
        key = (asset.digest, encoding)
        body = self._bodies.get(key)
        if body is None:
            path = asset.source if encoding == "raw" else self.store.copy(asset.digest, encoding)
            body = await asyncio.to_thread(path.read_bytes)
            if key not in self._bodies:
                self._bodies[key] = body
                self._held += len(body)
            while self._held > _MEMORY:
                self._held -= len(self._bodies.popitem(last=False)[1])
        else:
            self._bodies.move_to_end(key)
        return body


def choose(accepts: bytes, available: tuple[str, ...]) -> str:
    """Return the encoding to use of ``available``, or "raw", by an Accept-Encoding header (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accepts.decode("latin-1").lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weights[coding] = _weight(parameters)
    rest = weights.get("*", 0.0)
    for encoding in _PREFERRED:
        if encoding in available and weights.get(encoding, rest) > 0:
            return encoding
    return "raw"


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def matches(header: bytes, tag: bytes) -> bool:
    """Tell whether an If-None-Match header names ``tag`` (RFC 9110, 13.1.2: compared weakly)."""
    candidates = {part.strip().removeprefix(b"W/") for part in header.split(b",")}
    return tag in candidates or b"*" in candidates


_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


def _refusal(status: int, extra: tuple[tuple[bytes, bytes], ...] = ()) -> _Answer:
    plain = refuse(status)
    return status, fields(Refusal(status, plain.body, extra)), plain.body


async def _send(send: Send, answer: _Answer) -> None:
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    view = memoryview(body)
    for at in range(0, len(body) - _PIECE, _PIECE):
        await send({"type": "http.response.body", "body": bytes(view[at : at + _PIECE]), "more_body": True})
    last = max(0, (len(body) - 1) // _PIECE * _PIECE)
    await send({"type": "http.response.body", "body": bytes(view[last:])})
