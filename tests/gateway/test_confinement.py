"""Cookies and redirects of a session (`headers`): bound to its own path, whatever they are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.errors import Malformed
from mograder.hub.gateway.headers import confine_cookie, confine_location
from tests.gateway.test_headers import NAMES, PREFIX, URL, down, up

BOUND = b"; Path=" + PREFIX + b"; HttpOnly; SameSite=Lax; Secure"


@pytest.mark.parametrize(
    ("value", "confined"),
    [
        (b"session_1=x", b"session_1=x"),
        (
            b"session=x; Domain=example; Path=/; Max-Age=60; SameSite=None; Partitioned",
            b"session=x; Max-Age=60",
        ),
        (
            b"session=x; expires=Wed, 21 Oct 2026 07:28:00 GMT",
            b"session=x; expires=Wed, 21 Oct 2026 07:28:00 GMT",
        ),
    ],
)
def test_a_cookie_is_bound_to_its_session(value: bytes, confined: bytes) -> None:
    assert confine_cookie(value, PREFIX, NAMES, secure=True) == confined + BOUND
    assert confine_cookie(value, PREFIX, NAMES, secure=False) == (confined + BOUND).removesuffix(b"; Secure")


NOT_SET = [
    b"mograder_hub=x; Path=/",
    b"__Host-session=x",
    b"session",
    b"",
    b"=x",
    b"Session=x",
    b"session =x",
]
NOT_SET += [b"session=a,b", b"session=a\tb", b"session=a b", b"session=" + b"x" * 5000, b"session_\xff=x"]


@pytest.mark.parametrize("value", NOT_SET)
def test_a_cookie_that_is_not_marimos_is_not_set(value: bytes) -> None:
    assert confine_cookie(value, PREFIX, NAMES, secure=False) is None


@pytest.mark.parametrize(
    ("value", "lands"),
    [
        (b"x", b"/edit/user/m%C3%BCller/A1/a/x"),
        (b"?q=1#f", b"/edit/user/m%C3%BCller/A1/a/b?q=1#f"),
        (b"/edit/user/m%c3%bcller/A1/", b"/edit/user/m%c3%bcller/A1/"),
        (b"https://hub.example/edit/user/m%C3%BCller/A1/?file=x", b"/edit/user/m%C3%BCller/A1/?file=x"),
        (b"//HUB.example/edit/user/m%C3%BCller/A1/z", b"/edit/user/m%C3%BCller/A1/z"),
        (b"../c", b"/edit/user/m%C3%BCller/A1/c"),
    ],
)
def test_a_redirect_inside_is_made_a_path(value: bytes, lands: bytes) -> None:
    assert confine_location(value, URL, PREFIX) == lands


OWN = PREFIX
OUTSIDE = [
    b"/",
    b"/hub",
    OWN[:-1],
    b"/edit/user/m%C3%BCller/A11/",
    b"../../../x/",
    b"../..",
    b"//evil.example" + OWN,
]
OUTSIDE += [b"https://evil.example/", b"http://hub.example" + OWN, b"https://hub.example:444" + OWN]
OUTSIDE += [
    b"https://u@hub.example" + OWN,
    b"javascript:alert(1)",
    b"data:text/html,x",
    b"\\\\evil",
    b"/\\evil",
]
OUTSIDE += [
    OWN + b"%2e%2e/B",
    OWN + b"..%2fB",
    OWN + b"%5c..%5cB",
    b" /hub",
    b"x y",
    b"x\ty",
    b"",
    b"\xff",
    OWN + b"\x7f",
]
OUTSIDE += [b"https:/hub", b"///evil.example", b"http:evil", b"//[", OWN + b"\x7f"]


@pytest.mark.parametrize("value", OUTSIDE)
def test_a_redirect_outside_or_in_doubt_is_refused(value: bytes) -> None:
    with pytest.raises(Malformed):
        confine_location(value, URL, PREFIX)


@given(st.binary(max_size=60))
def test_no_redirect_leaves_whatever_it_is_made_of(value: bytes) -> None:
    for start in (b"", PREFIX, b"https://hub.example", b"//hub.example/", b".."):
        try:
            lands = confine_location(start + value, URL, PREFIX)
        except Malformed:
            continue
        path = lands.lower().replace(b"%2e", b".").partition(b"?")[0].partition(b"#")[0]
        assert path.startswith(PREFIX.lower()) and b"/../" not in path


printable = st.binary(max_size=20).map(lambda b: bytes(c for c in b if c >= 32 and c != 127))
fields = st.lists(st.tuples(st.from_regex(rb"[a-z_-]{1,20}", fullmatch=True), printable), max_size=20)


@given(fields)
def test_no_header_is_ever_invented(headers: list[tuple[bytes, bytes]]) -> None:
    added = {b"host", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"}
    names = {name for name, _ in headers}
    assert {name for name, _ in up(*headers)} <= names | added
    try:
        assert {name for name, _ in down(*headers)} <= names
    except Malformed:
        assert b"location" in names
