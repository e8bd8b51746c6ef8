"""Every route of the hub, as its router lists them, asked by people, sites and methods that it is not for."""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from mograder.hub.identity.policy import Action
from tests.api.test_access import PUBLIC, actions, routes
from tests.support.hub import RunningHub, bare_course, by_proxy, make_course, running

pytestmark = pytest.mark.real

CONFIG = """[hub]
trusted_proxies = ["127.0.0.1"]
instructors = ["prof"]
requests_per_minute = 1000000
failed_logins_per_minute = 1000000
"""
NAMES = {"user": "bob", "kind": "edit", "version": "x", "name": "A9-None", "filename": "x", "number": "1"}
TEACHERS = {Action.PUBLISH, Action.MANAGE_USERS, Action.MANAGE_TOKENS, Action.TEACH}
FROM_ELSEWHERE = "This request came from another site, so it was not carried out."


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = bare_course(course_root / "attacked-route-by-route", CONFIG)
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}) as up:
        yield up


@pytest.fixture(scope="module")
def line(hub: RunningHub) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hub.url, timeout=600) as client:
        yield client


def address(route: APIRoute) -> str:
    """The route's path with bob's name, and with items that do not exist: what gets through harms nobody."""
    return re.sub(r"\{(\w+)\}", lambda found: NAMES.get(found[1], "A9-None"), route.path)


def asked(kind: str) -> list[tuple[str, APIRoute]]:
    return [
        (method, route)
        for route in routes()
        for method in sorted(route.methods)
        if (method == "GET") == (kind == "GET")
    ]


def test_no_route_answers_a_stranger(line: httpx.Client) -> None:
    told = set()
    for method, route in asked("GET") + asked("POST"):
        if route.path not in PUBLIC:
            answer = line.request(method, address(route))
            told |= {(method, route.path, answer.status_code)} - {(method, route.path, 401)}
    # A path that no name fits is refused before anything else; what it would do is not told either.
    assert {path for _, path, status in told if status not in (404, 415, 422)} <= {"/health"}


def test_no_route_shows_or_changes_another_students_work(line: httpx.Client) -> None:
    let_in = set()
    for method, route in asked("GET") + asked("POST"):
        if "{user}" in route.path:
            answer = line.request(method, address(route), headers=by_proxy("alice"))
            let_in |= {(method, route.path, answer.status_code)} - {(method, route.path, 403)}
    assert {entry for entry in let_in if entry[2] != 422} == set()


def test_no_route_of_the_instructors_opens_to_a_student(line: httpx.Client) -> None:
    tried = []
    for method, route in asked("GET") + asked("POST"):
        if set(actions(route)) & TEACHERS:
            tried.append(
                (route.path, line.request(method, address(route), headers=by_proxy("alice")).status_code)
            )
    assert len(tried) > 10
    assert {entry for entry in tried if entry[1] not in (403, 422)} == set()


SITES = [None, "same-origin", "none", "same-site", "cross-site", "nonsense"]
MODES = [None, "no-cors", "cors", "navigate"]


def origins(hub: RunningHub) -> list[str | None]:
    own = hub.url.rstrip("/")
    return [
        None,
        own,
        "null",
        "http://evil.example",
        f"{own}.evil.example",
        f"{own}0",
        f"{own}@evil.example",
        "",
    ]


def is_ours(site: str | None, origin: str | None, hub: RunningHub) -> bool:
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin == hub.url.rstrip("/")


def test_no_site_changes_anything_by_any_route_whatever_the_browser_says_of_it(
    hub: RunningHub, line: httpx.Client
) -> None:
    """Every route that changes something x Sec-Fetch-Site x Origin, with each Sec-Fetch-Mode and method in turn."""
    wrong, tried = set(), set()
    turns = itertools.cycle(
        itertools.product(MODES, ["POST", "PUT", "POST", "PATCH", "POST", "DELETE", "POST"])
    )
    for _, route in asked("POST"):
        for site, origin in itertools.product(SITES, origins(hub)):
            mode, method = next(turns)
            tried |= {(site, origin, mode), (site, origin, method)}
            fields = {"Sec-Fetch-Site": site, "Origin": origin, "Sec-Fetch-Mode": mode}
            headers = {name: value for name, value in fields.items() if value is not None}
            answer = line.request(method, address(route), headers={**by_proxy("bob"), **headers})
            refused = answer.status_code == 403 and FROM_ELSEWHERE in answer.text
            if refused == is_ours(site, origin, hub):
                wrong.add((route.path, method, site, origin, mode, answer.status_code))
    assert wrong == set()
    assert len(tried) == len(SITES) * len(origins(hub)) * (len(MODES) + 4)


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_makes_no_other_site_ours(hub: RunningHub, line: httpx.Client, mode: str | None) -> None:
    fields = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Dest": "document",
        **({"Sec-Fetch-Mode": mode} if mode else {}),
    }
    answer = line.post("download-release/bob/A1-Answer", headers={**by_proxy("bob"), **fields})
    assert (answer.status_code, FROM_ELSEWHERE in answer.text) == (403, True)


