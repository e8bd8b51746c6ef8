"""What HTTP promises, kept through the gateway in both variants."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.gateway.client import PREFIX, Hub, eventually


def test_an_answer_of_declared_length_keeps_it(hub: Hub) -> None:
    reply = hub.get(b"sized?n=700000")
    assert reply.body == b"s" * 700_000
    assert reply.one("content-length") == "700000"


def test_a_chunked_answer_stays_chunked(hub: Hub) -> None:
    reply = hub.get(b"stream?n=700000")
    assert reply.body == b"c" * 700_000
    assert reply.chunked


def test_an_old_client_gets_no_chunks(hub: Hub) -> None:
    with hub.connect() as connection:
        reply = connection.send(hub.head(b"stream?n=100000", version=b"1.0")).reply()
    assert len(reply.body) == 100_000
    assert not reply.chunked or hub.variant == "asgi"  # uvicorn's own answer to HTTP/1.0


def test_an_old_client_that_asks_may_keep_its_connection(spliced: Hub) -> None:
    request = spliced.head(b"ok", extra=b"Connection: keep-alive\r\n", version=b"1.0")
    with spliced.connect() as connection:
        for _ in range(2):
            assert connection.send(request).reply().one("connection") == "keep-alive"


def test_head_has_the_length_and_no_body(hub: Hub) -> None:
    with hub.connect() as connection:
        reply = connection.send(hub.head(b"sized?n=5000", b"HEAD")).reply(head_only=True)
        assert reply.one("content-length") == "5000"
        assert connection.send(hub.head(b"ok")).reply().body == b"ok"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_ends_with_its_head(hub: Hub, status: int) -> None:
    with hub.connect() as connection:
        assert connection.send(hub.head(b"r%d" % status)).reply().status == status
        assert connection.send(hub.head(b"ok")).reply().body == b"ok"


def test_a_client_that_waits_for_100_is_told_to_go_on(hub: Hub) -> None:
    with hub.connect() as connection:
        connection.send(hub.head(b"up", b"POST", b"Expect: 100-continue\r\nContent-Length: 5\r\n"))
        assert connection.reply(interim=True).status == 100
        assert connection.send(b"AAAAA").reply().body == b"5"


def test_a_refused_client_is_not_told_to_go_on(spliced: Hub) -> None:
    head = spliced.head(b"up", b"POST", b"Expect: 100-continue\r\nContent-Length: 5\r\n", who=b"bob")
    with spliced.connect() as connection:
        assert connection.send(head).reply(interim=True).status == 403
        assert connection.ended()


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_a_body_arrives_whole(hub: Hub, size: int) -> None:
    assert hub.ask(hub.post(b"up", b"A" * size)).body == b"%d" % size


def test_a_chunked_body_arrives_whole(hub: Hub) -> None:
    head = hub.head(b"up", b"POST", b"Transfer-Encoding: chunked\r\n")
    with hub.connect() as connection:
        connection.send(head + b"5\r\nAA").send(b"AAA\r\n3;x=y\r\nBBB\r\n0\r\n\r\n")
        reply = connection.reply()
    assert reply.body == b"8" if hub.variant == "protocol" else reply.status == 411


def test_a_body_beyond_the_limit_is_refused_while_it_arrives(hasty: Hub) -> None:
    with hasty.connect() as connection:
        connection.send(hasty.head(b"up", b"POST", b"Content-Length: 3000000\r\n") + b"A" * 1_500_000)
        assert connection.reply().status == 413


def test_events_stream_as_they_come(hub: Hub) -> None:
    with hub.connect() as connection:
        connection.send(hub.head(b"held"))
        connection.until(b"first\n\n")  # the session waits: nothing but this event exists yet
        hub.session(b"release")
        assert connection.rest_of_chunks() == b"last\n\n"


def test_an_early_answer_reaches_a_client_that_is_still_sending(hub: Hub) -> None:
    """Again and again: the session closes at once, and our next write to it may fail before its answer is read."""
    for _ in range(30):
        with hub.connect() as connection:
            connection.send(hub.head(b"early", b"POST", b"Content-Length: 50000000\r\n") + b"A" * 100_000)
            reply = connection.reply()
            assert (reply.status, reply.body) == (413, b"early")


def test_a_refusal_reaches_a_client_that_is_still_sending(spliced: Hub) -> None:
    with spliced.connect() as connection:
        connection.send(
            spliced.head(b"up", b"POST", b"Content-Length: 9000000\r\n", who=b"bob") + b"A" * 9_000_000
        )
        assert connection.reply().status == 403


def test_an_answer_without_framing_is_framed(hub: Hub) -> None:
    reply = hub.get(b"noframing")
    assert reply.body == b"z" * 3000 and reply.chunked


def test_a_session_may_speak_http_1_0(hub: Hub) -> None:
    assert hub.get(b"http10").body == b"abc"


@pytest.mark.parametrize("path", [b"r100", b"r103"])
def test_interim_answers_stay_inside(hub: Hub, path: bytes) -> None:
    with hub.connect() as connection:
        reply = connection.send(hub.head(path)).reply(interim=True)
        assert (reply.status, reply.body) == (200, b"ok")


def test_odd_statuses_pass(hub: Hub) -> None:
    assert hub.get(b"r299").body == b"odd"


def test_a_reconnecting_client_finds_no_trace_of_what_came_before(hub: Hub) -> None:
    """A session that answers twice must not answer somebody else's next request."""
    with hub.connect() as connection:
        assert connection.send(hub.head(b"extra")).reply().body == b"abc"
        assert connection.send(hub.head(b"ok")).reply().body == b"ok"
    assert hub.get(b"ok").body == b"ok"


