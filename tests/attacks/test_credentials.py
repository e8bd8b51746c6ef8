"""Credentials that were good once, or nearly: cookies and tokens, of hubs that start anew, and floods."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from click.testing import CliRunner

from mograder.cli import program
from mograder.hub.identity import tokens
from mograder.hub.identity.model import Role
from tests.support.hub import RunningHub, bare_course, by_proxy, running

pytestmark = pytest.mark.real

SECRET = "a-secret-of-the-hub-" + "s" * 30
OTHER = "another-secret-of-the-hub-" + "t" * 30
CONFIG = '[hub]\ntrusted_proxies = ["127.0.0.1"]\ninstructors = ["prof"]\n'


@pytest.fixture(scope="module")
def course(course_root: Path) -> Path:
    return bare_course(course_root / "credentials", CONFIG)


@pytest.fixture
def hub(course: Path) -> Iterator[RunningHub]:
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as up:
        yield up


def signed_in(hub: RunningHub, user: str) -> dict[str, str]:
    """The cookie field of somebody who came by the proxy once."""
    answer = httpx.get(hub.url, headers=by_proxy(user))
    return {"Cookie": f"mograder_hub={answer.cookies['mograder_hub']}"}


def status(hub: RunningHub, headers: dict[str, str], path: str = "assignments") -> int:
    return httpx.get(hub.url + path, headers=headers).status_code


def test_a_cookie_is_worth_nothing_when_it_was_signed_out_though_it_is_kept(hub: RunningHub) -> None:
    alice = signed_in(hub, "alice")
    assert status(hub, alice) == 200
    assert httpx.post(f"{hub.url}logout", headers=alice).status_code == 200
    assert status(hub, alice) == 401


def test_a_cookie_is_worth_nothing_when_its_owner_left_the_list(hub: RunningHub) -> None:
    alice, bob = signed_in(hub, "alice"), signed_in(hub, "bob")
    roster = hub.course / "allowed_users.txt"
    try:
        roster.write_text("bob\n")
        assert (status(hub, alice), status(hub, bob)) == (401, 200)
        bearer = {"Authorization": f"Bearer {tokens.make(SECRET, 'alice', Role.STUDENT)}"}
        assert status(hub, bearer) == 401
        assert status(hub, by_proxy("alice")) == 401
    finally:
        roster.unlink()
    assert status(hub, alice) == 200


def test_a_new_secret_ends_every_cookie_and_token(course: Path) -> None:
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as first:
        cookie = signed_in(first, "alice")
        bearer = {"Authorization": f"Bearer {tokens.make(SECRET, 'prof', Role.INSTRUCTOR)}"}
        assert (status(first, cookie), status(first, bearer)) == (200, 200)
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as again:
        assert (status(again, cookie), status(again, bearer)) == (200, 200)
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": OTHER}) as rotated:
        assert (status(rotated, cookie), status(rotated, bearer)) == (401, 401)


def test_whom_a_hub_in_dev_mode_let_in_is_nobody_without_it(course: Path) -> None:
    with running(course) as open_to_all:
        guest = httpx.get(open_to_all.url, headers={"X-Remote-User": "prof"}).cookies["mograder_hub"]
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as guarded:
        assert status(guarded, {"Cookie": f"mograder_hub={guest}"}) == 401


def test_a_forged_cookie_is_nobodys(hub: RunningHub) -> None:
    good = signed_in(hub, "prof")["Cookie"]
    value = good.partition("=")[2]
    forged = [
        f"mograder_hub={value[:-1]}",
        f"mograder_hub={value}A",
        f"mograder_hub={value.swapcase()}",
        f"mograder_hub=prof; mograder_hub={value}",
        f"mograder_hub={value}; mograder_hub={value}",
        f"__Host-Http-mograder_hub={value}",
        f'mograder_hub="{value}"',
        "mograder_hub=" + "a" * 5000,
        "mograder_hub=",
        f"mograder_hub ={value}0",
        f"xmograder_hub={value}",
    ]
    assert {cookie: status(hub, {"Cookie": cookie}) for cookie in forged} == dict.fromkeys(forged, 401)
    assert status(hub, {"Cookie": good}) == 200


def test_a_token_for_something_else_opens_nothing(hub: RunningHub) -> None:
    good = tokens.make(SECRET, "prof", Role.INSTRUCTOR)
    claims = jwt.decode(good, SECRET, algorithms=["HS256"], audience=tokens.AUDIENCE)
    wrong = {
        "another algorithm": jwt.encode(claims, SECRET, algorithm="HS384"),
        "another hub": jwt.encode({**claims, "aud": "another-hub"}, SECRET),
        "another role": jwt.encode({**claims, "role": "administrator"}, SECRET),
        "no end": jwt.encode({name: value for name, value in claims.items() if name != "exp"}, SECRET),
        "another's name": jwt.encode({**claims, "sub": "../prof"}, SECRET),
        "the name as a list": jwt.encode({**claims, "aud": ["x"]}, SECRET),
        "not yet good": jwt.encode({**claims, "nbf": int(time.time()) + 3600}, SECRET),
    }
    assert {name: status(hub, {"Authorization": f"Bearer {token}"}) for name, token in wrong.items()} == (
        dict.fromkeys(wrong, 401)
    )
    assert status(hub, {"Authorization": f"Bearer {good}"}) == 200


def test_a_revoked_token_opens_nothing_from_then_on(hub: RunningHub) -> None:
    bearer = {"Authorization": f"Bearer {tokens.make(SECRET, 'alice', Role.STUDENT)}"}
    assert status(hub, bearer) == 200
    (number,) = [
        row["Number"] if "Number" in row else row["id"]
        for row in httpx.get(f"{hub.url}teach/tokens?format=json", headers=by_proxy("prof")).json()
        if "alice" in row.values()
    ][:1]
    done = CliRunner().invoke(
        program,
        ["hub", "-C", str(hub.course), "tokens", "revoke", number],
        env={"MOGRADER_HUB_SECRET": SECRET},
    )
    assert done.exit_code == 0, done.output
    assert status(hub, bearer) == 401


def test_a_flood_of_bad_tokens_is_cheap_bounded_in_the_log_and_harms_nobody(hub: RunningHub) -> None:
    """Nor does it hold up who is signed in, from the same address."""
    log = hub.course / ".mograder" / "audit.log"
    before, alice = log.stat().st_size if log.exists() else 0, signed_in(hub, "alice")
    with httpx.Client(base_url=hub.url) as client:
        said = [
            client.get("assignments", headers={"Authorization": f"Bearer {number}.{number}.x"}).status_code
            for number in range(1500)
        ]
        said += [
            client.get("/", headers={"Cookie": f"mograder_hub={number}"}).status_code for number in range(500)
        ]
    assert set(said) == {401, 429}
    assert said.count(401) < 400
    assert status(hub, alice) == 200
    assert log.stat().st_size - before < 64 * 1024
    assert len(hub.lines) < 100
