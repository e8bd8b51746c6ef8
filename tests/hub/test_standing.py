"""``mograder.hub.standing``: what is open ends with what it was opened by, and nothing else does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mograder.course import Course
from mograder.hub.app import Hub, build
from mograder.hub.gateway.model import Grant
from mograder.hub.identity import gate as gate_module
from mograder.hub.identity import logins as logins_module
from mograder.hub.identity import tokens
from mograder.hub.identity.logins import Logins
from mograder.hub.identity.model import Role
from mograder.hub.settings import Options, combine
from mograder.sessions.launchers.process import ProcessLauncher
from tests.support.hub import PROXY_SECRET, make_course

SECRET = "s" * 40


class World:
    """A hub that is put together, and what is open at it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.closed: list[str] = []

    @property
    def logins(self) -> Logins:
        found: Logins = self.hub.app.state.logins
        return found

    def open(self, name: str, grant: Grant) -> None:
        self.hub.granted.enter(grant, lambda: self.closed.append(name))

    def signed_in(self, user: str) -> tuple[str, Grant]:
        cookie = self.logins.begin(user, Role.STUDENT, "proxy")
        return cookie, Grant(user, login=self.logins.digest(cookie))

    def by_token(self, user: str, role: Role = Role.STUDENT, lifetime: float = 600) -> Grant:
        fields = [(b"authorization", f"Bearer {tokens.make(SECRET, user, role, lifetime)}".encode())]
        return self.hub.gate.identify(fields, "192.0.2.1").grant

    def recheck(self) -> list[str]:
        asyncio.run(self.hub.app.state.standing.recheck())
        return self.closed


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    course = make_course(
        tmp_path / "course", '[hub]\ntrusted_proxies = ["127.0.0.1"]\ninstructors = ["prof"]\n'
    )
    hub = build(combine(Course.load(course), Options(), SECRET, PROXY_SECRET), ProcessLauncher())
    yield World(hub)
    hub.engine.dispose()


def test_what_still_holds_goes_on(world: World) -> None:
    _, alices = world.signed_in("alice")
    for grant in (alices, world.by_token("bob"), world.by_token("dean", Role.INSTRUCTOR), Grant("carol")):
        world.open(grant.user, grant)
    assert world.recheck() == []


def test_the_end_of_a_login_is_told_at_once(world: World) -> None:
    cookie, alices = world.signed_in("alice")
    _, at_home = world.signed_in("alice")
    world.open("here", alices)
    world.open("at home", at_home)
    world.logins.end(cookie)
    assert world.closed == ["here"]


def test_a_login_that_runs_out_unused_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, alices = world.signed_in("alice")
    world.open("alice", alices)
    monkeypatch.setattr(logins_module, "IDLE_LIFETIME", -1)
    assert world.recheck() == ["alice"]


def test_to_look_whether_a_login_holds_does_not_keep_it(world: World) -> None:
    _, alices = world.signed_in("alice")
    world.open("alice", alices)
    (before,) = world.logins.of("alice")
    world.recheck()
    assert world.logins.of("alice") == [before]


def test_signing_out_everywhere_ends_what_kept_no_cookie_and_leaves_tokens(world: World) -> None:
    _, alices = world.signed_in("alice")
    for name, grant in {"cookie": alices, "none": Grant("alice"), "token": world.by_token("alice")}.items():
        world.open(name, grant)
    world.open("bob", Grant("bob"))
    world.hub.app.state.standing.signed_out_everywhere("alice")
    assert sorted(world.closed) == ["cookie", "none"]


def test_the_list_of_the_course_holds_for_what_is_open_and_not_for_who_teaches(world: World) -> None:
    _, alices = world.signed_in("alice")
    everybody = [
        alices,
        world.by_token("bob"),
        Grant("carol"),
        Grant("prof"),
        world.by_token("dean", Role.INSTRUCTOR),
    ]
    for grant in everybody:
        world.open(grant.user, grant)
    (world.hub.settings.course.root / "allowed_users.txt").write_text("carol\n")
    assert sorted(world.recheck()) == ["alice", "bob"]


def test_a_token_that_another_process_revoked_or_that_expired_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, revoked, old = world.by_token("alice"), world.by_token("bob"), world.by_token("carol", lifetime=600)
    for grant in (kept, revoked):
        world.open(grant.user, grant)
    carols = Grant("carol", token=old.token, expires=time.time() + 60)
    world.open("carol", carols)
    world.hub.app.state.ledger.revoke(revoked.token)
    monkeypatch.setattr(gate_module, "time", SimpleNamespace(time=lambda: carols.expires + 1))
    assert sorted(world.recheck()) == ["bob", "carol"]


def test_a_database_that_can_not_be_asked_ends_nobodys_work(world: World) -> None:
    bobs = world.by_token("bob")
    world.open("bob", bobs)
    world.hub.engine.dispose()
    database = world.hub.settings.state_dir / "hub.db"
    database.rename(database.with_suffix(".away"))
    database.mkdir()
    assert world.recheck() == []
    database.rmdir()


def test_what_begins_by_a_token_that_was_revoked_on_the_way_ends(world: World) -> None:
    """An answer takes its time until its first piece is there, and only then is it open."""
    bobs, alices = world.by_token("bob"), world.by_token("alice")

    async def begin() -> None:
        world.hub.app.state.ledger.revoke(bobs.token)
        await world.hub.app.state.standing.recheck()
        world.open("bob", bobs)
        world.open("alice", alices)
        await asyncio.sleep(0)

    asyncio.run(begin())
    assert world.closed == ["bob"]
