"""Every answer of a hub has the hub's headers, also the one to what is refused before it is read."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.hub import PROXY_SECRET, RunningHub, make_course, running

pytestmark = pytest.mark.real

HOST = "hub.example.edu"
CONFIG = """[hub]
trusted_proxies = ["127.0.0.2"]
connections_per_address = 8
{keys}"""
PROXIED = f"X-Proxy-Secret: {PROXY_SECRET}\r\nX-Forwarded-Proto: https\r\n".encode()
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nOrigin: https://hub.example.edu\r\n"
UPGRADE += b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
NOTEBOOK = b"/edit/user/alice/A1-Answer/"


def request(method: bytes = b"GET", path: bytes = b"/", fields: bytes = b"", body: bytes = b"") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: hub.example.edu\r\n%b\r\n%b" % (method, path, fields, body)


BEFORE_IT_IS_READ = {
    "no HTTP": (400, b"hello\r\n\r\n"),
    "another protocol": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "two lengths": (400, request(fields=b"Content-Length: 1\r\nContent-Length: 2\r\n")),
    "another version": (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    "a long target": (414, request(path=b"/" + b"a" * 20_000)),
    "many fields": (431, request(fields=b"X: y\r\n" * 200)),
    "a long field": (431, request(fields=b"X: " + b"y" * 70_000 + b"\r\n")),
    "bad chunks": (400, request(b"POST", NOTEBOOK, b"Transfer-Encoding: gzip\r\n")),
    "a tunnel through a notebook": (405, request(b"CONNECT", NOTEBOOK)),
    "another protocol for a notebook": (
        501,
        request(path=NOTEBOOK, fields=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    ),
}
READ = {
    "no name of a notebook": (404, request(path=b"/edit/user/../A1-Answer/")),
    "another spelling": (307, request(path=b"/edit/user/alice/A1-Answer")),
    "a stranger at a notebook": (401, request(path=NOTEBOOK)),
    "a stranger's WebSocket": (401, request(path=NOTEBOOK + b"ws", fields=UPGRADE)),
    "a stranger's WebSocket elsewhere": (404, request(path=b"/ws", fields=UPGRADE)),
    "a method for nothing": (405, request(b"TRACE", NOTEBOOK)),
    "another site": (
        403,
        request(b"POST", NOTEBOOK, b"Origin: https://evil.example\r\nContent-Length: 0\r\n"),
    ),
    "another host name": (421, b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    "another host name at a notebook": (421, b"GET %b HTTP/1.1\r\nHost: evil.example\r\n\r\n" % NOTEBOOK),
    "a stranger": (401, request(path=b"/assignments")),
    "a strangers page": (401, request(fields=b"Accept: text/html\r\n")),
    "nothing there": (404, request(path=b"/nothing/here")),
    "no shared file": (404, request(path=b"/_marimo/x/y.js")),
    "no file": (404, request(path=b"/static/x/y.js")),
    "a change by another site": (
        403,
        request(b"POST", b"/logout", b"Sec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n"),
    ),
    "a strange body": (
        415,
        request(b"POST", b"/logout", b"Content-Type: text/plain\r\nContent-Length: 1\r\n", b"x"),
    ),
    "a large body": (
        413,
        request(b"POST", b"/sync-users", b"Content-Type: application/json\r\nContent-Length: 99999999\r\n"),
    ),
    "for another method": (405, request(b"DELETE", b"/assignments")),
}


@pytest.fixture(scope="module", params=["told by the configuration", "told by the proxy", "below a path"])
def hub(request: pytest.FixtureRequest, course_root: Path) -> Iterator[RunningHub]:
    path = "/teaching/hub" if request.param == "below a path" else ""
    url = f'public_url = "https://{HOST}{path}"' if request.param != "told by the proxy" else ""
    course = make_course(course_root / f"answers-{request.param[-4:]}", CONFIG.format(keys=url))
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}) as up:
        yield up


def knows_beforehand(hub: RunningHub) -> bool:
    """Whether the hub knows that browsers use HTTPS without being told by a request."""
    return "public_url" in (hub.course / "mograder.toml").read_text()


def asked(hub: RunningHub, data: bytes) -> tuple[int, list[tuple[str, str]]]:
    """Status and fields of the first answer to ``data``, sent as the proxy sends it."""
    below = urlsplit(hub.url).path.rstrip("/").encode()
    line, _, rest = data.partition(b"\r\n")
    if line.endswith(b"HTTP/1.1"):
        data = line.replace(b" /", b" %b/" % below, 1) + b"\r\n" + PROXIED + rest
    with connected(hub) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        return answer(connection)


def connected(hub: RunningHub, source: str = "127.0.0.2") -> socket.socket:
    parts = urlsplit(hub.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=600, source_address=(source, 0))


def answer(connection: socket.socket) -> tuple[int, list[tuple[str, str]]]:
    head = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
            head += more
    first, *lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return int(first.split()[1]), fields


def check(fields: list[tuple[str, str]], *, https: bool = True) -> None:
    told = dict(fields)
    assert len(told) == len(fields), "a field is there twice"
    assert told["cross-origin-opener-policy"] == told["cross-origin-resource-policy"] == "same-origin"
    assert told["x-frame-options"] == "DENY"
    assert told["x-content-type-options"] == "nosniff"
    assert told["referrer-policy"] == "same-origin"
    assert told["cache-control"] == "no-store"
    policy = told["content-security-policy"]
    assert "default-src" in policy and "frame-ancestors 'none'" in policy
    assert told.get("strict-transport-security") == ("max-age=31536000" if https else None)


@pytest.mark.parametrize("name", BEFORE_IT_IS_READ)
def test_what_is_refused_unread_gets_the_hubs_headers(hub: RunningHub, name: str) -> None:
    expected, data = BEFORE_IT_IS_READ[name]
    status, fields = asked(hub, data)
    assert status == expected
    check(fields, https=knows_beforehand(hub))  # what such a request says of HTTPS is not believed


@pytest.mark.parametrize("name", READ)
def test_what_is_refused_gets_the_hubs_headers(hub: RunningHub, name: str) -> None:
    expected, data = READ[name]
    status, fields = asked(hub, data)
    by_the_proxys_word = expected == 421 and not knows_beforehand(hub)  # it may name any host then
    assert status == (401 if by_the_proxys_word else expected)
    check(fields)


@pytest.mark.parametrize("hub", ["told by the configuration"], indirect=True)
def test_who_finds_no_seat_or_says_nothing_gets_them_too(hub: RunningHub) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connected(hub, "127.0.0.3")) for _ in range(8)]
        status, fields = answer(stack.enter_context(connected(hub, "127.0.0.3")))
        assert status == 429
        check(fields)
        status, fields = answer(silent[0])
        assert status == 408
        check(fields)


@pytest.mark.parametrize("hub", ["below a path"], indirect=True)
@pytest.mark.parametrize(("path", "expected"), [(b"/", 404), (b"/elsewhere", 404), (b"/teaching/hub", 307)])
def test_what_lies_beside_the_hub_gets_them_too(hub: RunningHub, path: bytes, expected: int) -> None:
    with connected(hub) as connection:
        connection.sendall(request(path=path))
        status, fields = answer(connection)
    assert status == expected
    check(fields)
