"""Request heads as attackers and odd clients write them: what gets past uvicorn's protocol class and the guard."""

from __future__ import annotations

import re

import pytest

from tests.gateway.client import API, PREFIX, Hub

HIDDEN = b"GET " + PREFIX + b"HIDDEN HTTP/1.1\r\nHost: x\r\nCookie: hub=alice\r\n\r\n"
A5 = b"AAAAA"


def post(extra: bytes, body: bytes = b"", *, version: bytes = b"1.1") -> tuple[bytes, bytes, bytes, bytes]:
    return b"POST", extra, body, version


AMBIGUOUS = {
    "two different lengths": post(b"Content-Length: 5\r\nContent-Length: 0\r\n", A5 + HIDDEN),
    "the same length twice": post(b"Content-Length: 5\r\nContent-Length: 5\r\n", A5 + HIDDEN),
    "a list of lengths": post(b"Content-Length: 5, 5\r\n", A5 + HIDDEN),
    "a signed length": post(b"Content-Length: +5\r\n", A5 + HIDDEN),
    "a hexadecimal length": post(b"Content-Length: 0x5\r\n", A5 + HIDDEN),
    "a negative length": post(b"Content-Length: -1\r\n", A5 + HIDDEN),
    "a length beyond 64 bits": post(b"Content-Length: 99999999999999999999\r\n", A5 + HIDDEN),
    "length before chunks": post(
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (5 + len(HIDDEN)), b"0\r\n\r\n" + HIDDEN
    ),
    "chunks before length": post(
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"0\r\n\r\n" + HIDDEN
    ),
    "an unknown transfer coding": post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "chunked, identity": post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n" + HIDDEN),
    "identity": post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", A5 + HIDDEN),
    "a space before the colon": post(
        b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n", b"0\r\n\r\n" + HIDDEN
    ),
    "two transfer codings": post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n" + HIDDEN
    ),
    "a vertical tab in the coding": post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "chunks in HTTP/1.0": post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN, version=b"1.0"),
    "a bare CR in a value": (b"GET", b"X-A: a\rX-B: b\r\n", b"", b"1.1"),
    "a NUL in a value": (b"GET", b"X-A: a\0b\r\n", b"", b"1.1"),
    "a folded line": (b"GET", b"X-A: a\r\n b\r\n", b"", b"1.1"),
    "a space in a name": (b"GET", b"X A: a\r\n", b"", b"1.1"),
    "an empty name": (b"GET", b": a\r\n", b"", b"1.1"),
    "two hosts": (b"GET", b"Host: evil\r\n", b"", b"1.1"),
    "an unknown version": (b"GET", b"", b"", b"9.9"),
}
BROKEN_BODIES = {
    "a chunk size that overflows": b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "a bare LF in a chunk extension": b"5;a\nAAAAA\r\n0\r\n\r\n",
    "a chunk without an end": b"5\r\nAAAAAXX0\r\n\r\n",
    "a chunk size that is no number": b"5g\r\nAAAAA\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_head_that_can_be_read_in_two_ways_is_refused_and_hides_no_request(hub: Hub, name: str) -> None:
    method, extra, body, version = AMBIGUOUS[name]
    hub.seen()
    with hub.connect() as connection:
        got = connection.send(hub.head(b"up", method, extra, version=version) + body).rest()
    assert re.match(rb"HTTP/1\.1 (400|411|501|505)", got), got[:80]
    assert not any("HIDDEN" in head for head in hub.seen())


@pytest.mark.parametrize("name", BROKEN_BODIES)
def test_a_chunked_body_that_breaks_off_the_rails_hides_no_request(hub: Hub, name: str) -> None:
    hub.seen()
    with hub.connect() as connection:
        head = hub.head(b"up", b"POST", b"Transfer-Encoding: chunked\r\n")
        got = connection.send(head + BROKEN_BODIES[name] + HIDDEN).rest()
    assert got == b"" or re.match(rb"HTTP/1\.1 (400|411|502)", got), got[:80]
    assert not any("HIDDEN" in head for head in hub.seen())


def test_a_broken_chunk_is_answered_where_an_answer_is_still_possible(spliced: Hub) -> None:
    request = spliced.head(b"up", b"POST", b"Transfer-Encoding: chunked\r\n") + b"5\r\nAAAAAXX0\r\n\r\n"
    assert spliced.ask(request).status == 400


def test_bare_line_feeds_are_refused(hub: Hub) -> None:
    assert hub.ask(b"GET " + PREFIX + b"ok HTTP/1.1\nHost: x\nCookie: hub=alice\n\n").status == 400


def test_a_request_without_host_is_refused(spliced: Hub) -> None:
    assert spliced.ask(b"GET " + PREFIX + b"ok HTTP/1.1\r\nCookie: hub=alice\r\n\r\n").status == 400


def test_a_body_of_a_get_is_a_body_and_no_second_request(hub: Hub) -> None:
    hub.seen()
    extra = b"Content-Length: %d\r\n" % len(HIDDEN)
    with hub.connect() as connection:
        assert connection.send(hub.head(b"up", extra=extra) + HIDDEN).reply().body == b"%d" % len(HIDDEN)
    assert len(hub.seen()) == 1


def test_trailers_do_not_become_headers(hub: Hub) -> None:
    """A server that adds trailers to the head would let ``X-Remote-User`` in behind the judge's back."""
    for target in (b"/hub/headers", API + b"headers"):
        body = b"1\r\nx\r\n0\r\nX-Remote-User: prof\r\nMarimo-Late: 1\r\n\r\n"
        reply = hub.ask(hub.head(target, b"POST", b"Transfer-Encoding: chunked\r\n") + body)
        assert reply.status == (200 if hub.variant == "protocol" else 411)
        assert b"prof" not in reply.body and b"marimo-late" not in reply.body.lower()


@pytest.mark.parametrize("target", [b"http://evil.example", b"https://evil.example", b"ftp://x"])
def test_an_absolute_target_of_another_host_is_refused(spliced: Hub, target: bytes) -> None:
    assert spliced.ask(spliced.head(target + PREFIX + b"headers")).status in (400, 403)


def test_an_absolute_target_of_this_host_is_served(hub: Hub) -> None:
    reply = hub.get(hub.origin + PREFIX + b"headers")
    assert reply.status == 200
    assert reply.body.startswith(b"GET " + PREFIX + b"headers HTTP/1.1\r\n")


@pytest.mark.parametrize(("method", "target"), [(b"CONNECT", b"127.0.0.1:22"), (b"TRACE", PREFIX + b"ok")])
def test_methods_that_make_a_proxy_of_us_are_refused(hub: Hub, method: bytes, target: bytes) -> None:
    hub.seen()
    with hub.connect(seconds=3) as connection:
        connection.send(hub.head(target, method))
        assert connection.reply(head_only=True).status in (400, 405, 501) or hub.variant == "asgi"
    assert hub.seen() == []


def test_encoded_line_breaks_in_a_target_stay_encoded(hub: Hub) -> None:
    body = hub.get(b"headers?a=%0d%0aX-Injected:%201").body
    assert b"headers?a=%0d%0aX-Injected:%201 HTTP/1.1\r\n" in body
    assert b"\nX-Injected" not in body


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        (b"X-Big: " + b"a" * 200_000 + b"\r\n", 431),
        (b"".join(b"X-%d: a\r\n" % i for i in range(5000)), 431),
        (b"".join(b"X-%d: a\r\n" % i for i in range(101)), 431),
    ],
    ids=["one huge field", "5000 fields", "one field too many"],
)
def test_a_head_has_a_size(hub: Hub, extra: bytes, status: int) -> None:
    with hub.connect() as connection:
        assert connection.send(hub.head(b"ok", extra=extra)).reply().status == status


