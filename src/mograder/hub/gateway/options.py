"""What an operator or the hub may set about the gateway, with the reasons for the defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from mograder.hub.gateway.granted import Granted
from mograder.hub.gateway.model import Headers
from mograder.hub.gateway.names import is_plain_name

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one client or one session may use. Sizes in bytes, times in seconds."""

    head: int = 64 * 1024
    target: int = 16 * 1024
    headers: int = 100
    body: int = 256 * MEBIBYTE  # marimo sends uploaded files as base64 in JSON
    buffer: int = 64 * 1024  # waiting to be written, each direction; the other side is paused above it
    connections_per_session: int = 256
    connections_per_user: int = 384  # of requests and WebSockets, over all of a person's sessions
    connections: int = 10_000  # of browsers, in all; each may need a descriptor for its session, too
    connections_per_address: int = 2_000
    head_seconds: float = 20.0
    connect_seconds: float = 5.0
    answer_seconds: float = 300.0  # until an answer begins: an export runs the whole notebook first
    stalled_seconds: float = 120.0  # a client that neither sends its body nor reads its answer
    linger_seconds: float = 10.0  # for the last bytes to leave after one side has gone
    pool_idle: int = 64
    pool_seconds: float = 4.0  # below the 5 s after which uvicorn, inside marimo, closes an idle connection


def _nobody(_address: str, _headers: Headers) -> bool:
    return False


def _every_host(_host: str, _from_proxy: bool) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Options:
    """How the gateway meets the world.

    ``legal_name``     says whether a decoded, NFC-normalised path segment can be a user's or an item's name.
    ``scheme``         "https" if browsers always come by HTTPS: for what is refused before its head is read.
    ``root``           path under which the hub lives, without a final slash: "" or e.g. "/hub".
    ``public_origin``  what browsers see, e.g. "https://hub.example.edu"; None: told by Host and scheme.
    ``trusted_proxy``  says of a socket's address and a request's fields whether it is the proxy that speaks, whose
                       X-Forwarded-Proto and -Host are to be believed.
    ``known_host``     says of a Host, and of whether the proxy told it, whether it is one that the hub answers to.
    ``speaks_for_many`` says of a socket's address that its connections are of many people.
    ``shared_origin``  sessions share an origin, with the hub or with each other: their pages get the confining policy.
    ``assets_path``    where marimo's static files are served for all sessions, with both slashes.
    ``extra_sources``  CSP sources that notebooks may also load from, e.g. "https://cdn.jsdelivr.net".
    ``cookie_names``   the only cookies that cross, both ways: marimo's own.
    ``granted``        what is open by whose leave; whoever takes leaves back does it there.
    ``file_browser``   lets marimo's file panel through. It shows whatever the session's sandbox can read.
    """

    legal_name: Callable[[str], bool] = is_plain_name
    scheme: str = "http"
    root: str = ""
    public_origin: str | None = None
    trusted_proxy: Callable[[str, Headers], bool] = _nobody
    known_host: Callable[[str, bool], bool] = _every_host
    speaks_for_many: Callable[[str], bool] = lambda _address: False
    shared_origin: bool = True
    assets_path: str = "/_marimo/"
    extra_sources: tuple[str, ...] = ()
    cookie_names: re.Pattern[bytes] = re.compile(rb"session(_[A-Za-z0-9_-]{1,64})?")
    file_browser: bool = False
    granted: Granted = field(default_factory=Granted)
    limits: Limits = field(default_factory=Limits)