def test_a_page_that_is_left_does_not_keep_the_session_working(hub: Hub) -> None:
    with hub.connect() as connection:
        connection.send(hub.head(b"push?n=500000000")).take(1000)
        connection.reset()
    assert eventually(lambda: hub.session(b"pushed")["ended"] == "broken off")


def test_a_missing_final_slash_is_added_relatively(hub: Hub) -> None:
    reply = hub.get(b"/edit/user/alice/t1?x=1")
    assert reply.status == 307
    assert reply.one("location") == "../alice/t1/?x=1"


def test_another_spelling_of_a_name_leads_to_the_one_that_is_served(hub: Hub) -> None:
    assert hub.get(b"/edit/user/%61lice/t1/?a").one("location") == "../../alice/t1/?a"
    assert hub.get(b"/edit/user/%61lice/t1/deeper").status == 404


def test_a_session_answer_carries_the_confining_headers(hub: Hub) -> None:
    reply = hub.get(b"ok")
    policy = reply.one("content-security-policy") or ""
    own = (hub.origin + PREFIX).decode()
    assert f"connect-src {own} " in policy and "frame-ancestors 'self'" in policy
    assert reply.one("cross-origin-opener-policy") == "noopener-allow-popups"
    assert reply.one("cross-origin-resource-policy") == "same-origin"
    assert reply.one("x-content-type-options") == "nosniff"
    assert reply.one("referrer-policy") == "same-origin"


def test_a_refusal_carries_the_hubs_headers(hub: Hub) -> None:
    reply = hub.get(b"ok", who=b"bob")
    assert (reply.status, reply.body) == (403, b"Not yours.")
    assert reply.one("content-security-policy") == "default-src 'none'; frame-ancestors 'none'"
    assert reply.one("x-frame-options") == "DENY"
    assert reply.one("cache-control") == "no-store"


def test_where_there_is_no_session_the_hubs_own_page_is_sent(hub: Hub) -> None:
    reply = hub.get(b"/edit/user/alice/none/")
    assert (reply.status, reply.body) == (404, b"<p>start page</p>")
    assert reply.one("content-type") == "text/html"


def test_who_is_not_signed_in_is_sent_to_sign_in(hub: Hub) -> None:
    reply = hub.get(b"ok", who=b"")
    assert (reply.status, reply.one("location")) == (303, "/login")


TO_SESSION = (
    b"Authorization: Bearer hubtoken\r\nProxy-Authorization: Basic eA==\r\nX-Forwarded-For: 6.6.6.6\r\n"
    b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-User: root\r\nX-Real-IP: 6.6.6.6\r\n"
    b"Forwarded: for=6.6.6.6\r\nX-Remote-User: prof\r\nRemote-User: prof\r\nX_Remote_User: prof\r\n"
    b"X-Proxy-Secret: canary\r\n"
    b"Eppn: prof\r\nOIDC_CLAIM_sub: prof\r\nX-Auth-Request-Email: prof\r\nX-Forwarded-For: 6.6.6.6\r\n"
    b"Connection: keep-alive, Marimo-Secret\r\nMarimo-Secret: prof\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
    b"Marimo-Session-Id: s_1\r\nX-Notebook-Id: 5\r\nAccept-Language: de\r\nIf-None-Match: W/1\r\n"
    b"Cookie: moodle_sso=SECRET; session_a=fine; __Host-hub=SECRET\r\n"
)