def test_a_target_has_a_size(hub: Hub) -> None:
    assert hub.get(b"x?" + b"a" * 20_000).status == 414


def test_an_endless_header_is_cut_off_with_flat_memory(spliced: Hub) -> None:
    before = spliced.rss()
    sent = 0
    with spliced.connect() as connection, pytest.raises(OSError):
        connection.send(b"GET " + PREFIX + b"ok HTTP/1.1\r\nHost: x\r\nX-A: ")
        while sent < 64 << 20:
            connection.send(b"a" * 65536)
            sent += 65536
    assert sent < 32 << 20
    assert spliced.rss() - before < 8 << 20


def test_the_hubs_own_paths_stay_the_hubs(hub: Hub) -> None:
    assert hub.get(b"/hub/whoami").json() == {"user": "alice", "path": "/hub/whoami"}
    assert hub.get(b"/edit/user/alice").json()["path"] == "/edit/user/alice"


def test_requests_for_sessions_and_hub_mix_on_one_connection_in_order(hub: Hub) -> None:
    requests = [hub.head(b"ok"), hub.head(b"/hub/whoami"), hub.post(b"up", b"1234"), hub.head(b"/hub/whoami")]
    with hub.connect() as connection:
        connection.send(b"".join(requests))
        bodies = [connection.reply().body for _ in requests]
    assert bodies[0] == b"ok" and bodies[2] == b"4"
    assert b"alice" in bodies[1] and b"alice" in bodies[3]


