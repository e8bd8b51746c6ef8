"""Items that are published with dates: ``mograder hub publish --from … --until …`` and what everybody then sees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.support.hub import NOTEBOOK, RunningHub, make_course, running

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SECRET = {"MOGRADER_HUB_SECRET": "0123456789abcdef" * 4}
CONFIG = '[hub]\ntitle = "T"\ninstructors = ["prof"]\ntime_zone = "Europe/Zurich"\n'
SOON = datetime.now(UTC) + timedelta(days=2)
LATER = SOON + timedelta(days=2)


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "dates", CONFIG)
    directory = course / "release" / "A9-Later"
    directory.mkdir(parents=True)
    (directory / "A9-Later.py").write_text(NOTEBOOK.format(title="Later"))
    with running(course, env=SECRET) as up:
        yield up


def mograder(hub: RunningHub, *words: str) -> subprocess.CompletedProcess[str]:
    token = os.environ | SECRET
    program = [sys.executable, "-m", "mograder", "hub", "-C", str(hub.course)]
    made = subprocess.run(
        [*program, "generate-token", "prof", "--role", "instructor"],
        env=token, capture_output=True, text=True, check=True,
    )  # fmt: skip
    env = token | {"MOGRADER_HUB_URL": hub.url, "MOGRADER_HUB_INSTRUCTOR_TOKEN": made.stdout.strip()}
    return subprocess.run(
        [*program, *words], env=env, capture_output=True, text=True, timeout=600, check=False
    )


def publish(hub: RunningHub, *words: str) -> str:
    done = mograder(hub, "publish", "A9", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(client: httpx.Client) -> list[str]:
    return [item["name"] for item in client.get("assignments").json()]


def test_before_its_time_an_item_is_there_for_instructors_alone(hub: RunningHub) -> None:
    said = publish(hub, "--from", SOON.strftime("%Y-%m-%d %H:%M"), "--until", LATER.strftime("%Y-%m-%d"))
    assert "Students see it from" in said
    assert "(Europe/Zurich)" in said
    with hub.client("ada") as ada, hub.client("prof") as prof:
        assert "A9-Later" not in names(ada)
        assert "A9-Later" in names(prof)
        page = {"Accept": "text/html"}
        for method, path in (
            ("GET", "edit/A9-Later"),
            ("POST", "start-edit-deep/A9-Later"),
            ("POST", "download-release/ada/A9-Later"),
            ("GET", "release/A9-Later/A9-Later.py"),
        ):
            answer = ada.request(method, path)
            assert answer.status_code == 404, path
            never = ada.request(method, path.replace("Later", "Never")).json()
            assert answer.json()["detail"] == never["detail"].replace("Never", "Later")
        assert "A9-Later" not in ada.get("release/A7/x.py").text
        assert "Hidden from students" in prof.get("", headers=page).text
        assert prof.get("release/A9-Later/A9-Later.py").status_code == 200
        assert "Students see it from" in prof.get("teach", headers=page).text
        at = {"at": (SOON + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M")}
        assert "A9-Later" in prof.get("teach/preview", headers=page, params=at).text
        assert "A9-Later" not in prof.get("teach/preview", headers=page).text


def test_what_is_not_said_stays_and_who_has_a_copy_keeps_it(hub: RunningHub) -> None:
    publish(hub, "--from", SOON.strftime("%Y-%m-%d %H:%M"))
    assert "Students see it from" in publish(hub)
    publish(hub, "--from", "now", "--until", "never")
    with hub.client("ada") as ada, hub.client("bob") as bob:
        assert "A9-Later" in names(ada)
        assert ada.post("download-release/ada/A9-Later").status_code == 200
        publish(hub, "--until", "2026-01-01")
        assert "A9-Later" in names(ada)
        assert ada.get("export/ada/A9-Later").status_code == 200
        assert "A9-Later" not in names(bob)
        assert bob.post("download-release/bob/A9-Later").status_code == 404


def test_a_date_that_is_none_is_said_before_anything_is_sent(hub: RunningHub) -> None:
    for words, said in (
        (("--from", "soon"), "is no date"),
        (("--from", "2026-12-01", "--zone", "Mars"), "no time zone"),
    ):
        done = mograder(hub, "publish", "A9", *words)
        assert done.returncode == 1
        assert said in done.stderr
        assert "sending" not in done.stderr
