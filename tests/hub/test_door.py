"""The door of live notebooks: who is let in, how often, and what is written down about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from mograder.course import Course
from mograder.hub.app import Hub, build
from mograder.hub.gateway.core import Gateway
from mograder.hub.gateway.model import Refusal, RequestHead, Route, Target
from mograder.hub.gateway.routing import Place
from mograder.hub.server import gateway_options
from mograder.hub.settings import Options, combine
from mograder.sessions.launchers.process import ProcessLauncher
from mograder.sessions.model import Session, SessionKey, State
from tests.support.hub import PROXY_SECRET, make_course

CONFIG = """[hub]
trusted_proxies = ["127.0.0.1"]
websockets_per_user = 3
session_requests_per_minute = 60
failed_logins_per_minute = 5
"""
ROUTE = Route("edit", "alice", "A1-Answer")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    course = make_course(tmp_path / "course", CONFIG)
    hub = build(combine(Course.load(course), Options(), "s" * 40, PROXY_SECRET), ProcessLauncher())
    yield hub
    hub.engine.dispose()


def knock(hub: Hub, user: str | None = "alice", *, websocket: bool = False) -> Refusal:
    """What the door says to somebody, where no session is up."""
    proof = (b"x-proxy-secret", PROXY_SECRET.encode())
    fields = [] if user is None else [(b"x-remote-user", user.encode()), proof]
    target = b"/edit/user/alice/A1-Answer/ws?token=canary"
    answer = hub.door.admit(ROUTE, RequestHead("GET", target, fields, "127.0.0.1", "http", websocket))
    assert isinstance(answer, Refusal)
    return answer


def audited(hub: Hub) -> list[dict[str, Any]]:
    text = (hub.settings.state_dir / "audit.log").read_text()
    assert "canary" not in text
    return [json.loads(line) for line in text.splitlines()]


def test_another_person_is_refused_and_that_is_written_down(hub: Hub) -> None:
    assert knock(hub, "mallory").status == 403
    (entry,) = audited(hub)
    assert (entry["who"], entry["owner"], entry["item"]) == ("mallory", "alice", "A1-Answer")
    assert (entry["did"], entry["action"]) == ("GET /edit/user/alice/A1-Answer/ws", "use a session")
    assert entry["rule"] == "a live notebook is open to its owner alone"


def test_a_stranger_is_refused_and_after_a_while_only_told_to_wait(hub: Hub) -> None:
    said = [knock(hub, None) for _ in range(7)]
    assert [refusal.status for refusal in said] == [401] * 5 + [429] * 2
    assert b"retry-after" in dict(said[-1].headers)
    assert [entry["status"] for entry in audited(hub)] == [401, 429]
    assert knock(hub).status == 503  # who is signed in is not held up: there is just nothing running


def test_tabs_are_bounded_and_requests_are_not_by_their_number(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.sessions, "of", lambda user: [SimpleNamespace(open_sockets=2)] * 2)
    assert knock(hub, websocket=True).status == 429
    assert knock(hub).status == 503
    monkeypatch.setattr(hub.sessions, "of", lambda user: [SimpleNamespace(open_sockets=2)])
    assert knock(hub, websocket=True).status == 503


def test_a_flood_of_requests_to_a_notebook_gets_429(hub: Hub) -> None:
    assert [knock(hub).status for _ in range(61)] == [503] * 60 + [429]


def test_what_the_gateway_refuses_by_itself_is_written_down_with_who_it_was(hub: Hub) -> None:
    proof = (b"x-proxy-secret", PROXY_SECRET.encode())
    fields = [(b"host", b"hub"), (b"x-remote-user", b"alice"), proof, (b"origin", b"http://evil.example")]
    gateway = Gateway(hub.door, gateway_options(hub))
    for rest in [b"ws", b"ws", b"api/kernel/run"]:
        target = b"/edit/user/alice/A1-Answer/" + rest + b"?token=canary"
        head = RequestHead(
            "GET" if rest == b"ws" else "POST", target, fields, "127.0.0.1", "http", rest == b"ws"
        )
        refusal = gateway.admission.decide(Place(ROUTE, rest), head)
        assert isinstance(refusal, Refusal) and refusal.status == 403
    socket, change = audited(hub)
    assert (socket["did"], socket["who"]) == ("GET /edit/user/alice/A1-Answer/ws", "alice")
    assert socket["rule"] == "The Origin of this request is not http://hub."
    assert change["did"] == "POST /edit/user/alice/A1-Answer/api/kernel/run"


def test_a_foreign_name_is_written_down_and_a_flood_of_them_is_not(hub: Hub) -> None:
    gateway = Gateway(hub.door, gateway_options(hub))
    for number in range(2000):
        target = b"/edit/user/alice/A1-Answer/%d" % number
        head = RequestHead("GET", target, [(b"host", b"evil.example")], "192.0.2.1", "http", False)
        refusal = gateway.admission.decide(Place(ROUTE, b"%d" % number), head)
        assert isinstance(refusal, Refusal) and refusal.status == 421
    written = audited(hub)
    assert (written[0]["status"], written[0]["outcome"], written[0]["who"]) == (421, "refused", "")
    assert len(written) == 51


@pytest.mark.parametrize("kind", ["edit", "run"])
def test_who_looks_at_a_notebook_that_died_is_offered_to_open_it_again(
    hub: Hub, kind: Literal["edit", "run"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, before anybody has looked what became of it: and without being led in circles."""
    key = SessionKey(kind, "alice", "A1-Answer")
    place = hub.settings.state_dir
    session = Session("s1", key, State.READY, place / "s", place, 0.0, 0.0, notebook="/w/A1-Answer.py")
    monkeypatch.setattr(hub.sessions, "get", {key: session}.get)
    proof = (b"x-proxy-secret", PROXY_SECRET.encode())

    def knock(user: str, **more: str) -> Target | Refusal:
        fields = [
            (b"x-remote-user", user.encode()),
            proof,
            *((k.encode(), v.encode()) for k, v in more.items()),
        ]
        target = f"/{kind}/user/alice/A1-Answer/".encode()
        head = RequestHead("GET", target, fields, "127.0.0.1", "http", False)
        return hub.door.admit(Route(kind, "alice", "A1-Answer"), head)

    async def run() -> None:
        looked_after = asyncio.Event()

        async def lost(session_id: str) -> None:
            await looked_after.wait()

        monkeypatch.setattr(hub.sessions, "lost", lost)
        assert isinstance(knock("alice"), Target)
        hub.door.upstream_lost("s1")
        page = knock("alice", accept="text/html")
        assert isinstance(page, Refusal) and page.status == 503
        assert b'href="../../../A1-Answer">Open it again</a>' in page.body
        german = knock("alice", accept="text/html", **{"accept-language": "de"})
        assert isinstance(german, Refusal) and "Erneut öffnen" in german.body.decode()
        program = knock("alice")
        assert isinstance(program, Refusal)
        assert json.loads(program.body) == {"detail": "The notebook A1-Answer does not answer."}
        looked_after.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert isinstance(knock("alice"), Target)

    asyncio.run(run())
