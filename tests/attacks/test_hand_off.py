"""Attacks on the way from the hub to its content host, by somebody who crafts requests: tickets, cookies, hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mograder.hub.identity import tokens
from mograder.hub.identity.model import Role
from tests.attacks.content_hosts import ITEM, SECRET, Apart, hub_apart
from tests.support.hub import by_proxy

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=["owners", "host", "port below"])
def hub(request: pytest.FixtureRequest, course_root: Path) -> Iterator[Apart]:
    with hub_apart(course_root / f"handed-over-{request.param.replace(' ', '-')}", request.param) as up:
        up.start("alice")
        up.start("bob")
        yield up


class Way:
    """One hand-off, step by step. The jar is a browser's of one user."""

    def __init__(self, hub: Apart, user: str, page: str | None = None) -> None:
        self.hub = hub
        self.page = page or hub.page(user)
        self.hubs_cookie = hub.signed_in(user)
        begun = hub.ask(self.page)
        assert begun.status_code == 303, begun.text
        self.to_hub = begun.headers["location"]
        self.word = dict(begun.cookies)
        self.begun = begun

    def ticket(self, **headers: str) -> httpx.Response:
        return self.hub.ask(self.to_hub, cookies=self.hubs_cookie, **headers)

    def land(self, url: str, cookies: dict[str, str] | None = None) -> httpx.Response:
        return self.hub.ask(url, cookies=self.word if cookies is None else cookies)

    def cookie(self) -> dict[str, str]:
        """The whole way; the content host's cookie."""
        landed = self.land(self.ticket().headers["location"])
        assert landed.status_code == 303, landed.text
        return {"mograder_content": set_cookies(landed)["mograder_content"][0]}


def set_cookies(answer: httpx.Response) -> dict[str, tuple[str, str]]:
    """Value and attributes of each cookie that an answer sets."""
    found = {}
    for line in answer.headers.get_list("set-cookie"):
        pair, _, attributes = line.partition("; ")
        name, _, value = pair.partition("=")
        found[name] = (value, attributes)
    return found


def test_the_way_leads_to_the_notebook_with_a_cookie_for_its_path_alone(hub: Apart) -> None:
    way = Way(hub, "alice")
    assert way.to_hub.startswith(f"{hub.hub_url}hand-off/edit/user/alice/{ITEM}?state=")
    given = way.ticket()
    assert given.status_code == 303
    assert (given.headers["referrer-policy"], given.headers["cache-control"]) == ("no-referrer", "no-store")
    assert given.headers["location"].startswith(f"{hub.page('alice')}_hub/hand-off?ticket=")
    landed = way.land(given.headers["location"])
    assert landed.headers["location"] == f"{hub.below}/edit/user/alice/{ITEM}/"
    value, attributes = set_cookies(landed)["mograder_content"]
    assert attributes == f"Path={hub.below}/edit/user/alice/{ITEM}/; HttpOnly; SameSite=Lax"
    assert hub.ask(hub.page("alice"), cookies={"mograder_content": value}).status_code == 200


