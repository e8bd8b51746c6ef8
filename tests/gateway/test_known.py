"""What is remembered of heads that came before changes nothing but the work: same bytes, same refusals, asked anew."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from mograder.hub.gateway.known import Known, Memory, read
from mograder.hub.gateway.model import Grant, Headers, Refusal, RequestHead, Route, Target
from mograder.hub.gateway.options import Limits, Options
from mograder.hub.gateway.protocol import HubProtocol, protocol_class
from mograder.hub.gateway.upstream import Heads, Lost, Upstream, without_length
from tests.gateway.test_admission import Door

PREFIX = b"/edit/user/alice/A1/"
TARGET = Target("/s/1.sock", PREFIX.decode(), "s1", "/work/A1.py", grant=Grant("alice"))


def test_a_memory_is_bounded_in_number_and_forgets_what_nobody_asks_for() -> None:
    memory: Memory[int] = Memory(entries=10, size=1 << 20)
    for number in range(100):
        memory.put("a", b"%d" % number, number)
        assert memory.get("a", b"0") == 0
    assert len(memory._young) + len(memory._old) <= 20
    assert memory.get("a", b"50") is None and memory.get("b", b"0") is None


def test_a_memory_is_bounded_in_bytes_and_keeps_nothing_long() -> None:
    memory: Memory[int] = Memory(size=64_000)
    for number in range(200):
        memory.put("a", b"%1000d" % number, number)
    assert sum(len(text) for _, text in (*memory._young, *memory._old)) <= 128_000
    memory.put("a", b"x" * 1001, 1)
    assert memory.get("a", b"x" * 1001) is None


def test_a_memory_forgets_in_time() -> None:
    memory: Memory[int] = Memory(seconds=30)
    memory.put("a", b"x", 1)
    for now in (30.0, 31.0, 59.0):
        memory.sweep(now)
    assert memory.get("a", b"x") == 1
    for now in (90.0, 120.0):
        memory.sweep(now)
    assert memory.get("a", b"x") is None and memory.empty


def test_known_fields_are_read_once_for_each_question_and_others_each_time() -> None:
    asked = []

    def count(fields: Headers, more: int) -> int:
        asked.append(more)
        return len(fields) + more

    known = Known([(b"a", b"b")])
    assert [read(count, known, 1), read(count, known, 1), read(count, known, 2)] == [2, 2, 3]
    assert asked == [1, 2]
    assert [read(count, list(known), 1) for _ in range(2)] == [2, 2]
    assert asked == [1, 2, 1, 1]
    for number in range(1000):
        read(count, known, number)
    assert len(known.found) <= 16


# A gateway without sockets: what is written to either side is seen as bytes.


class Wire(asyncio.Transport):
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.said = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.said += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def get_protocol(self) -> asyncio.BaseProtocol:
        return asyncio.Protocol()


class Moody(Door):
    """A door that can be shut."""

    shut = False

    def admit(self, route: Route, head: RequestHead) -> Target | Refusal:
        super().admit(route, head)
        return Refusal(403, b"No more.") if self.shut or route.user != "alice" else TARGET


class Stage:
    """A gateway, and connections to it."""

    def __init__(self) -> None:
        self.door = Moody()
        self.kind: type[HubProtocol] = protocol_class(self.door, Options(limits=Limits(head=8192)))
        self.config = Config(_hub, http=self.kind, log_config=None, lifespan="off", proxy_headers=False)
        self.config.load()
        self.gateway = self.kind.gateway

    def ask(self, *pieces: bytes, answer: bytes = b"") -> tuple[bytes, bytes, bool]:
        """Send a request on a new connection; what the session and the browser get, and whether that is the end."""
        up, down = Wire(), Wire()
        upstream = Upstream(self.gateway.limits, TARGET.session_id, Memory())
        upstream.connection_made(up)
        self.gateway.pool.give(TARGET, upstream, self.gateway.now())
        protocol = self.kind(config=self.config, server_state=ServerState(), app_state={})
        protocol.connection_made(down)
        for piece in pieces:
            protocol.data_received(piece)
        self.by_heart = type(protocol.headers) is Known
        if answer and up.said:
            upstream.data_received(answer)
        ended = down.closed
        protocol.connection_lost(None)
        while self.gateway.pool.take(TARGET, self.gateway.now()):
            pass
        return up.said, down.said, ended


async def _hub(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def on_a_loop(test: Any) -> Any:
    """Run a test without arguments on an event loop: the gateway wants its clock."""

    def run() -> None:
        async def main() -> None:
            test()

        asyncio.run(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 2\r\n\r\nok"
HEAD = (
    b"Host: 127.0.0.1:8000\r\nCookie: session_1=a; hub=secret\r\nAccept: */*\r\nX-Remote-User: prof\r\n\r\n"
)


@on_a_loop
def test_a_head_is_known_the_second_time_and_the_session_gets_the_same() -> None:
    stage = Stage()
    request = b"GET " + PREFIX + b"%b HTTP/1.1\r\n" + HEAD
    first = stage.ask(request % b"a", answer=ANSWER)
    assert not stage.by_heart
    again = stage.ask(request % b"a", answer=ANSWER)
    assert stage.by_heart
    assert again == first and b"secret" not in first[0] and b"session_1=a" in first[0]
    assert stage.ask(request % b"b?c=d", answer=ANSWER)[0] == first[0].replace(b"/a HTTP", b"/b?c=d HTTP")
    assert stage.by_heart


@on_a_loop
def test_permission_is_asked_for_each_request() -> None:
    stage = Stage()
    request = b"GET " + PREFIX + b"a HTTP/1.1\r\n" + HEAD
    for _ in range(3):
        assert stage.ask(request, answer=ANSWER)[1].startswith(b"HTTP/1.1 200 ")
    asked = len(stage.door.heads)
    stage.door.shut = True
    up, down, _ = stage.ask(request, answer=ANSWER)
    assert stage.by_heart and up == b"" and down.startswith(b"HTTP/1.1 403 ")
    assert len(stage.door.heads) == asked + 1
    stage.door.shut = False
    assert stage.ask(request, answer=ANSWER)[1].startswith(b"HTTP/1.1 200 ")


LINES = [
    b"Host: 127.0.0.1:8000",
    b"Host: hub",
    b"host:x",
    b"Host: a b",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: marimo-a",
    b"Marimo-A: 1",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: x",
    b"Expect: 100-continue",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"X-A: a\rb",
    b"X-A: a\0b",
    b" folded",
    b"X A: b",
    b": b",
    b"X-A : b",
    b"X-A:",
    b"Cookie: session_1=a; hub=b",
    b"Cookie: hub=b",
    b"Authorization: Bearer x",
    b"Origin: http://127.0.0.1:8000",
    b"Origin: null",
    b"Sec-Fetch-Site: cross-site",
    b"Sec-Fetch-Site: same-origin",
    b"Service-Worker: script",
    b"X-Forwarded-Host: evil",
    b"X-Notebook-Id: 1",
    b"X-Big: " + b"b" * 9000,
    b"Accept: */*",
    b"Accept:\t*/*  ",
    b"X-\xff: a",
    b"X-A: \xff",
    b"X-A: a\nX-B: b",
    b"\r\nGET /edit/user/alice/A1/hidden HTTP/1.1\r\nHost: x",
]
FIRST = [
    b"GET /edit/user/alice/A1/a HTTP/1.1",
    b"GET /edit/user/alice/A1/ HTTP/1.1",
    b"HEAD /edit/user/alice/A1/a HTTP/1.1",
    b"GET /edit/user/alice/A1/a HTTP/1.0",
    b"GET /edit/user/alice/A1/a#b HTTP/1.1",
    b"GET /edit/user/bob/A1/a HTTP/1.1",
    b"GET  /edit/user/alice/A1/a HTTP/1.1",
    b"GET /edit/user/alice/A1/\xc3\xa4 HTTP/1.1",
    b"GET /edit/user/alice/A1 HTTP/1.1",
    b"POST /edit/user/alice/A1/api/kernel/run HTTP/1.1",
    b"GET /edit/user/alice/A1/api/packages/add HTTP/1.1",
    b"GET /edit/user/alice/A1/public/x HTTP/1.1",
    b"GET /edit/user/alice/A1/?file=/etc/passwd HTTP/1.1",
    b"get / HTTP/1.1",
    b"GET /edit/user/alice/A1/" + b"a" * 17_000 + b" HTTP/1.1",
    b"GET /edit/user/alice/A1/%2e%2e/x HTTP/1.1",
    b"GET http://127.0.0.1:8000/edit/user/alice/A1/a HTTP/1.1",
    b"GET /edit/user/alice/A1/a HTTP/9.9",
    b"GET /edit/user/alice/A1/a",
    b"OPTIONS /edit/user/alice/A1/a HTTP/1.1",
    b"TRACE /edit/user/alice/A1/a HTTP/1.1",
]


@on_a_loop
def test_whole_or_in_pieces_for_the_first_time_or_again_a_request_has_the_same_effect() -> None:
    stage, dice = Stage(), random.Random(7)
    by_heart = 0
    for number in range(2000):
        lines = [LINES[0]] * (dice.random() < 0.9) + dice.choices(LINES, k=dice.choice((0, 1, 2, 3)))
        block = b"".join(line + b"\r\n" for line in lines) + b"\r\n"
        first = FIRST[0] if dice.random() < 0.6 else dice.choice(FIRST)
        request = first + b"\r\n" + block + b"AAAAA" * (dice.random() < 0.1)
        at = dice.randrange(1, len(first) + len(block))
        in_pieces = stage.ask(request[:at], request[at:], answer=ANSWER)
        assert not stage.by_heart
        for _ in range(2):
            assert stage.ask(request, answer=ANSWER) == in_pieces, (number, request)
        by_heart += stage.by_heart and in_pieces[0] != b""
        # And under a first line that makes this block known, if it can be known at all.
        stage.ask(FIRST[0] + b"\r\n" + block, answer=ANSWER)
        assert stage.ask(request, answer=ANSWER) == in_pieces, (number, request)
    assert by_heart > 100


# The answers of sessions.


@dataclass
class Ear:
    """Whoever asked, as an `Upstream` sees it."""

    head_only: bool = False
    heard: list[Any] = field(default_factory=list)
    body: bytes = b""

    def answer_begins(self, status: int, headers: Headers, length: int | None, bodiless: bool) -> None:
        crossing = sorted(pair for pair in headers if pair[0] not in (b"content-length", b"date"))
        self.heard += [status, crossing, length, bodiless]

    def answer_goes_on(self, data: bytes) -> None:
        self.body += data

    def answer_rests(self) -> None: ...

    def answer_ends(self) -> None:
        self.heard += ["ended", self.body]

    def answer_lost(self, how: Lost) -> None:
        self.heard += ["lost", how]

    def upstream_clogged(self) -> None: ...


def hear(pieces: list[bytes], heads: Heads, *, head_only: bool) -> tuple[list[Any], bool]:
    """What an answer means, and whether its connection may be used again."""
    upstream, ear = Upstream(Limits(head=8192), "s1", heads), Ear(head_only)
    upstream.connection_made(Wire())
    upstream.ask(ear, b"GET")
    for piece in pieces:
        if ear.heard[-2:-1] != ["ended"]:
            upstream.data_received(piece)
    return ear.heard, upstream.fit


STATUS = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.1 103 Early Hints",
    b"HTTP/1.1 101 X",
    b"HTTP/1.1 999 X",
    b"HTTP/1.1 404 Not Found",
    b"SSH-2.0",
]
ANSWERS = [
    b"content-length: 5",
    b"Content-Length: 5",
    b"content-length: 5 ",
    b"content-length:5",
    b"content-length: 0",
    b"content-length: 005",
    b"content-length: 99999999999999999999",
    b"content-length: -1",
    b"content-length: 5, 5",
    b"transfer-encoding: chunked",
    b"transfer-encoding: gzip",
    b"date: Sun, 29 Nov 2026 17:00:00 GMT",
    b"date: today",
    b"date: Sun, 29 Nov 2026 17:00:01 GMT",
    b"connection: close",
    b"connection: keep-alive",
    b"connection: x-a",
    b"location: /a",
    b"set-cookie: session=1",
    b"x-marimo-a: 1",
    b"X-B: a\rb",
    b" folded",
    b": x",
    b"x y: z",
    b"content-type: text/html",
    b"server: uvicorn",
    b"x-big: " + b"b" * 9000,
    b"upgrade: x",
]


@on_a_loop
def test_an_answer_means_the_same_whether_its_head_is_known_or_not() -> None:
    dice, shared = random.Random(11), cast(Heads, Memory())
    known = 0
    for number in range(6000):
        lines = [dice.choice(ANSWERS[:2])] * (dice.random() < 0.7) + dice.choices(
            ANSWERS, k=dice.choice((0, 1, 2, 3))
        )
        dice.shuffle(lines)
        status = STATUS[0] if dice.random() < 0.6 else dice.choice(STATUS)
        head = b"".join(line + b"\r\n" for line in (status, *lines)) + b"\r\n"
        data = head + dice.choice(
            (b"AAAAA", b"AAAAA", b"AA", b"", b"AAAAAB", b"5\r\nAAAAA\r\n0\r\n\r\n", head + b"AAAAA")
        )
        cut = dice.choice((len(data), len(head), dice.randrange(1, len(data))))
        pieces = [piece for piece in (data[:cut], data[cut:]) if piece]
        head_only = dice.random() < 0.2
        known += shared.get("s1", without_length(head)[0]) is not None
        expected = hear(pieces, Memory(), head_only=head_only)
        assert hear(pieces, shared, head_only=head_only) == expected, (number, pieces)
        assert hear(pieces, shared, head_only=head_only) == expected, (number, pieces)
    assert known > 600


@pytest.mark.parametrize(
    ("head", "text", "length"),
    [
        (b"X\r\ncontent-length: 12\r\na: b\r\n\r\n", b"X\r\na: b\r\n\r\n", 12),
        (b"X\r\na: b\r\nContent-Length: 0\r\n\r\n", b"X\r\na: b\r\n\r\n", 0),
        (b"X\r\ndate: Sun, 29 Nov 2026 17:00:00 GMT\r\ncontent-length: 1\r\n\r\n", b"X\r\n\r\n", 1),
        (b"X\r\na: content-length: 1\r\n\r\n", b"X\r\na: content-length: 1\r\n\r\n", None),
        (b"X\r\ncontent-length: 1x\r\n\r\n", b"X\r\ncontent-length: 1x\r\n\r\n", None),
    ],
)
def test_length_and_date_are_cut_out_where_they_are_plain(
    head: bytes, text: bytes, length: int | None
) -> None:
    assert without_length(head) == (text, length)
