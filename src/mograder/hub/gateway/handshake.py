"""The two heads of a WebSocket's opening handshake (RFC 6455, 4): what is asked, and whether it was granted."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from mograder.errors import Malformed
from mograder.hub.gateway.answers import refuse
from mograder.hub.gateway.model import Headers, Refusal

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def refused_request(method: str, headers: Headers) -> Refusal | None:
    """Return why a browser's handshake can not be passed on, or None."""
    versions = [v for k, v in headers if k == b"sec-websocket-version"]
    keys = [v for k, v in headers if k == b"sec-websocket-key"]
    if method != "GET":
        return refuse(405)
    if versions != [b"13"]:
        return Refusal(426, b"WebSocket version 13 is needed.", ((b"sec-websocket-version", b"13"),))
    if len(keys) != 1 or len(keys[0]) != 24:
        return refuse(400, "The WebSocket handshake has no proper key.")
    return None


def accept_for(key: bytes) -> bytes:
    """Return the Sec-WebSocket-Accept that answers ``key``."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


@dataclass(frozen=True, slots=True)
class Answer:
    """A session's answer to a handshake."""

    status: int
    headers: Headers


def parse_answer(head: bytes) -> Answer:
    """Read an answer's head, without its blank line.

    Raises:
        Malformed: it is not a plain HTTP/1.1 head.
    """
    first, *lines = head.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    status = rest[:3]
    if version != b"HTTP/1.1" or not status.isdigit() or len(status) != 3 or rest[3:4] not in (b" ", b""):
        raise Malformed("The session's answer to a WebSocket handshake is not HTTP.")
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or any(c in line for c in b"\r\n\0"):
            raise Malformed("The session's answer to a WebSocket handshake has a broken header.")
        headers.append((name.lower(), value.strip()))
    return Answer(int(status), headers)


def is_granted(answer: Answer, key: bytes) -> bool:
    """Tell whether the session really switched to the WebSocket that was asked for.

    Only then may bytes be piped: anything else would be a tunnel for requests that nobody checks.
    """
    accepts = [v for k, v in answer.headers if k == b"sec-websocket-accept"]
    upgrades = [v.lower() for k, v in answer.headers if k == b"upgrade"]
    return (
        answer.status == 101
        and len(accepts) == 1
        and hmac.compare_digest(accepts[0], accept_for(key))
        and upgrades == [b"websocket"]
    )
