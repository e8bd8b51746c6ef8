"""The way to the login: known if it is configured, and back to nowhere but the hub."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.config import HubSection
from mograder.errors import ConfigError
from mograder.hub.app import Hub
from mograder.hub.gateway.model import Refusal, RequestHead, Route
from mograder.hub.sign_in import way_to_login
from tests.hub.test_guards import ask, hub, word

__all__ = ["hub"]  # a fixture

LOGIN = "/oauth2/start?rd={target}"
KEY = f'login_url = "{LOGIN}"\n'
ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/",
    "javascript:alert(1)",
    "/a b",
    "/\r\nSet-Cookie: a=b",
    "/\u2028",
    "",
    "evil",
    "/" + "a" * 5000,
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_the_way_back_leads_nowhere_else(target: str) -> None:
    assert way_to_login(LOGIN, target) == "/oauth2/start?rd=%2F"


@given(st.text())
def test_no_target_adds_anything_to_the_address(target: str) -> None:
    before, _, back = way_to_login(LOGIN, target).partition("?rd=")
    assert before == "/oauth2/start"
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", back)
    assert re.match(r"/(?![/\\])", unquote(back) + " ")


def test_the_way_back_is_the_path_that_was_asked_for() -> None:
    assert way_to_login(LOGIN, "/edit/A1?x=1&y=%2F") == "/oauth2/start?rd=%2Fedit%2FA1%3Fx%3D1%26y%3D%252F"
    assert way_to_login("https://login.example.edu/", "/edit/A1") == "https://login.example.edu/"
    assert way_to_login("", "/edit/A1") == ""


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "login", "ftp://x/", "https://x /", "data:text/html,x"]
)
def test_the_login_is_a_path_or_a_web_address(url: str) -> None:
    with pytest.raises((ConfigError, ValueError)):
        HubSection.model_validate({"login_url": url})


@pytest.mark.parametrize("hub", [KEY], indirect=True)
def test_a_stranger_is_shown_the_way_and_a_program_is_not(hub: Hub) -> None:
    page, other, program = ask(
        hub,
        ("GET", "/edit/A1-Answer?from=mail", {"headers": {"Accept": "text/html"}}),
        ("POST", "/reset/alice/A1-Answer", {"headers": {"Accept": "text/html"}}),
        ("GET", "/edit/A1-Answer", {}),
        user=None,
    )
    assert page.status_code == other.status_code == program.status_code == 401
    link = '<a class="first" href="/oauth2/start?rd={}">Sign in</a>'
    assert link.format("%2Fedit%2FA1-Answer%3Ffrom%3Dmail") in unescape(page.text)
    assert link.format("%2F") in unescape(other.text)  # a change is not repeated by itself
    assert "oauth2" not in program.text


def test_without_a_login_that_is_known_no_way_is_shown(hub: Hub) -> None:
    (page,) = ask(hub, ("GET", "/edit/A1-Answer", {"headers": {"Accept": "text/html"}}), user=None)
    assert page.status_code == 401
    assert "Sign in</a>" not in page.text
    assert "Back to the course" not in page.text  # it would be this page again
    assert '<a class="first" href="">Try again</a>' in page.text


@pytest.mark.parametrize("hub", [KEY], indirect=True)
def test_before_a_notebook_the_way_is_shown_too(hub: Hub) -> None:
    def knock(target: bytes) -> str:
        head = RequestHead("GET", target, [(b"accept", b"text/html")], "127.0.0.1", "http", False)
        answer = hub.door.admit(Route("edit", "alice", "A1-Answer"), head)
        assert isinstance(answer, Refusal) and answer.status == 401
        return unescape(answer.body.decode())

    notebook = b"/edit/user/alice/A1-Answer/"
    assert 'href="/oauth2/start?rd=%2Fedit%2Fuser%2Falice%2FA1-Answer%2F">Sign in' in knock(notebook)


OUT = 'logout_url = "/oauth2/sign_out"\n'
ASKED = [
    "",
    "?next=//evil.example",
    "?logout_url=https://evil.example",
    "?onward=///evil.example",
    "?rd=/\\evil.example",
]


@pytest.mark.parametrize("hub", [OUT], indirect=True)
@pytest.mark.parametrize("asked", ASKED)
def test_signing_out_goes_on_to_where_it_is_configured_and_nowhere_else(hub: Hub, asked: str) -> None:
    form = {"headers": {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}, "data": {"csrf": word(hub)}}
    (page,) = ask(hub, ("POST", f"/logout{asked}", form))
    assert page.status_code == 200
    assert page.headers["Refresh"] == "0; url=/oauth2/sign_out"
    assert "evil" not in page.text + str(page.headers)


@pytest.mark.parametrize("asked", ASKED)
def test_signing_out_goes_nowhere_where_nothing_is_configured(hub: Hub, asked: str) -> None:
    form = {"headers": {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}, "data": {"csrf": word(hub)}}
    (page,) = ask(hub, ("POST", f"/logout{asked}", form))
    assert page.status_code == 200
    assert "Refresh" not in page.headers and "Location" not in page.headers
    assert "evil" not in page.text


@pytest.mark.parametrize("path", ["/logout", "/account/sign-out-everywhere"])
@pytest.mark.parametrize("cookie", ["", "mograder_hub=one-that-ended-long-ago"])
def test_who_signs_out_by_a_request_that_signs_them_in_is_out(hub: Hub, path: str, cookie: str) -> None:
    """Their login here had run out; what the login proxy says begins one with every request."""
    fields = {"Cookie": cookie} if cookie else {}
    (answer,) = ask(hub, ("POST", path, {"headers": fields}))
    assert answer.status_code == 200
    (kept,) = answer.headers.get_list("Set-Cookie")
    assert kept.startswith("mograder_hub=;") and "Max-Age=0" in kept
    assert hub.app.state.logins.of("alice") == []


TRICKS = [
    "//evil.example",
    "///evil.example",
    "////evil.example/%2f..",
    "/\\evil.example",
    "/%5cevil.example",
    "/%2fevil.example",
]


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("below", ["", "/edit", "/run", "/hand-off"])
def test_no_odd_address_leads_to_another_host(hub: Hub, below: str, path: str) -> None:
    """What an address with too many slashes is answered by is no redirect to what a browser reads as a host."""
    for tail in ("", "/", "/A1-Answer"):
        for answer in ask(hub, ("GET", "/", {}), ("GET", f"http://hub{below}{path}{tail}", {})):
            location = answer.headers.get("Location", "")
            assert not re.match(r"([a-z]+:)?[/\\]{2}(?!hub/)", location), location