def test_twenty_pipelined_requests_are_answered_in_order(hub: Hub) -> None:
    with hub.connect() as connection:
        connection.send(b"".join(hub.head(b"sized?n=%d" % n) for n in range(20)))
        assert [len(connection.reply().body) for _ in range(20)] == list(range(20))


def test_what_came_before_a_broken_request_is_still_answered(spliced: Hub) -> None:
    with spliced.connect() as connection:
        connection.send(spliced.head(b"ok") + spliced.head(b"ok") + b"\0\1\2 garbage\r\n\r\n")
        assert [connection.reply().status for _ in range(3)] == [200, 200, 400]
        assert connection.ended()


def test_a_request_head_must_arrive_in_time(hasty: Hub) -> None:
    with hasty.connect() as connection:
        assert connection.send(b"GET " + PREFIX + b"ok HTTP/1.1\r\nHost:").reply().status == 408
        assert connection.ended()


def test_a_connection_that_never_asks_is_closed(hasty: Hub) -> None:
    with hasty.connect() as connection:
        connection.rest()


def test_empty_lines_do_not_keep_a_connection_open(hasty: Hub) -> None:
    with hasty.connect() as connection:
        connection.send(hasty.head(b"ok")).reply()
        connection.send(b"\r\n").rest()


def test_a_slow_answer_is_not_taken_for_a_slow_request(hasty: Hub) -> None:
    """The clock for heads stands still while a request is being answered."""
    with hasty.connect() as connection:
        connection.send(hasty.head(b"held"))
        connection.until(b"first\n\n")
        with hasty.connect(seconds=3) as other:  # longer than every time-out
            other.rest()
        hasty.session(b"release")
        assert connection.rest_of_chunks() == b"last\n\n"


def test_half_a_connection_still_gets_its_answer(spliced: Hub) -> None:
    import socket

    with spliced.connect() as connection:
        connection.send(spliced.head(b"sized?n=3000000"))
        connection.socket.shutdown(socket.SHUT_WR)
        reply = connection.reply()
        assert len(reply.body) == 3_000_000
        assert connection.ended()


def test_half_a_connection_does_not_hold_a_session_for_ever(hasty: Hub) -> None:
    import socket

    with hasty.connect() as connection:
        connection.send(hasty.head(b"hang"))
        connection.socket.shutdown(socket.SHUT_WR)
        assert not connection.rest().startswith(b"HTTP/1.1 200")
