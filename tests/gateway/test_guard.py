"""The rules for request heads, one at a time."""

from __future__ import annotations

import pytest

from mograder.errors import Malformed
from mograder.hub.gateway.guard import HeadGuard
from mograder.hub.gateway.options import Limits

Fields = list[tuple[bytes, bytes]]
HOST = (b"host", b"h")


def guard(*fields: tuple[bytes, bytes]) -> HeadGuard:
    result = HeadGuard(Limits())
    for name, value in fields:
        result.field(name, value)
    return result


def test_a_good_head_leaves_its_framing() -> None:
    good = guard(HOST, (b"content-length", b"12"))
    assert good.complete("1.1", b"/x") == b"/x"
    assert (good.length, good.chunked, good.has_body) == (12, False, True)
    assert guard(HOST, (b"transfer-encoding", b" Chunked ")).chunked
    assert not guard((b"content-length", b"0")).has_body


@pytest.mark.parametrize(
    "fields",
    [
        [(b"content-length", b"5"), (b"content-length", b"5")],
        [(b"content-length", b"5,5")],
        [(b"content-length", b"+5")],
        [(b"content-length", b"\xd9\xa5")],
        [(b"content-length", b"1" * 19)],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"host", b"a"), (b"host", b"a")],
        [(b"x", b"a\nb")],
        [(b"x", b"a\rb")],
        [(b"x", b"a\0b")],
    ],
)
def test_a_field_with_two_meanings_is_refused(fields: Fields) -> None:
    with pytest.raises(Malformed):
        guard(*fields)


@pytest.mark.parametrize(
    ("version", "fields", "url", "status"),
    [
        ("1.1", [HOST, (b"content-length", b"5"), (b"transfer-encoding", b"chunked")], b"/", 400),
        ("1.0", [(b"transfer-encoding", b"chunked")], b"/", 400),
        ("1.1", [], b"/", 400),
        ("2.0", [HOST], b"/", 505),
        ("0.9", [], b"/", 505),
        ("1.1", [HOST], b"http://i/x", 400),
        ("1.1", [HOST], b"ftp://h/x", 400),
        ("1.1", [HOST], b"h:80", 400),
        ("1.1", [HOST], b"", 400),
    ],
)
def test_a_whole_head_is_judged(version: str, fields: Fields, url: bytes, status: int) -> None:
    judged = guard(*fields)
    with pytest.raises(Malformed):
        judged.complete(version, url)
    assert judged.refusal is not None and judged.refusal.status == status


def test_an_absolute_target_becomes_a_path() -> None:
    assert guard((b"host", b"H:80")).complete("1.1", b"http://h:80/a/b?c") == b"/a/b?c"
    assert guard(HOST).complete("1.1", b"https://h") == b"/"
    assert guard(HOST).complete("1.1", b"*") == b"*"


def test_sizes_add_up() -> None:
    small = HeadGuard(Limits(head=30, headers=2, target=5))
    small.target(b"12345")
    with pytest.raises(Malformed):
        small.target(b"6")
    assert small.refusal is not None and small.refusal.status == 414
    with pytest.raises(Malformed):
        HeadGuard(Limits(head=10)).field(b"name", b"value")


def test_fields_are_counted() -> None:
    crowded = guard(*[(b"x", b"")] * 100)
    with pytest.raises(Malformed):
        crowded.field(b"x", b"")
    assert crowded.refusal is not None and crowded.refusal.status == 431
