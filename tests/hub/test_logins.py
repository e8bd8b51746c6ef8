"""``mograder.hub.identity.logins``: who is logged in, for how long, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from mograder.hub.identity import logins as logins_module
from mograder.hub.identity.logins import ABSOLUTE_LIFETIME, IDLE_LIFETIME, PER_PERSON, Logins
from mograder.hub.identity.model import Role
from mograder.hub.store.database import open_database
from mograder.hub.store.state import LoginTable

DAY = 86400.0


class World:
    """A database, a clock, and hubs that come and go."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = 1_000_000.0
        self.logins = self.hub()

    def hub(self, key: str = "secret") -> Logins:
        self.logins = Logins(LoginTable(self.engine), clock=lambda: self.now)
        self.logins.bind(key)
        return self.logins

    def rows(self) -> int:
        return len(LoginTable(self.engine).all())

    def begin(self, user: str = "ada") -> str:
        return self.logins.begin(user, Role.STUDENT, "proxy")

    def user(self, cookie: str) -> str | None:
        login = self.logins.find(cookie)
        return None if login is None else login.user


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = open_database(tmp_path / "hub.db")
    yield World(engine)
    engine.dispose()


def test_a_cookie_finds_its_login_and_no_other_does(world: World) -> None:
    ada, bob = world.begin("ada"), world.begin("bob")
    assert (world.user(ada), world.user(bob)) == ("ada", "bob")
    for other in ("", "x", ada[:-1], ada + "x", ada.swapcase()):
        assert world.user(other) is None


def test_cookies_are_long_random_and_fit_for_a_header(world: World) -> None:
    cookies = {world.begin(f"user{number}") for number in range(100)}
    assert len(cookies) == 100
    assert all(len(cookie) >= 43 and cookie.replace("-", "").replace("_", "").isalnum() for cookie in cookies)


def test_the_database_does_not_know_the_cookie(world: World) -> None:
    cookie = world.begin()
    with world.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM logins")).one()
    assert not any(cookie in str(value) for value in row)


@given(st.text(st.characters()))
def test_any_text_may_be_asked_for(cookie: str) -> None:
    class Empty:
        def all(self) -> list[object]:
            return []

    if cookie.isprintable():  # what a header carries: latin-1
        assert Logins(Empty()).find(cookie.encode("latin-1", "replace").decode("latin-1")) is None  # type: ignore[arg-type]


def test_the_next_hub_knows_who_is_logged_in(world: World) -> None:
    cookie = world.begin()
    world.hub()
    assert world.user(cookie) == "ada"


def test_a_new_secret_ends_every_login(world: World) -> None:
    cookie = world.begin()
    world.hub("another secret")
    assert world.user(cookie) is None


def test_logging_out_lasts(world: World) -> None:
    cookie = world.begin()
    world.logins.end(cookie)
    world.logins.end(cookie)
    assert world.user(cookie) is None
    world.hub()
    assert world.user(cookie) is None
    assert world.rows() == 0


def test_an_unused_login_ends(world: World) -> None:
    cookie = world.begin()
    world.now += IDLE_LIFETIME
    assert world.user(cookie) == "ada"
    world.now += IDLE_LIFETIME + 1
    assert world.user(cookie) is None
    assert world.rows() == 0


def test_a_used_login_goes_on_but_not_for_ever(world: World) -> None:
    cookie, begun = world.begin(), world.now
    while world.now - begun <= ABSOLUTE_LIFETIME:
        assert world.user(cookie) == "ada"
        world.now += 13 * DAY
    assert world.user(cookie) is None


def test_use_is_written_down_for_the_next_hub(world: World) -> None:
    cookie = world.begin()
    world.now += 10 * DAY
    assert world.user(cookie) == "ada"
    world.logins.write_down()
    world.hub()
    world.now += 10 * DAY
    assert world.user(cookie) == "ada"


def test_what_expired_is_cleared_though_nobody_asks_for_it(world: World) -> None:
    world.begin()
    world.now += IDLE_LIFETIME + 1
    world.logins.write_down()
    assert world.rows() == 0


def test_writing_down_never_brings_back_who_has_logged_out(world: World) -> None:
    cookie = world.begin()
    world.now += DAY
    assert world.user(cookie) == "ada"
    world.logins.end(cookie)
    world.logins.write_down()
    assert world.user(cookie) is None
    assert world.rows() == 0


def test_a_program_that_keeps_no_cookie_does_not_fill_the_memory(world: World) -> None:
    keeper = world.begin("bob")
    cookies = []
    for _ in range(PER_PERSON + 10):
        world.now += 1
        cookies.append(world.begin())
    assert [world.user(cookie) for cookie in cookies] == [None] * 10 + ["ada"] * PER_PERSON
    assert world.user(keeper) == "bob"
    assert world.rows() == PER_PERSON + 1


def test_when_the_state_can_not_be_written_people_still_get_in_and_out(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = world.begin("bob")
    with world.engine.begin() as connection:
        connection.execute(text("ALTER TABLE logins RENAME TO away"))
    cookie = world.begin("ada")
    assert world.user(cookie) == "ada"
    assert "the login of ada is not written down" in caplog.text
    world.logins.end(before)
    assert world.user(before) is None
    assert "it is tried again" in caplog.text
    with world.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO logins"))
    world.logins.write_down()
    world.hub()
    assert world.user(before) is None
    assert logins_module.log.name == "mograder.identity"
