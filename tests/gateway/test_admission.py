"""Who gets to a session, and as what it is seen."""

from __future__ import annotations

from typing import Any

import pytest

from mograder.hub.gateway.admission import Admission, Passage
from mograder.hub.gateway.model import Activity, Headers, Refusal, RequestHead, Route, Save, Target
from mograder.hub.gateway.options import Options
from mograder.hub.gateway.routing import Place

ROUTE = Route("edit", "alice", "A1")
STATUS = Place(ROUTE, b"api/status?x=1")
CHANGE = Place(ROUTE, b"api/kernel/run")
SAVE = Place(ROUTE, b"api/kernel/save")
SOCKET = Place(ROUTE, b"ws")
TARGET = Target("/s/1.sock", "/edit/user/alice/A1/", "s1", "/work/A1.py")
OWN = "http://hub.example"


class Door:
    """Lets everybody in, and remembers."""

    def __init__(self) -> None:
        self.heads: list[RequestHead] = []
        self.events: list[tuple[str, ...]] = []
        self.answer: Target | Refusal = TARGET

    def admit(self, route: Route, head: RequestHead) -> Target | Refusal:
        self.heads.append(head)
        return self.answer

    def refused(self, route: Route, head: RequestHead, refusal: Refusal) -> None:
        self.events.append(("refused", str(refusal.status)))

    def activity(self, session_id: str, kind: Activity) -> None:
        self.events.append((session_id, kind))

    def save(self, session_id: str, stage: Save) -> None:
        self.events.append((session_id, stage))

    def upstream_lost(self, session_id: str) -> None:
        self.events.append((session_id, "lost"))


def head(
    method: str = "GET", *, client: str = "10.0.0.1", websocket: bool = False, **fields: str
) -> RequestHead:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return RequestHead(method, b"/", [(b"host", b"hub.example"), *headers], client, "http", websocket)


def decide(request: RequestHead, place: Place = STATUS, **settings: Any) -> Passage | Refusal:
    return Admission(Door(), Options(**settings)).decide(place, request)


def passage(request: RequestHead, place: Place = STATUS, **settings: Any) -> Passage:
    result = decide(request, place, **settings)
    assert isinstance(result, Passage), result
    return result


def status(request: RequestHead, place: Place = STATUS, **settings: Any) -> int:
    result = decide(request, place, **settings)
    assert isinstance(result, Refusal), result
    return result.status


def test_the_url_is_built_from_the_registrys_prefix() -> None:
    passed = passage(head())
    assert passed.url == b"/edit/user/alice/A1/api/status?x=1"
    assert (passed.origin, passed.host) == (OWN, b"hub.example")


def test_forwarded_headers_count_only_from_the_proxy() -> None:
    fields = {"x_forwarded_proto": "https", "x_forwarded_host": "evil, public.example"}

    def trusts(address: str, headers: Headers) -> bool:
        return headers is not None and address == "10.0.0.1"

    assert passage(head(**fields)).origin == OWN
    assert passage(head(**fields), trusted_proxy=trusts).origin == "https://public.example"
    assert passage(head(client="10.0.0.2", **fields), trusted_proxy=trusts).origin == OWN


def test_a_proxy_that_forwards_nonsense_changes_nothing() -> None:
    assert passage(head(x_forwarded_proto="gopher"), trusted_proxy=lambda *_: True).origin == OWN


def test_a_fixed_public_origin_wins() -> None:
    passed = passage(head(), public_origin="https://hub.uni.example")
    assert (passed.origin, passed.host) == ("https://hub.uni.example", b"hub.uni.example")


@pytest.mark.parametrize("host", [b"a b", b"a;b", b"", b"a/b", b"[::1", b"x'y", b"a:99999999", b"\xff"])
def test_a_host_that_can_not_be_one_is_refused(host: bytes) -> None:
    assert status(RequestHead("GET", b"/", [(b"host", host)], "", "http", False)) == 400


def test_the_door_sees_the_sockets_address_and_the_browsers_scheme() -> None:
    door = Door()
    admission = Admission(door, Options(trusted_proxy=lambda *_: True))
    admission.decide(STATUS, head(x_forwarded_proto="https", x_forwarded_for="6.6.6.6"))
    assert (door.heads[0].client, door.heads[0].scheme) == ("10.0.0.1", "https")


@pytest.mark.parametrize("origin", [OWN, "https://hub.example", "HTTP://HUB.example"])
def test_the_pages_own_origin_may_change_things(origin: str) -> None:
    assert passage(head("POST", origin=origin), CHANGE).activity == "input"
    assert passage(head(websocket=True, origin=origin), SOCKET)


OTHERS = ["null", "", "http://evil.example", OWN + ".evil", OWN + ":81", "http://xhub.example", OWN + "/"]


