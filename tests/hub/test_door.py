"""The door of live notebooks: who is let in, how often, and what is written down about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mograder.course import Course
from mograder.hub.app import Hub, build
from mograder.hub.gateway.model import Refusal, RequestHead, Route
from mograder.hub.settings import Options, combine
from mograder.sessions.launchers.process import ProcessLauncher
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
