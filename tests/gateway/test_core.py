"""The small parts that every connection shares: `core`, `pool`, `answers`, `wire`, `upstream.framing`, `transports`."""

from __future__ import annotations

import asyncio
import dataclasses
import socket

import pytest

from mograder.errors import Malformed
from mograder.hub.gateway import answers, wire
from mograder.hub.gateway.core import Gateway
from mograder.hub.gateway.model import Grant, Refusal, Target
from mograder.hub.gateway.options import Limits
from mograder.hub.gateway.pool import Pool
from mograder.hub.gateway.transports import LastWords
from mograder.hub.gateway.upstream import framing
from tests.gateway.test_admission import TARGET, Door


def test_a_refusals_own_headers_win_over_the_common_ones() -> None:
    fields = answers.fields(Refusal(200, b"x", ((b"content-type", b"text/html"), (b"set-cookie", b"a=b"))))
    assert [value for name, value in fields if name == b"content-type"] == [b"text/html"]
    assert (b"x-frame-options", b"DENY") in fields and (b"content-length", b"1") in fields


def test_a_raw_refusal_is_framed() -> None:
    assert answers.raw(Refusal(404, b"x"), "http", close=True).endswith(
        b"content-length: 1\r\nconnection: close\r\n\r\nx"
    )
    assert answers.raw(Refusal(404, b"x"), "http", close=False, head_only=True).endswith(
        b"content-length: 1\r\n\r\n"
    )
    assert b"content-length" not in answers.raw(Refusal(204), "http", close=False)


def test_heads_are_written_plainly() -> None:
    assert wire.request_head("GET", b"/x", [(b"a", b"b")]) == b"GET /x HTTP/1.1\r\na: b\r\n\r\n"
    assert wire.answer_head(299, []) == b"HTTP/1.1 299 \r\n\r\n"
    assert wire.chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"1"), (b"content-length", b"1")],
        [(b"content-length", b"x")],
        [(b"transfer-encoding", b"gzip")],
        [(b"transfer-encoding", b"chunked"), (b"content-length", b"1")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
    ],
)
def test_an_answer_with_two_framings_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Malformed):
        framing(headers)


def test_an_answers_framing_is_found() -> None:
    assert framing([(b"content-length", b"7")]) == (7, False)
    assert framing([(b"transfer-encoding", b"Chunked")]) == (None, True)
    assert framing([]) == (None, False)


def test_a_pool_counts_what_a_session_uses() -> None:
    pool = Pool(Limits(connections_per_session=2))
    a, b = (dataclasses.replace(TARGET, session_id=name) for name in "ab")
    assert pool.enter(a) and pool.enter(a) and not pool.enter(a) and pool.enter(b)
    pool.leave(a)
    assert pool.enter(a)
    assert pool.take(TARGET, 0.0) is None and pool.empty


def test_a_person_has_so_many_over_all_sessions_and_others_have_theirs() -> None:
    pool = Pool(Limits(connections_per_user=2))
    a, b = (Target(f"/s/{name}", f"/{name}/", name, f"/{name}.py", grant=Grant("alice")) for name in "ab")
    bobs = dataclasses.replace(a, grant=Grant("bob"))
    assert pool.enter(a) and pool.enter(b) and not pool.enter(b) and pool.enter(bobs)
    pool.leave(a)
    assert pool.enter(b) and not pool.enter(a)


def test_reports_are_bounded_in_time() -> None:
    door = Door()
    gateway = Gateway(door)
    for now in (0.0, 0.5, 0.9, 1.1, 1.2):
        gateway.report("s", "input", now)
    gateway.report("s", "output", 1.2)
    assert door.events == [("s", "input"), ("s", "input"), ("s", "output")]


def test_an_error_in_the_background_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("seen")

    async def main() -> None:
        Gateway(Door()).spawn(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert "seen" in caplog.text


class Remembering(asyncio.Protocol):
    """A protocol whose end can be awaited."""

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(exc)


def test_last_words_arrive_although_the_other_side_is_still_talking() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        transport, protocol = await loop.connect_accepted_socket(Remembering, ours)
        reader, writer = await asyncio.open_connection(sock=theirs)
        writer.write(b"a long request" * 1000)
        transport.write(b"no")
        LastWords(transport, 5.0)
        heard = await reader.read()
        writer.close()
        await protocol.ended
        return heard

    assert asyncio.run(main()) == b"no"


def test_patience_with_the_other_side_ends() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(Remembering, ours)
        LastWords(transport, 0.05)
        await protocol.ended
        theirs.close()

    asyncio.run(main())
