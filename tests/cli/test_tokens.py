"""``mograder.cli.tokens``: tokens made, listed and revoked beside a hub that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.hub import RunningHub, make_course, running

pytestmark = pytest.mark.real

SECRET = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "tokens")
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as up:
        yield up


def mograder(course: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mograder", "hub", "-C", str(course), *words]
    env = {**os.environ, "MOGRADER_HUB_SECRET": SECRET}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=env, check=False)


def token(course: Path, user: str, *words: str) -> str:
    done = mograder(course, "generate-token", user, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def listed(course: Path, user: str) -> dict[str, str]:
    found = json.loads(mograder(course, "tokens", "list", "--json").stdout)
    (one,) = [entry for entry in found if entry["user"] == user]
    return dict(one)


def ask(hub: RunningHub, bearer: str, path: str = "assignments", method: str = "GET") -> httpx.Response:
    return httpx.request(method, hub.url + path, headers={"Authorization": f"Bearer {bearer}"})


def test_a_revoked_token_is_worthless_at_once_and_after_a_restart(hub: RunningHub) -> None:
    bearer, other = token(hub.course, "ada", "--expires", "12h"), token(hub.course, "bob")
    assert ask(hub, bearer).status_code == 200
    done = mograder(hub.course, "tokens", "revoke", listed(hub.course, "ada")["id"])
    assert done.returncode == 0 and "of ada (student) is revoked" in done.stderr
    refused = ask(hub, bearer)
    assert refused.status_code == 401 and "revoked" in refused.json()["detail"]
    assert ask(hub, bearer, "edit/user/ada/A1-Answer/").status_code == 401
    assert ask(hub, other).status_code == 200
    assert listed(hub.course, "ada")["revoked"]


def test_the_list_is_for_people_too_and_holds_no_token(hub: RunningHub) -> None:
    bearer = token(hub.course, "carol", "--role", "instructor")
    said = mograder(hub.course, "tokens", "list").stdout
    head, *rows = said.splitlines()
    assert head.split() == ["id", "user", "role", "audience", "created", "expires", "revoked", "last_used"]
    assert any("carol" in row and "instructor" in row for row in rows)
    assert bearer.split(".")[2] not in said


def test_instructors_list_and_revoke_over_http_and_students_do_not(hub: RunningHub) -> None:
    prof, student = token(hub.course, "prof", "--role", "instructor"), token(hub.course, "dora")
    assert ask(hub, student, "tokens").status_code == 403
    number = listed(hub.course, "dora")["id"]
    assert ask(hub, student, f"tokens/{number}/revoke", "POST").status_code == 403
    found = ask(hub, prof, "tokens").json()
    assert next(entry for entry in found if entry["id"] == number)["last_used"] is not None
    revoked = ask(hub, prof, f"tokens/{number}/revoke", "POST")
    assert revoked.status_code == 200 and revoked.json()["user"] == "dora"
    assert ask(hub, student).status_code == 401
    assert ask(hub, prof, "tokens/nothing/revoke", "POST").status_code == 404


def test_a_number_that_nobody_has_is_one_line(hub: RunningHub) -> None:
    done = mograder(hub.course, "tokens", "revoke", "nothing")
    assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_without_a_course_the_token_is_good_and_that_it_is_not_listed_is_said(
    hub: RunningHub, tmp_path: Path
) -> None:
    done = mograder(tmp_path, "generate-token", "erin")
    assert "only once it is used" in done.stderr and list(tmp_path.iterdir()) == []
    assert ask(hub, done.stdout.strip()).status_code == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave files to somebody else")
def test_what_root_writes_down_in_somebodys_course_is_theirs(tmp_path: Path) -> None:
    make_course(tmp_path)
    os.chown(tmp_path, 4242, 4242)
    token(tmp_path, "ada")
    assert {path.stat().st_uid for path in (tmp_path / ".mograder", *(tmp_path / ".mograder").iterdir())} == {
        4242
    }
