"""The parts between identity and routes, on a hub that is put together: audit, limits, kinds of bodies, forms."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mograder.course import Course
from mograder.hub.api import forms
from mograder.hub.app import Hub, build
from mograder.hub.middleware import BodyLimit, Message, Scope
from mograder.hub.pages.assets import static_table
from mograder.hub.pages.render import content_security_policy
from mograder.hub.settings import Options, combine
from mograder.sessions.launchers.process import ProcessLauncher
from tests.support.hub import PROXY_SECRET, by_proxy, make_course

SECRET = "canary-of-the-secret-" + "x" * 32
CONFIG = '[hub]\ntrusted_proxies = ["127.0.0.1"]\ninstructors = ["prof"]\n'
KEYS = "requests_per_minute = 20\nfailed_logins_per_minute = 10\n"
BROWSER = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


@pytest.fixture
def hub(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Hub]:
    course = make_course(tmp_path / "course", CONFIG + getattr(request, "param", ""))
    hub = build(combine(Course.load(course), Options(), SECRET, PROXY_SECRET), ProcessLauncher())
    hub.settings.state_dir.mkdir(exist_ok=True)
    hub.settings.notebooks_dir.mkdir(exist_ok=True)
    yield hub
    hub.engine.dispose()


def ask(
    hub: Hub, *requests: tuple[str, str, dict[str, Any]], user: str | None = "alice"
) -> list[httpx.Response]:
    """What the hub answers, one request after another."""
    named = {} if user is None else by_proxy(user)

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(hub.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=named) as client:
            return [await client.request(method, path, **more) for method, path, more in requests]

    return asyncio.run(run())


def audited(hub: Hub) -> list[dict[str, Any]]:
    path = hub.settings.state_dir / "audit.log"
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


def word(hub: Hub, user: str = "alice") -> str:
    return forms.token(hub.settings.secret, user)


def test_a_change_is_written_down_and_a_look_is_not(hub: Hub) -> None:
    ask(hub, ("GET", "/assignments", {}), ("POST", "/download-release/alice/A1-Answer", {}))
    (entry,) = audited(hub)
    assert (entry["who"], entry["did"]) == ("alice", "POST /download-release/alice/A1-Answer")
    assert (entry["action"], entry["owner"], entry["item"]) == ("change work", "alice", "A1-Answer")
    assert (entry["status"], entry["outcome"], entry["rule"]) == (200, "done", "it is their own")


def test_a_refusal_is_written_down_with_its_rule(hub: Hub) -> None:
    ask(hub, ("GET", "/status/bob/A1-Answer", {}), ("POST", "/reset/bob/A1-Answer", {}))
    looked, changed = audited(hub)
    assert (looked["did"], looked["outcome"]) == ("GET /status/bob/A1-Answer", "refused")
    assert looked["rule"] == "only instructors may view work"
    assert changed["rule"] == "only instructors may change work"
    assert changed["owner"] == "bob"


def test_what_fails_is_written_down_with_what_was_said(hub: Hub) -> None:
    (answer,) = ask(hub, ("POST", "/reset/alice/A9", {}))
    (entry,) = audited(hub)
    assert (entry["status"], entry["outcome"]) == (404, "failed")
    assert entry["rule"] and answer.json()["detail"].startswith(entry["rule"])


def test_a_stranger_is_written_down_with_the_reason(hub: Hub) -> None:
    ask(hub, ("GET", "/assignments", {"headers": {"Authorization": "Bearer forged"}}), user=None)
    (entry,) = audited(hub)
    assert (entry["who"], entry["status"], entry["from"]) == ("", 401, "127.0.0.1")
    assert "token" in entry["rule"]


def test_a_change_from_another_site_is_written_down(hub: Hub) -> None:
    ask(hub, ("POST", "/reset/alice/A1-Answer", {"headers": {"Sec-Fetch-Site": "cross-site"}}))
    (entry,) = audited(hub)
    assert entry["rule"] == "a change must come from one of the hub's own pages"


@pytest.mark.parametrize("hub", [KEYS], indirect=True)
def test_who_asks_too_much_gets_429_and_others_get_answers(hub: Hub) -> None:
    answers = ask(hub, *[("GET", "/assignments", {})] * 21)
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert "alice" in answers[-1].json()["detail"]
    assert answers[-1].headers["Content-Security-Policy"] == content_security_policy()
    (page,) = ask(hub, ("GET", "/", {"headers": {"Accept": "text/html"}}))
    assert page.status_code == 429
    assert page.text.startswith("<!doctype html>")
    (answer,) = ask(hub, ("GET", "/assignments", {}), user="bob")
    assert answer.status_code == 200


@pytest.mark.parametrize("hub", [KEYS], indirect=True)
def test_bad_tokens_are_held_up_by_address_and_people_who_are_signed_in_are_not(hub: Hub) -> None:
    bad = {"headers": {"Authorization": "Bearer forged"}}
    answers = ask(hub, *[("GET", "/assignments", bad)] * 12, user=None)
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    (answer,) = ask(hub, ("GET", "/assignments", {}))
    assert answer.status_code == 200
    elsewhere = {"headers": {"Authorization": "Bearer forged", "X-Forwarded-For": "203.0.113.9"}}
    (answer,) = ask(hub, ("GET", "/assignments", elsewhere), user=None)
    assert answer.status_code == 429  # an address is only forwarded by the proxy
    elsewhere["headers"]["X-Proxy-Secret"] = PROXY_SECRET
    (answer,) = ask(hub, ("GET", "/assignments", elsewhere), user=None)
    assert answer.status_code == 401


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/octet-stream", ""])
def test_a_body_that_is_neither_form_nor_json_changes_nothing(hub: Hub, kind: str) -> None:
    more = {"headers": {"Content-Type": kind}, "content": b'{"a": 1}'}
    (answer,) = ask(hub, ("POST", "/download-release/alice/A1-Answer", more))
    assert answer.status_code == 415
    assert not (hub.settings.notebooks_dir / "alice").exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "The body of this request is no JSON."),
        ("[]", "The request makes no sense: input should be"),
        ('{"users": "alice"}', "The request makes no sense: users: input should be"),
        ('{"users": ["../x"]}', 'No user can have the name "../x":'),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_in_a_sentence(hub: Hub, body: str, words: str) -> None:
    json_ = {"headers": {"Content-Type": "application/json"}, "content": body}
    (answer,) = ask(hub, ("POST", "/sync-users", json_), user="prof")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(words)
    assert not (hub.settings.course.root / "allowed_users.txt").exists()


def test_a_start_has_events_for_an_editor_or_a_lecture(hub: Hub) -> None:
    (answer,) = ask(hub, ("GET", "/events/else/alice/A1-Answer", {}))
    assert answer.status_code == 422


def test_a_form_of_a_browser_needs_the_pages_word(hub: Hub) -> None:
    path = "/download-release/alice/A1-Answer"
    for given in ({}, {"csrf": "wrong"}, {"csrf": word(hub, "bob")}, {"csrf": "é"}):
        (answer,) = ask(hub, ("POST", path, {"headers": BROWSER, "data": given}))
        assert answer.status_code == 403
        assert "reload the page" in answer.text
    assert not (hub.settings.notebooks_dir / "alice").exists()
    (answer,) = ask(hub, ("POST", path, {"headers": BROWSER, "data": {"csrf": word(hub)}}))
    assert answer.status_code == 303


def test_the_word_may_come_in_a_header_and_with_an_upload(hub: Hub) -> None:
    path = "/download-release/alice/A1-Answer"
    headers = {"Origin": "http://hub", "X-CSRF-Token": word(hub)}
    (answer,) = ask(hub, ("POST", path, {"headers": headers}))
    assert answer.status_code == 200
    notebook = (hub.settings.notebooks_dir / "alice/A1-Answer/A1-Answer.py").read_bytes()
    upload = {"headers": BROWSER, "data": {"csrf": word(hub)}, "files": {"file": ("a.py", notebook)}}
    (answer,) = ask(hub, ("POST", "/upload/alice/A1-Answer", upload))
    assert answer.status_code == 303


def test_a_program_needs_no_word(hub: Hub) -> None:
    (answer,) = ask(hub, ("POST", "/download-release/alice/A1-Answer", {}))
    assert answer.status_code == 200


def test_the_pages_carry_the_word_of_who_looks_and_the_strict_policy(hub: Hub) -> None:
    (page,) = ask(hub, ("GET", "/", {"headers": {"Accept": "text/html"}}))
    assert re.findall(r'name="csrf" (?:content|value)="(\w+)"', page.text)[0] == word(hub)
    assert page.headers["Content-Security-Policy"] == content_security_policy()
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in page.headers


def test_https_is_for_good(hub: Hub) -> None:
    (page,) = ask(hub, ("GET", "/", {"headers": {"X-Forwarded-Proto": "https"}}))
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"


APART = 'public_url = "https://hub.example.edu"\ncontent_host = "*.c.example.edu"\nfailed_logins_per_minute = 10\n'


def hand_off(hub: Hub, ticket: str = "forged", **fields: str) -> tuple[str, str, dict[str, Any]]:
    """The request of a browser that comes to the content host with a ticket for alice's notebook."""
    assert hub.content is not None
    where = hub.content.origin("alice").removeprefix("https://")
    path = f"/edit/user/alice/A1-Answer/_hub/hand-off?ticket={ticket}"
    return "GET", path, {"headers": {"Host": where, "Accept": "text/html", **fields}}


