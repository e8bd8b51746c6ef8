"""The words that gateway and hub share: what is asked, where it goes, what is refused, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

Headers = Sequence[tuple[bytes, bytes]]
"""Header fields in the order of the wire, names in lower case. Field names may repeat."""

Kind = Literal["edit", "run"]

UNIX = "unix"
"""What stands for the address of whoever came over a unix socket."""

Activity = Literal["page", "input", "output", "heartbeat", "opened", "closed"]
"""What a session was seen doing.

``page``       a person asked for the page: a browser begins to load it, and opens a WebSocket when it has.
``input``      a person did something: a WebSocket message, a request that changes something.
``output``     the session said something on a WebSocket that was not a heartbeat: a cell is running.
``heartbeat``  an open tab and nothing more: pings and pongs, pollers, files of the page.
``opened``     one more WebSocket is open; always followed by one ``closed`` of the same session.
``closed``     one less.

``page``, ``input``, ``output`` and ``heartbeat`` are reported at most once a second per connection and kind.
"""

Save = Literal["begun", "done", "failed", "left"]
"""marimo was asked; it said yes, so the notebook's file is new; it said no or nothing; the browser did not wait."""


@dataclass(slots=True)  # not frozen: one is made per request, and that would cost three times as much
class RequestHead:
    """What is known of a request before its body. Not to be changed.

    ``target`` is the raw request target (path and query) as it came, percent-encoding untouched.
    ``client`` is the address of the socket's other end, `UNIX` on a unix socket, "" if it is not known (a connection
    that is already gone): never taken from a header.
    ``scheme`` is "http" or "https" as the browser sees it, as far as that is known.
    ``host`` is the host (and port) as the browser sees it, in lower case: set when the door is asked.
    """

    method: str
    target: bytes
    headers: Headers
    client: str
    scheme: str
    is_websocket: bool
    host: str = ""

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the first field called ``name`` (lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Route:
    """The session that a path names, decoded and validated, whether it exists or not."""

    kind: Kind
    user: str
    item: str


@dataclass(frozen=True, slots=True)
class Grant:
    """By what ``user`` was let in: with that, their open WebSockets end.

    ``login`` is the digest of a login, ``token`` the number of a bearer token; with neither it is the login proxy's
    word for each request. ``staff``: what let them in says that they teach. ``expires``: seconds since the epoch.
    """

    user: str = ""
    login: str = ""
    token: str = ""
    staff: bool = False
    expires: float = inf


NOBODY = Grant()


@dataclass(slots=True)  # one per request: see `RequestHead`
class Target:
    """A live session.

    ``socket_path`` is the unix socket that the session listens on: from the registry, never from a request.
    ``prefix`` is the path under which the session serves: starts and ends with a slash, not percent-encoded.
    ``session_id`` is different for every start of a session: connections are never reused across a restart.
    ``notebook`` is the one file that ``?file=`` may name, as the session knows it.
    ``grant`` is by what the person who asks was let in.
    ``page_end`` is HTML of the hub's own that follows the session's page: it gets no rights that the page has not.
    """

    socket_path: str
    prefix: str
    session_id: str
    notebook: str
    page_end: bytes = b""
    grant: Grant = NOBODY


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the hub's own in place of the session's: sign-in redirect, not found, start page, full.

    The gateway adds the hub's security headers where ``headers`` does not set them, and frames ``body``.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Door(Protocol):
    """What the hub decides and wants to be told. Every method runs on the event loop and must not block."""

    def admit(self, route: Route, head: RequestHead) -> Target | Refusal:
        """Say where this request goes, or why not. Called for every request and every WebSocket handshake.

        Called once more when the session that it named can not be reached (after `upstream_lost`): a `Refusal`
        is then sent as the answer, a `Target` becomes a plain 502. So whoever was told that a session is lost should
        not name it again before it was looked after.
        """

    def refused(self, route: Route, head: RequestHead, refusal: Refusal) -> None:
        """Take note of what the gateway refused by itself, before or after `admit`."""

    def activity(self, session_id: str, kind: Activity) -> None:
        """Take note that a session was seen doing something."""

    def save(self, session_id: str, stage: Save) -> None:
        """Take note of how far a save of the notebook is."""

    def upstream_lost(self, session_id: str) -> None:
        """Take note that a session's socket refuses connections, or that it broke off amid an answer."""