def test_nothing_of_the_hubs_or_the_proxys_reaches_a_session(hub: Hub) -> None:
    seen = hub.get(b"headers", TO_SESSION).body.decode().lower()
    for word in (
        "hubtoken",
        "basic",
        "6.6.6.6",
        "canary",
        "evil",
        "root",
        "prof",
        "secret",
        "hub=",
        "trailers",
        "timeout",
    ):
        assert word not in seen, word
    for line in (
        "marimo-session-id: s_1",
        "x-notebook-id: 5",
        "accept-language: de",
        "cookie: session_a=fine",
    ):
        assert f"\r\n{line}\r\n" in seen, line
    assert "x-forwarded-proto: http\r\n" in seen and "x-forwarded-prefix: /edit/user/alice/t1\r\n" in seen


def test_nothing_with_power_over_the_hub_reaches_a_browser(hub: Hub) -> None:
    reply = hub.get(b"cookies")
    names = {line.partition(b":")[0].lower().decode() for line in reply.head.split(b"\r\n")[1:] if line}
    forbidden = {
        "service-worker-allowed", "clear-site-data", "x-accel-redirect", "x-accel-buffering", "refresh", "alt-svc",
        "nel", "strict-transport-security", "report-to", "access-control-allow-origin", "www-authenticate",
        "access-control-allow-credentials", "server", "link", "x-hop",
    }  # fmt: skip
    assert not names & forbidden
    assert "x-marimo-fine" in names
    assert reply.one("cross-origin-opener-policy") == "noopener-allow-popups"
    assert reply.all("set-cookie") == [
        "session_a=1; Max-Age=60; Path=/edit/user/alice/t1/; HttpOnly; SameSite=Lax"
    ]


def test_a_session_can_not_ask_shared_caches_to_keep_its_answers(hub: Hub) -> None:
    assert hub.get(b"cached").one("cache-control") == "private, max-age=60"


@pytest.mark.parametrize(
    "to",
    [
        "/hub/whoami",
        "//evil.example/",
        "https://evil.example/",
        "../../bob/a1/",
        "%5C%5Cevil",
        "javascript:x",
    ],
)
def test_a_redirect_out_of_the_session_is_stopped(hub: Hub, to: str) -> None:
    reply = hub.get(b"redirect?to=" + to.encode())
    assert reply.status == 502 and reply.one("location") is None


def test_a_redirect_within_the_session_passes(hub: Hub) -> None:
    for to in (b"ok?a=b", PREFIX + b"ok?a=b", hub.origin + PREFIX + b"ok?a=b"):
        reply = hub.get(b"redirect?to=" + to.replace(b"?", b"%3F"))
        assert (reply.status, reply.one("location")) == (302, (PREFIX + b"ok?a=b").decode())


ELSEWHERE = [
    PREFIX + b"%2e%2e/%2e%2e/bob/a1/headers",
    PREFIX + b"../../bob/a1/headers",
    PREFIX + b"..;/..;/bob/a1/headers/..",
    PREFIX + b"a%2fheaders",
    PREFIX + b"a%5cheaders",
    PREFIX + b"a%00headers",
    b"/edit/user/alice%2ft1/headers",
    b"/edit/user/bob%2fa1/../../alice/t1/headers",
    b"/edit/user/../alice/t1/headers",
    b"/edit/user/alice/../headers",
    b"/edit/user/alice/%2e%2e/headers",
    b"/edit/user/alice%00/t1/headers",
    b"/edit/user/" + b"a" * 65 + b"/t1/headers",
    b"/edit/user//t1/headers",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_crooked_path_reaches_no_session(hub: Hub, target: bytes) -> None:
    hub.seen()
    assert hub.get(target).status in (400, 403, 404)
    assert hub.seen() == []


@pytest.mark.parametrize(
    "target", [b"//edit/user/bob/t1/headers", b"/edit%2fuser/bob/t1/headers", b"/%65dit/user/bob/t1/x"]
)
def test_a_path_that_only_looks_like_a_sessions_is_the_hubs(hub: Hub, target: bytes) -> None:
    hub.seen()
    assert b"path" in hub.get(target).body
    assert hub.seen() == []


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (b"GET", b"terminal/ws"),
        (b"GET", b"lsp/pylsp"),
        (b"POST", b"../packages/add"),
        (b"POST", PREFIX + b"api/packages/add"),
        (b"POST", PREFIX + b"api/ai/completion"),
        (b"POST", PREFIX + b"api/secrets/create"),
        (b"POST", PREFIX + b"api/files/list_files"),
        (b"POST", PREFIX + b"api/home/shutdown_session"),
        (b"POST", b"execute"),
        (b"POST", b"shutdown"),
        (b"POST", b"exe%63ute"),
        (b"GET", b"?file=/etc/passwd"),
        (b"GET", b"?fi%6ce=other.py"),
    ],
)
def test_what_marimo_offers_and_a_hub_does_not_is_closed(hub: Hub, method: bytes, target: bytes) -> None:
    hub.seen()
    request = hub.head(target) if method == b"GET" else hub.post(target, b"{}")
    assert hub.ask(request).status == 403
    assert hub.seen() == []