@pytest.mark.parametrize("hub", [APART], indirect=True)
def test_bad_tickets_are_held_up_by_address_and_written_down_once(hub: Hub) -> None:
    answers = ask(hub, *[hand_off(hub, f"forged-{number}") for number in range(700)], user=None)
    assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 690
    assert int(answers[-1].headers["Retry-After"]) >= 1
    refused, held_up = audited(hub)
    assert (refused["did"], refused["status"]) == ("GET /edit/user/alice/A1-Answer/_hub/hand-off", 403)
    assert (refused["owner"], refused["item"], refused["from"]) == ("alice", "A1-Answer", "127.0.0.1")
    assert refused["rule"] == "a ticket works once, soon, in one browser"
    assert held_up["status"] == 429


HUB_OF_ITS_OWN = {"Host": "hub.example.edu"}
ANSWERS = {
    "a hand-off that fails": (403, lambda hub: hand_off(hub)),
    "the way to the hub": (303, lambda hub: ("GET", "/validate-report/alice/A1-Answer", hand_off(hub)[2])),
    "nothing at the content host": (404, lambda hub: ("GET", "/", hand_off(hub)[2])),
    "a shared file": (404, lambda hub: ("GET", "/_marimo/x/y.js", {"headers": HUB_OF_ITS_OWN})),
    "a page": (401, lambda hub: ("GET", "/", {"headers": HUB_OF_ITS_OWN})),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("hub", [APART], indirect=True)
def test_whatever_is_answered_https_is_for_good(hub: Hub, name: str) -> None:
    status, asked = ANSWERS[name]
    (answer,) = ask(hub, asked(hub), user=None)
    assert answer.status_code == status
    assert answer.headers.get_list("Strict-Transport-Security") == ["max-age=31536000"]


def test_a_file_that_shared_caches_keep_brings_nobody_a_login(hub: Hub) -> None:
    """One that is kept with a cookie on it hands the login of who came first to all who come after."""
    files = [f"/{address}" for address in static_table()]
    answers = ask(hub, *[("GET", path, {}) for path in (*files, "/static/x/none.css")])
    assert {answer.status_code for answer in answers[:-1]} == {200}
    assert all(answer.headers["Cache-Control"].startswith("public") for answer in answers[:-1])
    assert not [answer for answer in answers if "Set-Cookie" in answer.headers]
    assert hub.app.state.logins.of("alice") == []
    (page,) = ask(hub, ("GET", "/", {}))
    assert "Set-Cookie" in page.headers and page.headers["Cache-Control"] == "no-store"


EMBEDDED = [("no-cors", "image"), ("no-cors", "script"), ("cors", "empty"), ("navigate", "iframe")]


@pytest.mark.parametrize("site", ["same-site", "cross-site", "nonsense"])
@pytest.mark.parametrize(("mode", "dest"), EMBEDDED)
def test_other_sites_may_link_to_the_hub_and_embed_nothing_of_it(
    hub: Hub, site: str, mode: str, dest: str
) -> None:
    fields = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    for path in ("/", "/assignments", "/export/alice/A1-Answer", "/static/x/hub.css"):
        for method in ("GET", "HEAD"):
            (answer,) = ask(hub, (method, path, {"headers": fields}))
            assert answer.status_code == 403
    link = {**fields, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    (answer,) = ask(hub, ("GET", "/", {"headers": link}))
    assert answer.status_code == 200
    assert audited(hub)[0]["rule"] == "other sites may link here and nothing else"


def test_a_link_of_another_site_makes_no_notebook_count_as_exported(hub: Hub) -> None:
    export, status = "/export/alice/A1-Answer", "/status/alice/A1-Answer"
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    ask(hub, ("POST", "/download-release/alice/A1-Answer", {}))
    before = ask(hub, ("GET", status, {}))[0].json()["file_status"]
    given, after = ask(hub, ("GET", export, {"headers": link}), ("GET", status, {}))
    assert given.status_code == 200
    assert after.json()["file_status"] == before != "exported"
    _, own = ask(
        hub, ("GET", export, {"headers": {**link, "Sec-Fetch-Site": "same-origin"}}), ("GET", status, {})
    )
    assert own.json()["file_status"] == "exported"


def test_an_error_of_the_hubs_own_tells_no_secret(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(user: str, **more: object) -> None:
        raise RuntimeError("something is broken")

    monkeypatch.setattr(hub.app.state.coursework.looks, "items", broken)
    canaries = {"Authorization": "Bearer canary-1", "Cookie": "a=canary-2", "X-Secret": "canary-3"}
    for accept in ("text/html", "application/json"):
        fields = {**canaries, "Accept": accept}
        (answer,) = ask(hub, ("GET", "/assignments?token=canary-4", {"headers": fields}))
        assert answer.status_code == 500
        assert "canary" not in answer.text + str(answer.headers)
        assert "something is broken" not in answer.text
    said = "".join(logging.Formatter().format(record) for record in caplog.records)
    assert "something is broken" in said
    assert "canary" not in said


def test_a_body_that_never_comes_is_not_waited_for() -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await receive()

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    async def run() -> None:
        scope = {"type": "http", "path": "/reset/a/b", "headers": []}
        with pytest.raises(Exception, match="too slowly"):
            await BodyLimit(app, {}, patience=0.05)(scope, receive, send)

    asyncio.run(run())