def test_the_hub_leads_from_its_own_address_of_a_notebook_to_the_content_host(hub: Apart) -> None:
    answer = hub.ask(f"{hub.hub_url}edit/user/alice/{ITEM}/?x=1", cookies=hub.signed_in("alice"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{hub.page('alice')}?x=1")


def test_a_ticket_is_worth_nothing_twice(hub: Apart) -> None:
    way = Way(hub, "alice")
    ticket = way.ticket().headers["location"]
    assert way.land(ticket).status_code == 303
    assert way.land(ticket).status_code == 403


def test_a_ticket_is_worth_nothing_in_another_browser(hub: Apart) -> None:
    """A link with alice's ticket must not make bob work in her notebook."""
    ticket = Way(hub, "alice").ticket().headers["location"]
    assert hub.ask(ticket).status_code == 403
    assert Way(hub, "bob").land(ticket).status_code == 403
    for word in ("", "x", "a" * 32):
        assert hub.ask(ticket, cookies={"mograder_on_the_way": word}).status_code == 403


def test_a_ticket_opens_nobody_elses_notebook(hub: Apart) -> None:
    way = Way(hub, "alice")
    ticket = way.ticket().headers["location"]
    query = ticket.partition("?")[2]
    for elsewhere in (
        f"{hub.page('bob')}_hub/hand-off?{query}",
        f"{hub.root('alice')}/run/user/alice/{ITEM}/_hub/hand-off?{query}",
        f"{hub.root('alice')}/validate-report/alice/{ITEM}/_hub/hand-off?{query}",
    ):
        assert way.land(elsewhere).status_code == 403


def test_two_tabs_at_once_arrive_both(hub: Apart) -> None:
    way = Way(hub, "alice")
    second = hub.ask(way.page, cookies=way.word)
    assert second.headers["location"] == way.to_hub
    first_ticket, second_ticket = (way.ticket().headers["location"] for _ in range(2))
    cookie = set_cookies(way.land(first_ticket))["mograder_content"][0]
    late = way.land(second_ticket, {"mograder_content": cookie})
    assert (late.status_code, late.headers["location"]) == (303, f"{hub.below}/edit/user/alice/{ITEM}/")


@pytest.mark.parametrize("dest", ["iframe", "image", "empty", "script", "object", "worker"])
def test_only_a_window_is_handed_over(hub: Apart, dest: str) -> None:
    way = Way(hub, "alice")
    assert way.ticket(**{"Sec-Fetch-Dest": dest}).status_code == 403
    assert hub.ask(way.page, **{"Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "same-origin"}).status_code == 401


def test_nobody_is_handed_over_who_is_not_signed_in_or_came_with_a_token(hub: Apart) -> None:
    way = Way(hub, "alice")
    assert hub.ask(way.to_hub).status_code == 401
    bearer = {"Authorization": f"Bearer {tokens.make(SECRET, 'alice', Role.STUDENT)}"}
    assert hub.ask(way.to_hub, **bearer).status_code == 403


def test_nobody_is_handed_over_to_another_students_notebook(hub: Apart) -> None:
    alices = Way(hub, "alice", hub.page("bob"))
    assert alices.ticket().status_code == 403


def test_an_instructor_is_handed_over_where_cookies_are_apart_and_the_student_hears_of_it(hub: Apart) -> None:
    way = Way(hub, "prof", hub.page("bob"))
    given = way.ticket()
    if hub.mode == "port":
        assert given.status_code == 403
        return
    cookie = {"mograder_content": set_cookies(way.land(given.headers["location"]))["mograder_content"][0]}
    assert hub.ask(hub.page("bob"), cookies=cookie).status_code == 200
    assert "prof" in hub.ask(hub.hub_url, cookies=hub.signed_in("bob")).text
    assert hub.ask(hub.page("alice"), cookies=cookie).status_code == 303  # bob's alone


@pytest.mark.parametrize("tail", ["", "?state=", "?state=" + "g" * 64, "?state=" + "a" * 63, "?state[]=x"])
def test_the_hub_hands_nobody_over_without_a_state(hub: Apart, tail: str) -> None:
    answer = hub.ask(f"{hub.hub_url}hand-off/edit/user/alice/{ITEM}{tail}", cookies=hub.signed_in("alice"))
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "hand-off//evil.example",
        "hand-off/edit/user/alice/..%2f..%2fevil?state=" + "a" * 64,
        "hand-off/edit/user/alice@evil.example/A1-Answer?state=" + "a" * 64,
        "hand-off/https:/evil.example?state=" + "a" * 64,
        "hand-off/edit/user/alice/A1-Answer?state=" + "a" * 64 + "&to=//evil.example",
        "edit/user/alice/A1-Answer/%0d%0aSet-Cookie:a=b",
        "edit/user/alice/A1-Answer/@evil.example",
    ],
)
def test_no_way_leads_anywhere_else(hub: Apart, path: str) -> None:
    answer = hub.ask(f"{hub.hub_url}{path}", cookies=hub.signed_in("alice"))
    location = answer.headers.get("location")
    assert location is None or re.match(r"http://[a-z0-9.]*(course|elsewhere)\.localhost:\d+/", location), (
        location
    )
    assert "a=b" not in str(answer.headers.get("set-cookie"))


def test_the_hubs_cookie_is_worth_nothing_at_the_content_host(hub: Apart) -> None:
    hubs = hub.signed_in("alice")
    for cookies in (
        hubs,
        {"mograder_content": next(iter(hubs.values()))},
        {"__Secure-mograder_content": "x"},
    ):
        assert hub.ask(hub.page("alice"), cookies=cookies).status_code == 303
        assert (
            hub.ask(f"{hub.page('alice')}api/status/connections", cookies=cookies, Accept="*/*").status_code
            == 401
        )
        assert hub.ask(f"{hub.page('alice')}_hub/events", cookies=cookies, Accept="*/*").status_code == 401


def test_nor_is_the_proxys_word_or_a_token(hub: Apart) -> None:
    bearer = {"Authorization": f"Bearer {tokens.make(SECRET, 'alice', Role.STUDENT)}"}
    for fields in (by_proxy("alice"), bearer):
        answer = hub.ask(f"{hub.page('alice')}api/status/connections", **{**fields, "Accept": "*/*"})
        assert answer.status_code == 401


def test_the_content_cookie_is_worth_nothing_at_the_hub(hub: Apart) -> None:
    value = Way(hub, "alice").cookie()["mograder_content"]
    for name in ("mograder_content", *hub.signed_in("alice"), "__Host-Http-mograder_hub"):
        assert hub.ask(f"{hub.hub_url}assignments", cookies={name: value}, Accept="*/*").status_code == 401
    bearer = {"Authorization": f"Bearer {value}", "Accept": "*/*"}
    assert hub.ask(f"{hub.hub_url}assignments", **bearer).status_code == 401


def test_a_cookie_for_one_notebook_opens_no_other(hub: Apart) -> None:
    cookie = Way(hub, "alice").cookie()
    for url in (hub.page("bob"), hub.page("alice", "L01-Intro").replace("/edit/", "/run/")):
        assert hub.ask(f"{url}api/status/connections", cookies=cookie, Accept="*/*").status_code == 401
    report = f"{hub.root('alice')}/validate-report/alice/{ITEM}"
    assert hub.ask(report, cookies=cookie).status_code == 303
    if hub.mode == "owners":
        astray = hub.root("bob") + f"/edit/user/alice/{ITEM}/"
        assert hub.ask(astray, cookies=cookie).status_code == 404


def test_a_foreign_cookie_beside_ones_own_changes_nothing(hub: Apart) -> None:
    """A page on the same site can add cookies; it can neither shut anybody out nor make them somebody else."""
    bobs, alices = Way(hub, "bob").cookie(), Way(hub, "alice").cookie()["mograder_content"]
    beside = {
        "mograder_content": f"x; mograder_content={alices}; mograder_content={bobs['mograder_content']}"
    }
    assert hub.ask(hub.page("bob"), cookies=beside).status_code == 200


def test_who_signs_out_at_the_hub_is_out_at_the_content_host(hub: Apart) -> None:
    way = Way(hub, "alice")
    cookie = way.cookie()
    assert hub.ask(way.page, cookies=cookie).status_code == 200
    out = hub.ask(f"{hub.hub_url}logout", method="POST", cookies=way.hubs_cookie, Accept="application/json")
    assert out.status_code == 200
    assert hub.ask(way.page, cookies=cookie).status_code == 303
    assert hub.ask(f"{way.page}api/status/connections", cookies=cookie, Accept="*/*").status_code == 401


def test_the_next_person_at_a_shared_computer_is_not_the_one_before(hub: Apart) -> None:
    way = Way(hub, "alice")
    cookie = way.cookie()
    hub.ask(hub.hub_url, cookies=way.hubs_cookie, **by_proxy("bob"))  # bob logs in where alice sat
    assert hub.ask(way.page, cookies=cookie).status_code == 303
    fresh = Way(hub, "alice").cookie()
    assert hub.ask(way.page, cookies=fresh, **by_proxy("bob")).status_code == 303  # as far as the proxy tells
    assert hub.ask(way.page, cookies=fresh).status_code == 200


HUBS_OWN = [
    "",
    "assignments",
    "sessions",
    "openapi.json",
    "health",
    "teach",
    "logout",
    "edit/A1-Answer",
    "hand-off/x",
]


def test_nothing_of_the_hubs_own_is_served_at_the_content_host(hub: Apart) -> None:
    paths = httpx.get(f"{hub.running.url}openapi.json").json()["paths"]
    named = [re.sub(r"\{user\}", "alice", path).lstrip("/") for path in paths]
    every = {re.sub(r"\{\w+\}", ITEM, path) for path in named} | set(HUBS_OWN)
    every.discard(f"validate-report/alice/{ITEM}")
    origin = hub.root("alice")
    reached, cookies = set(), hub.signed_in("alice")
    for path in every:
        for fields in ({}, by_proxy("alice")):
            for method in ("GET", "POST"):
                answer = hub.ask(f"{origin}/{path}", method=method, cookies=cookies, **fields)
                if answer.status_code != 404:
                    reached.add((method, path, answer.status_code))
    assert reached == set()


def test_nothing_that_a_student_wrote_is_served_at_the_hub(hub: Apart) -> None:
    cookies = hub.signed_in("alice")
    for rest in ("", "api/status/connections", "assets/x.js", "ws"):
        url = f"{hub.hub_url}edit/user/alice/{ITEM}/{rest}"
        assert hub.ask(url, cookies=cookies, Accept="*/*").status_code == 404
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==", "Origin": hub.origin}
    url = f"{hub.hub_url}edit/user/alice/{ITEM}/ws?session_id=s_1"
    assert hub.ask(url, cookies=cookies, **upgrade).status_code == 404
    with hub.running.client("alice") as http:
        http.post(f"validate/alice/{ITEM}").raise_for_status()
    led = hub.ask(f"{hub.hub_url}validate-report/alice/{ITEM}", cookies=cookies)
    assert (led.status_code, led.headers["location"]) == (
        303,
        f"{hub.root('alice')}/validate-report/alice/{ITEM}",
    )
    bearer = {"Authorization": f"Bearer {tokens.make(SECRET, 'alice', Role.STUDENT)}"}
    program = hub.ask(f"{hub.hub_url}validate-report/alice/{ITEM}", **bearer)
    assert program.headers["content-disposition"].startswith("attachment")
    assert program.headers["content-security-policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize("origin", ["hub", "bob", "null", "evil", "none"])
def test_a_websocket_is_opened_by_its_own_notebooks_page_alone(hub: Apart, origin: str) -> None:
    cookie = Way(hub, "alice").cookie()
    own = hub.content.origin("alice")
    claimed = {"hub": hub.origin, "bob": "http://ubob.elsewhere.localhost", "null": "null"}
    fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    fields["Sec-WebSocket-Key"] = "MDEyMzQ1Njc4OWFiY2RlZg=="
    if origin != "none":
        fields["Origin"] = claimed.get(origin, own + ".evil.example")
    url = f"{hub.page('alice')}ws?session_id=s_evil1"
    assert hub.ask(url, cookies=cookie, **fields).status_code == 403
