"""The two heads of a WebSocket handshake."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.errors import Malformed
from mograder.hub.gateway.handshake import Answer, accept_for, is_granted, parse_answer, refused_request

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455, 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
GOOD = [(b"sec-websocket-version", b"13"), (b"sec-websocket-key", KEY)]


def test_the_example_of_the_standard_holds() -> None:
    assert accept_for(KEY) == ACCEPT


def test_a_proper_request_passes() -> None:
    assert refused_request("GET", GOOD) is None


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", GOOD, 405),
        ("GET", GOOD[1:], 426),
        ("GET", [*GOOD, GOOD[0]], 426),
        ("GET", [(b"sec-websocket-version", b"8"), GOOD[1]], 426),
        ("GET", GOOD[:1], 400),
        ("GET", [*GOOD, GOOD[1]], 400),
        ("GET", [GOOD[0], (b"sec-websocket-key", b"short")], 400),
    ],
)
def test_an_improper_request_is_refused(method: str, headers: list[tuple[bytes, bytes]], status: int) -> None:
    refusal = refused_request(method, headers)
    assert refusal is not None and refusal.status == status


def test_an_answer_is_read() -> None:
    answer = parse_answer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nX:  a:b ")
    assert answer == Answer(101, [(b"upgrade", b"WebSocket"), (b"x", b"a:b")])


NO_ANSWERS = [b"", b"HTTP/1.0 101 X", b"HTTP/1.1 10", b"HTTP/1.1 1010 X", b"HTTP/1.1  101", b"SSH-2.0"]
NO_ANSWERS += [
    b"HTTP/1.1 101 X\r\n" + line for line in (b"broken", b": v", b"A : v", b" A: v", b"A: b\nC: d")
]


@pytest.mark.parametrize("head", NO_ANSWERS)
def test_an_answer_that_is_not_http_is_refused(head: bytes) -> None:
    with pytest.raises(Malformed):
        parse_answer(head)


def granted(status: int = 101, *, upgrade: bytes = b"websocket", accept: bytes = ACCEPT) -> bool:
    return is_granted(Answer(status, [(b"upgrade", upgrade), (b"sec-websocket-accept", accept)]), KEY)


def test_only_the_right_answer_opens_the_tunnel() -> None:
    assert granted() and granted(upgrade=b"WebSocket")
    assert not granted(200) and not granted(upgrade=b"h2c") and not granted(accept=b"AAAA")
    twice = [(b"upgrade", b"websocket"), (b"sec-websocket-accept", ACCEPT), (b"sec-websocket-accept", ACCEPT)]
    assert not is_granted(Answer(101, twice), KEY)


@given(st.binary(max_size=100))
def test_no_answer_makes_the_reader_fail_otherwise(head: bytes) -> None:
    for start in (b"", b"HTTP/1.1 101 ", b"HTTP/1.1 101 X\r\n"):
        with contextlib.suppress(Malformed):
            parse_answer(start + head)
