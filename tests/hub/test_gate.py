"""``mograder.hub.identity.gate``: whom the gate believes about who is asking."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.hub.gateway.known import Known
from mograder.hub.identity.gate import COOKIE, Gate, GateSettings
from mograder.hub.identity.ledger import Ledger
from mograder.hub.identity.logins import Logins
from mograder.hub.identity.roster import Roster
from mograder.hub.store.database import open_database
from mograder.hub.store.state import LoginTable, TokenTable

PROXY = "192.0.2.7"
WORD = "p" * 20
NAMED = (b"x-remote-user", b"ada")
PROOF = (b"x-proxy-secret", WORD.encode())


class World:
    def __init__(self, logins: Logins, roster: Roster, ledger: Ledger) -> None:
        self.ledger = ledger
        self.logins = logins
        self.roster = roster

    def gate(self, *proxies: str, secret: str = WORD, dev: bool = False) -> Gate:
        settings = GateSettings("s" * 40, dev, "X-Remote-User", proxies, frozenset(), secret)
        return Gate(settings, self.logins, self.roster, self.ledger)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = open_database(tmp_path / "hub.db")
    yield World(
        Logins(LoginTable(engine)), Roster(tmp_path / "allowed_users.txt"), Ledger(TokenTable(engine))
    )
    engine.dispose()


def user(gate: Gate, client: str, *fields: tuple[bytes, bytes]) -> str | None:
    found = gate.identify(fields, client).identity
    return None if found is None else found.user


@pytest.mark.parametrize(
    ("client", "believed"),
    [(PROXY, True), (f"::ffff:{PROXY}", True), ("192.0.2.8", False), ("127.0.0.1", False), ("::1", False),
     ("", False), ("unix", False), ("nonsense", False)],
)  # fmt: skip
def test_a_name_is_believed_from_the_proxys_address_alone(world: World, client: str, believed: bool) -> None:
    assert (user(world.gate(PROXY), client, NAMED, PROOF) == "ada") is believed


@pytest.mark.parametrize(
    "proof",
    [(), ((b"x-proxy-secret", b""),), ((b"x-proxy-secret", WORD[:-1].encode()),), (PROOF, PROOF),
     ((b"x-proxy-secret", b"\xff" * 20),)],
)  # fmt: skip
def test_the_address_needs_the_secret_once_and_whole(
    world: World, proof: tuple[tuple[bytes, bytes], ...]
) -> None:
    gate = world.gate(PROXY)
    assert user(gate, PROXY, NAMED, *proof) is None
    assert "did not send the right X-Proxy-Secret" in gate.identify([NAMED, *proof], PROXY).reason
    assert gate.identify([NAMED, *proof], "192.0.2.8").reason == "nobody is signed in"


def test_without_a_secret_no_address_is_trusted_at_all(world: World) -> None:
    gate = world.gate("127.0.0.0/8", secret="")
    assert user(gate, "127.0.0.1", NAMED) is None
    assert user(gate, "127.0.0.1", NAMED, (b"x-proxy-secret", b"")) is None


def test_the_unix_socket_is_proof_enough_where_there_is_one(world: World) -> None:
    assert user(world.gate("unix", secret=""), "unix", NAMED) == "ada"
    assert user(world.gate("unix", secret=""), "", NAMED) is None


def test_a_name_in_utf_8_is_read_as_such(world: World) -> None:
    assert user(world.gate(PROXY), PROXY, (b"x-remote-user", "zo\u00eb".encode()), PROOF) == "zo\u00eb"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ((NAMED,), "the login proxy did not send the right X-Proxy-Secret"),
        (((NAMED[0], b""), PROOF), "nobody is signed in"),  # of a program, whom the proxy does not name
        (((NAMED[0], b""),), "nobody is signed in"),
    ],
)
def test_who_sets_the_proxy_up_hears_what_is_missing_and_nothing_else(
    world: World, fields: tuple[tuple[bytes, bytes], ...], reason: str
) -> None:
    assert world.gate(PROXY).identify(fields, PROXY).reason == reason


def test_the_settings_show_no_secret() -> None:
    shown = repr(GateSettings("the-secret", False, "X-Remote-User", (), frozenset(), "the-proxys"))
    assert "the-secret" not in shown and "the-proxys" not in shown


def test_a_head_that_came_before_is_read_once_and_judged_each_time(world: World, tmp_path: Path) -> None:
    gate = world.gate(PROXY)
    cookie = gate.identify([NAMED, PROOF], PROXY).new_cookie
    assert cookie
    fields = Known([(b"cookie", f"{COOKIE}={cookie}".encode())])
    roster = tmp_path / "allowed_users.txt"
    for names, admitted in (("ada", "ada"), ("bob", None), ("ada", "ada")):
        roster.write_text(names)
        os.utime(roster, ns=(0, ord(names[0])))
        found = gate.identify(fields, PROXY).identity
        assert (found and found.user) == admitted
    gate.sign_out(fields, "")
    assert gate.identify(fields, PROXY).identity is None
    assert gate.identify(fields, PROXY).grant.user == ""
