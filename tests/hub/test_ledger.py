"""``mograder.hub.identity.ledger``: tokens are known by number, and a revoked one is worthless from then on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from mograder.errors import NotFound, NotSignedIn
from mograder.hub.identity import tokens
from mograder.hub.identity.ledger import KEPT, Ledger
from mograder.hub.identity.model import Role
from mograder.hub.store.database import open_database
from mograder.hub.store.state import TokenTable

SECRET = "s" * 40


class World:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1_000_000.0
        self.engines: list[Engine] = []
        self.ledger = self.process()

    def process(self) -> Ledger:
        """A ledger as another process, or the next hub, has it."""
        self.engines.append(open_database(self.path))
        return Ledger(TokenTable(self.engines[-1]), clock=lambda: self.now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "hub.db")
    yield made
    for engine in made.engines:
        engine.dispose()


def token(user: str = "ada", lifetime: float = 60) -> tokens.Token:
    return tokens.opened(SECRET, tokens.make(SECRET, user, Role.INSTRUCTOR, lifetime))


def refused(ledger: Ledger, said: tokens.Token) -> str:
    with pytest.raises(NotSignedIn) as caught:
        ledger.check(said)
    return str(caught.value)


def test_what_was_made_is_listed_by_number_and_nothing_of_the_token_is_kept(world: World) -> None:
    whole = tokens.make(SECRET, "ada", Role.STUDENT, 60)
    said = tokens.opened(SECRET, whole)
    world.ledger.issued(said)
    (record,) = world.ledger.all()
    assert (record.id, record.user, record.role, record.audience) == (
        said.id,
        "ada",
        "student",
        "mograder-hub",
    )
    assert record.expires - record.created == 60
    assert record.revoked is None and record.last_used is None
    world.engines[0].dispose()
    kept = b"".join(path.read_bytes() for path in world.path.parent.iterdir())
    assert said.id.encode() in kept
    assert not any(part.encode() in kept for part in whole.split("."))


def test_another_process_revokes_and_the_hub_that_runs_knows_it_at_once(world: World) -> None:
    mine, other = token(), token()
    world.ledger.issued(mine)
    world.ledger.check(mine)
    world.process().revoke(mine.id)
    assert "was revoked" in refused(world.ledger, mine)
    world.ledger.check(other)
    assert "was revoked" in refused(world.process(), mine)  # and so does the next hub


def test_revoking_twice_keeps_the_first_time(world: World) -> None:
    said = token()
    world.ledger.issued(said)
    world.ledger.revoke(said.id)
    world.now += 100
    assert world.ledger.revoke(said.id).revoked == world.now - 100


def test_a_use_does_not_bring_a_revoked_token_back(world: World) -> None:
    said = token()
    world.ledger.check(said)
    world.ledger.revoke(said.id)
    world.ledger.write_down()
    world.process().issued(said)
    assert "was revoked" in refused(world.ledger, said)


def test_a_token_that_was_made_elsewhere_is_known_once_it_is_used(world: World) -> None:
    said = token("bob")
    assert world.ledger.all() == []
    world.now = said.created + 5
    world.ledger.check(said)
    world.ledger.write_down()
    (record,) = world.process().all()
    assert (record.id, record.user, record.last_used) == (said.id, "bob", said.created + 5)


def test_a_number_that_nobody_has_is_said(world: World) -> None:
    with pytest.raises(NotFound, match='no token with the number "nothing"'):
        world.ledger.revoke("nothing")


def test_what_expired_long_ago_is_forgotten(world: World) -> None:
    said = token()
    world.ledger.issued(said)
    world.now = said.expires + KEPT - 1
    world.ledger.write_down()
    assert len(world.ledger.all()) == 1
    world.now += 2
    world.ledger.write_down()
    assert world.ledger.all() == []


def test_when_the_database_is_away_no_token_is_believed(world: World) -> None:
    with world.engines[0].begin() as connection:
        connection.execute(text("ALTER TABLE tokens RENAME TO away"))
    assert "can not be checked" in refused(world.ledger, token())