@pytest.mark.parametrize("origin", OTHERS)
def test_no_other_origin_may(origin: str) -> None:
    assert status(head("POST", origin=origin), CHANGE) == 403
    assert status(head(websocket=True, origin=origin), SOCKET) == 403


def test_a_page_without_encryption_can_not_speak_for_one_with_it() -> None:
    assert status(head("POST", origin=OWN), CHANGE, public_origin="https://hub.example") == 403


def test_a_token_replaces_the_origin_for_requests_but_not_for_websockets() -> None:
    assert passage(head("POST", authorization="Bearer t"), CHANGE)
    assert status(head("POST", authorization="Basic t"), CHANGE) == 403
    assert status(head(websocket=True, authorization="Bearer t"), SOCKET) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_may_link_here_and_nothing_else(site: str) -> None:
    visit = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert passage(head(**visit))
    assert status(head(**{**visit, "sec_fetch_dest": "iframe"})) == 403
    assert status(head(sec_fetch_site=site, sec_fetch_mode="no-cors")) == 403
    assert status(head("POST", authorization="Bearer t", **visit), CHANGE) == 403


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_methods_of_proxies_are_refused(method: str) -> None:
    assert status(head(method)) == 405


def test_the_doors_refusal_is_the_answer() -> None:
    door = Door()
    door.answer = Refusal(418)
    assert Admission(door, Options()).decide(STATUS, head()) is door.answer


def test_a_session_that_is_gone_gets_the_doors_last_word() -> None:
    door = Door()
    admission = Admission(door, Options())
    passed = admission.decide(STATUS, head())
    assert isinstance(passed, Passage)
    assert admission.unreachable(passed).status == 502
    door.answer = Refusal(404, b"start it again")
    assert admission.unreachable(passed) == door.answer
    assert door.events == [("s1", "lost"), ("s1", "lost")]


REFUSED = {
    "a foreign name": (421, head(), STATUS, {"known_host": lambda *_: False}),
    "a host that can be none": (400, head(), STATUS, {"public_origin": "http://a b"}),
    "another sites change": (403, head("POST", origin="http://evil.example"), CHANGE, {}),
    "another sites websocket": (403, head(websocket=True, origin="null"), SOCKET, {}),
    "a closed route": (403, head(), Place(ROUTE, b"terminal/ws"), {}),
    "another file": (403, head(), Place(ROUTE, b"?file=/etc/passwd"), {}),
    "a service worker": (403, head(service_worker="script"), STATUS, {}),
    "a service worker by its destination": (403, head(sec_fetch_dest="serviceworker"), STATUS, {}),
    "a proxys method": (405, head("TRACE"), STATUS, {}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_hub_hears_of_what_the_gateway_refuses_by_itself(name: str) -> None:
    number, request, place, settings = REFUSED[name]
    door = Door()
    refusal = Admission(door, Options(**settings)).decide(place, request)
    assert isinstance(refusal, Refusal) and refusal.status == number
    assert door.events == [("refused", str(number))]


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_under_https_says_that_it_is_for_good(name: str) -> None:
    number, request, place, settings = REFUSED[name]
    field = (b"strict-transport-security", b"max-age=31536000")
    for scheme in ("http", "https"):
        asked = RequestHead(request.method, b"/", request.headers, "10.0.0.1", scheme, request.is_websocket)
        if "public_origin" in settings:
            settings = {"public_origin": f"{scheme}://a b"}
        refusal = Admission(Door(), Options(**settings)).decide(place, asked)
        assert isinstance(refusal, Refusal) and refusal.status == number
        assert (field in refusal.headers) == (scheme == "https")


def test_on_an_origin_of_its_own_a_notebook_may_have_a_service_worker() -> None:
    assert passage(head(service_worker="script"), shared_origin=False)


def test_a_session_hears_of_whose_public_files_are_wanted_and_nobody_else_says_it() -> None:
    admission = Admission(Door(), Options())

    def told(rest: bytes) -> list[bytes]:
        passed = admission.decide(Place(ROUTE, rest), head(x_notebook_id="/etc/passwd"))
        assert isinstance(passed, Passage)
        return [value for name, value in admission.request_fields(passed) if name == b"x-notebook-id"]

    assert told(b"public/a.png") == [b"%2Fwork%2FA1.py"]
    assert told(b"publicity") == [b"/etc/passwd"]


def test_only_a_save_is_a_save() -> None:
    assert passage(head("POST", origin=OWN), SAVE).is_save
    assert not passage(head("GET"), SAVE).is_save
    assert not passage(head("POST", origin=OWN), CHANGE).is_save


def test_opening_the_page_is_a_persons_doing_and_polling_is_not() -> None:
    assert passage(head(), Place(ROUTE, b"")).activity == "page"
    assert passage(head(), STATUS).activity == "heartbeat"


def test_a_bad_list_of_sources_is_found_at_once() -> None:
    with pytest.raises(ValueError, match="not a host"):
        Admission(Door(), Options(extra_sources=("https:",)))