def test_the_assigned_notebook_may_be_named(hub: Hub) -> None:
    assert hub.get(b"?file=t1.py").status == 200


@pytest.mark.parametrize("origin", [b"", b"Origin: null\r\n", b"Origin: http://evil.example\r\n"])
def test_another_site_can_not_change_anything(hub: Hub, origin: bytes) -> None:
    head = hub.head(b"up", b"POST", b"Content-Length: 2\r\n").replace(
        b"Origin: " + hub.origin + b"\r\n", origin
    )
    assert hub.ask(head + b"{}").status == 403


@pytest.mark.parametrize(
    "extra", [b"", b"Sec-Fetch-Mode: no-cors\r\n", b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"]
)
def test_another_site_can_not_use_a_session(hub: Hub, extra: bytes) -> None:
    assert hub.get(b"ok", b"Sec-Fetch-Site: cross-site\r\n" + extra).status == 403


def test_a_link_from_another_site_may_lead_to_a_notebook(hub: Hub) -> None:
    visit = b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
    assert hub.get(b"", visit).status == 200


def test_a_script_with_a_token_needs_no_origin(hub: Hub) -> None:
    head = hub.head(b"up", b"POST", b"Content-Length: 2\r\nAuthorization: Bearer x\r\n")
    head = head.replace(b"Origin: " + hub.origin + b"\r\n", b"")
    assert hub.ask(head + b"{}").body == b"2"


def saves(hub: Hub) -> list[str]:
    """The stages of saves that the hub was told of."""
    return [event[2] for event in hub.events() if event[:2] == ["save", "alice-t1"]]


def test_the_hub_hears_of_saves_that_worked(hub: Hub) -> None:
    hub.events()
    assert hub.ask(hub.post(b"save", b"{}")).status == 200
    assert saves(hub) == ["begun", "done"]


@pytest.mark.parametrize(("how", "status"), [(b"fails", 500), (b"dienohead", 502), (b"nonsense", 502)])
def test_the_hub_hears_of_saves_that_failed(hub: Hub, how: bytes, status: int) -> None:
    hub.events()
    assert hub.ask(hub.post(b"save?how=" + how, b"{}")).status == status
    assert saves(hub) == ["begun", "failed"]


def test_the_hub_hears_that_a_browser_did_not_wait_for_a_save(hub: Hub) -> None:
    hub.events()
    with hub.connect() as connection:
        connection.send(hub.post(b"save?how=hang", b"{}"))
        heard: list[str] = []
        assert eventually(lambda: bool(heard.extend(saves(hub)) or heard), seconds=8)
        connection.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )  # no farewell
    assert eventually(lambda: bool(heard.extend(saves(hub)) or len(heard) > 1), seconds=8)
    assert heard == ["begun", "left"]


def test_the_hub_tells_a_person_from_an_open_tab(hub: Hub) -> None:
    def kinds() -> set[str]:
        return {event[2] for event in hub.events() if event[0] == "activity"}

    assert eventually(lambda: not kinds())  # reports of earlier tests are a second old at most
    hub.get(b"api/status")
    assert kinds() <= {"heartbeat"}
    hub.ask(hub.post(b"run", b"{}"))
    assert "input" in kinds() or eventually(
        lambda: bool(hub.ask(hub.post(b"run", b"{}"))) and "input" in kinds()
    )