def test_no_route_takes_text_for_json_or_a_form(line: httpx.Client) -> None:
    """What a form of another site can send anywhere, without asking first."""
    taken = set()
    for method, route in asked("POST"):
        for kind in (
            "text/plain",
            "text/plain;application/json",
            "application/octet-stream",
            "text/html",
            "",
        ):
            headers = {**by_proxy("prof"), "Content-Type": kind}
            answer = line.request(method, address(route), content=b'{"users": ["eve"]}', headers=headers)
            taken |= {(route.path, kind, answer.status_code)} - {(route.path, kind, 415)}
    assert taken == set()


@pytest.fixture(scope="module")
def busy(course_root: Path) -> Iterator[RunningHub]:
    """A hub at which there is something to change: bob has a copy, and has it open."""
    course = make_course(course_root / "changed-route-by-route", CONFIG)
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}) as up:
        with up.client("bob") as http:
            http.post("start-edit-deep/A1-Answer").raise_for_status()
        with up.client("prof") as http:
            http.post("sync-users", json={"users": ["bob", "alice"]}).raise_for_status()
            http.get("/").raise_for_status()
        yield up


def state(hub: RunningHub) -> dict[str, Any]:
    """Every file of the course, and every row of the database but for who was here and when."""
    files = {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for place in ("hub-notebooks", "hub-release", ".mograder/history")
        for path in (hub.course / place).rglob("*")
        if path.is_file()
    }
    with contextlib.closing(
        sqlite3.connect(f"file:{hub.course}/.mograder/hub.db?mode=ro", uri=True)
    ) as table:
        rows = sorted(
            row for row in table.iterdump() if not re.match(r'INSERT INTO "?(logins|visits|sessions)"?', row)
        )
    with hub.client("prof") as http:
        running_now = [session["url"] for session in http.get("sessions").json()]
    return {"files": files, "rows": rows, "sessions": running_now}


BY_A_LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
BY_A_PICTURE = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}


def test_nothing_is_changed_by_asking_for_it(busy: RunningHub) -> None:
    """GET, and what claims to be GET, on every route that changes something."""
    before = state(busy)
    assert [row for row in before["rows"] if "bob" in row] and before["files"]
    shown, answered = {address(route) for _, route in asked("GET")}, set()
    for user in ("bob", "prof"):
        with busy.client(user) as http:
            for _, route in asked("POST"):
                where = address(route).replace("A9-None", "A1-Answer")
                for override in ({}, {"X-HTTP-Method-Override": "POST"}, {"X-Method-Override": "POST"}):
                    for tail in ("", "?_method=POST"):
                        status = http.get(where + tail, headers=override).status_code
                        answered |= {(address(route), status)} - {(path, 200) for path in shown}
            assert http.get("assignments").status_code == 200  # whoever asked for /logout is still there
    assert {status for _, status in answered} <= {403, 404, 405, 422}
    assert state(busy) == before


@pytest.mark.parametrize("how", [BY_A_LINK, BY_A_PICTURE], ids=["a link", "a picture"])
def test_no_other_site_changes_anything_by_what_it_makes_a_browser_ask_for(
    busy: RunningHub, how: dict[str, str]
) -> None:
    """Every route that is asked for by GET: what its owner's own click counts as exported for, too."""
    before = state(busy)
    with busy.client("bob") as http:
        for _, route in asked("GET"):
            with http.stream("GET", address(route).replace("A9-None", "A1-Answer"), headers=how):
                pass  # some of the answers do not end
        assert state(busy) == before
        http.get("export/bob/A1-Answer").raise_for_status()
    assert state(busy)["rows"] != before["rows"]  # or this would prove nothing
    with busy.client("bob") as http:
        http.post("download-release/bob/A1-Answer").raise_for_status()


NO_NAMES = [
    "%2e%2e",
    "..",
    ".",
    "%2e",
    ".git",
    "user",
    "A1%2f..%2f..",
    "A1%5c..",
    "A1%00",
    "-rf",
    "a" * 300,
    "%ff",
    "%0a",
]


@pytest.mark.parametrize("name", NO_NAMES)
def test_nothing_is_published_out_of_its_place(hub: RunningHub, line: httpx.Client, name: str) -> None:
    """By an instructor, who is trusted with the course and not with the machine."""
    before = {path: path.stat().st_mtime_ns for path in (hub.course / "hub-release").rglob("*")}
    files = {"files": ("x.py", b"import marimo\napp = marimo.App()\n")}
    request = line.build_request("POST", "publish/x?type=assignment", files=files, headers=by_proxy("prof"))
    target = httpx.URL(hub.url).copy_with(raw_path=f"/publish/{name}?type=assignment".encode())
    request.url = target
    assert 400 <= line.send(request).status_code < 500
    assert {path: path.stat().st_mtime_ns for path in (hub.course / "hub-release").rglob("*")} == before


@pytest.mark.parametrize(
    "name", ["../evil.py", "/tmp/evil.py", "a/../../evil.py", "..", ".evil", "evil\\..\\x.py"]
)
def test_no_published_file_leaves_its_item(hub: RunningHub, line: httpx.Client, name: str) -> None:
    files = [("files", ("A9.py", b"import marimo\napp = marimo.App()\n")), ("files", (name, b"x"))]
    line.post("publish/A9?type=assignment", files=files, headers=by_proxy("prof"))
    published = hub.course / "hub-release" / "A9"
    assert not [path for path in hub.course.rglob("*evil*") if published not in path.parents]
    assert not list(hub.course.parent.glob("evil*"))
