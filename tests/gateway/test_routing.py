"""Which targets name a session, and which one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.hub.gateway.model import Refusal, Route
from mograder.hub.gateway.names import is_plain_name
from mograder.hub.gateway.routing import Place, Router

ROUTER = Router(is_plain_name)


@pytest.mark.parametrize(
    ("target", "route", "rest"),
    [
        (b"/edit/user/alice/A1/", Route("edit", "alice", "A1"), b""),
        (b"/run/user/bob/L1/ws?a=/x/y", Route("run", "bob", "L1"), b"ws?a=/x/y"),
        (b"/edit/user/m%C3%BCller/A1/a/b", Route("edit", "m\xfcller", "A1"), b"a/b"),
        (b"/edit/user/user/edit/?x", Route("edit", "user", "edit"), b"?x"),
    ],
)
def test_a_session_path_is_taken_apart(target: bytes, route: Route, rest: bytes) -> None:
    assert ROUTER.find(target) == Place(route, rest)


OTHERS = [b"/", b"/edit/A1", b"/edit/A1/", b"/edit/user/alice", b"/edits/user/a/b/", b"//edit/user/a/b/"]
OTHERS += [b"/Edit/user/a/b/", b"/x/edit/user/a/b/", b"/%65dit/user/a/b/", b"/edit%2fuser/a/b/", b"*", b""]


@pytest.mark.parametrize("target", [*OTHERS, b"/?/edit/user/a/b/"])
def test_everything_else_is_the_hubs(target: bytes) -> None:
    assert ROUTER.find(target) is None


@pytest.mark.parametrize(
    "target",
    [
        b"/edit/user/../a/",
        b"/edit/user/a/../x",
        b"/edit/user//b/",
        b"/edit/user/a//x",
        b"/edit/user/a%2fb/c/",
    ],
)
def test_a_path_with_an_impossible_name_is_nobodys(target: bytes) -> None:
    answer = ROUTER.find(target)
    assert isinstance(answer, Refusal) and answer.status == 404


def test_the_hub_has_the_last_word_on_names() -> None:
    router = Router(lambda name: name != "user")
    assert isinstance(router.find(b"/edit/user/user/A1/"), Refusal)
    assert isinstance(router.find(b"/edit/user/alice/A1/"), Place)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/edit/user/alice/A1", b"../alice/A1/"),
        (b"/edit/user/alice/A1?a=b", b"../alice/A1/?a=b"),
        (b"/edit/user/%61lice/A1/", b"../../alice/A1/"),
        (b"/edit/user/mu%CC%88ller/A1/?x", b"../../m%C3%BCller/A1/?x"),
        (b"/edit/user/a%40b/A1", b"../a@b/A1/"),
    ],
)
def test_a_mistyped_address_leads_to_the_right_one(target: bytes, location: bytes) -> None:
    answer = ROUTER.find(target)
    assert isinstance(answer, Refusal) and answer.headers == ((b"location", location),)


def test_a_hub_may_live_under_a_path() -> None:
    router = Router(is_plain_name, "/my.hub")
    assert router.find(b"/my.hub/edit/user/a/b/c") == Place(Route("edit", "a", "b"), b"c")
    assert router.find(b"/edit/user/a/b/c") is None
    assert router.find(b"/myxhub/edit/user/a/b/c") is None


@given(st.binary(max_size=60))
def test_no_target_makes_it_raise_or_leave_its_own_site(rest: bytes) -> None:
    for start in (b"", b"/edit/user/", b"/edit/user/alice/", b"/edit/user/alice/A1"):
        answer = ROUTER.find(start + rest)
        if isinstance(answer, Refusal) and answer.headers:
            location = answer.headers[0][1]
            assert location.startswith(b"../") and b"//" not in location.partition(b"?")[0]
