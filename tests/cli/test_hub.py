"""``mograder hub`` as a sysadmin meets it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.hub import (
    NOTEBOOK,
    bare_course,
    by_proxy,
    end_engine,
    make_course,
    publish,
    running,
    start,
)
from tests.support.processes import eventually
from tests.support.service import Service

SECRET = "0123456789abcdef" * 4


def mograder(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    full = {**os.environ, **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "mograder", *words], capture_output=True, text=True, timeout=600, env=full
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_without_a_secret_it_says_how_to_make_one(tmp_path: Path) -> None:
    make_course(tmp_path)
    line = one_line(mograder("hub", "-C", str(tmp_path)))
    assert "MOGRADER_HUB_SECRET is not set" in line
    assert "token_hex" in line


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    make_course(tmp_path)
    assert "shorter than" in one_line(
        mograder("hub", "-C", str(tmp_path), env={"MOGRADER_HUB_SECRET": "secret"})
    )


def test_a_directory_without_a_course_is_named(tmp_path: Path) -> None:
    line = one_line(mograder("hub", "--dev", "-C", str(tmp_path)))
    assert f"{tmp_path}/mograder.toml: there is no such file" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[hub]\nport = 80 80\n", "mograder.toml:2:"),
        ("\n[hub]\nprot = 8080\n", "mograder.toml:3: unknown key `prot` in [hub]; did you mean `port`?"),
        ('[hub]\nport = "many"\n', "mograder.toml:2: hub.port = 'many'"),
        ("[hubb]\n", "unknown section [hubb]; did you mean [hub]?"),
    ],
)
def test_a_broken_configuration_is_one_line_with_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mograder.toml").write_text(text)
    assert words in one_line(mograder("hub", "--dev", "-C", str(tmp_path)))


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    make_course(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = one_line(mograder("hub", "--dev", "-C", str(tmp_path), "--host", "127.0.0.1", "--port", port))
    assert f"Port {port} is taken" in line


@pytest.mark.real
def test_two_hubs_on_one_course_are_refused(tmp_path: Path) -> None:
    with running(make_course(tmp_path / "c")) as hub:
        line = one_line(mograder("hub", "--dev", "-C", str(hub.course), "--port", "0"))
        assert f"Another hub (process {hub.pid})" in line


def test_wrong_usage_is_status_2() -> None:
    done = mograder("hub", "--no-such-option")
    assert done.returncode == 2


def test_a_token_is_printed_alone(tmp_path: Path) -> None:
    done = mograder(
        "hub", "generate-token", "ada", "--role", "instructor", env={"MOGRADER_HUB_SECRET": SECRET}
    )
    assert done.returncode == 0
    assert done.stdout.count(".") == 2
    assert len(done.stdout.split()) == 1


@pytest.mark.real
def test_outside_dev_mode_a_token_or_a_trusted_proxy_lets_in_and_nothing_else(tmp_path: Path) -> None:
    env = {"MOGRADER_HUB_SECRET": SECRET}
    token = mograder("hub", "generate-token", "ada", env=env).stdout.strip()
    config = '[hub]\ntrusted_proxies = ["192.0.2.1"]\n'
    with running(make_course(tmp_path / "c", config), dev=False, env=env) as hub:
        assert httpx.get(hub.url + "assignments").status_code == 401
        spoofed = httpx.get(hub.url + "assignments", headers={"X-Remote-User": "ada"})
        assert spoofed.status_code == 401
        assert spoofed.json()["detail"].startswith("Please sign in")
        bearer = httpx.get(hub.url + "assignments", headers={"Authorization": f"Bearer {token}"})
        assert bearer.status_code == 200
        page = httpx.get(hub.url, headers={"Accept": "text/html"})
        assert page.status_code == 401
        assert "sign in" in page.text
    with running(
        make_course(tmp_path / "d", '[hub]\ntrusted_proxies = ["127.0.0.0/8"]\n'), dev=False, env=env
    ) as hub:
        assert httpx.get(hub.url + "assignments", headers=by_proxy("ada")).status_code == 200


@pytest.mark.real
def test_options_win_over_the_file(course_root: Path) -> None:
    course = make_course(course_root / "options", '[hub]\nport = 1\nnotebooks_dir = "elsewhere"\n')
    with running(course, "--notebooks-dir", "here", "--trusted-header", "X-Who") as hub:
        with httpx.Client(base_url=hub.url, headers={"X-Who": "ada"}) as client:
            client.post("download-release/ada/A1-Answer").raise_for_status()
        assert (course / "here" / "ada" / "A1-Answer" / "A1-Answer.py").exists()


@pytest.mark.real
def test_an_idle_session_is_stopped_after_its_time(course_root: Path) -> None:
    with running(make_course(course_root / "ttl"), "--session-ttl", "2") as hub, hub.client("ada") as client:
        client.post("start-edit-deep/A1-Answer").raise_for_status()
        end = time.monotonic() + 120
        while client.get("sessions").json():
            assert time.monotonic() < end, "the session is still there"
            time.sleep(0.1)


@pytest.mark.real
def test_one_that_prepares_packages_stops_at_once_and_leaves_nothing_half_done(course_root: Path) -> None:
    course = bare_course(course_root / "prepares", '[hub]\ntitle = "Test course"\n')
    publish(course, "A3-New", NOTEBOOK.format(title="New"))  # its packages are not lent
    environments = course / ".mograder" / "environments"
    hub = start(course)
    assert eventually(lambda: list(environments.glob("building-*")) != [], 120)
    assert hub.stop(signal.SIGINT) == 0
    assert [path.name for path in environments.iterdir()] == ["locks"]
    assert "Traceback" not in "".join(hub.lines)
    end_engine(course)


@pytest.mark.real
def test_sessions_survive_the_hub_and_are_adopted(course_root: Path) -> None:
    course = make_course(course_root / "adopt")
    hub = start(course)
    with hub.client("ada") as client:
        client.post("start-edit-deep/A1-Answer").raise_for_status()
    hub.stop(signal.SIGKILL)
    with running(course) as again, again.client("ada") as client:
        assert [session["assignment"] for session in client.get("sessions").json()] == ["A1-Answer"]
        assert client.get("edit/user/ada/A1-Answer/").status_code == 200


@pytest.mark.real
def test_check_says_what_is_there_and_what_to_mend(tmp_path: Path) -> None:
    course = make_course(tmp_path / "c", "[hub]\nport = 0\n")
    bad = mograder("hub", "check", str(course))
    assert bad.returncode == 1
    assert "fail  secret" in bad.stdout
    assert "token_hex" in bad.stdout
    good = mograder("hub", "check", str(course), "--json", env={"MOGRADER_HUB_SECRET": SECRET})
    assert good.returncode == 0, good.stdout
    found = json.loads(good.stdout)
    assert found["isolation"] in ("strict", "standard", "degraded")
    probes = {probe["name"]: probe for probe in found["probes"]}
    levels = {name: probe["level"] for name, probe in probes.items()}
    assert levels["secret"] == levels["marimo"] == levels["uv"] == levels["port"] == "ok"
    assert "put up by hand: the first start tries its packages" in probes["item A1-Answer"]["detail"]
    assert "mograder hub publish" in probes["item A1-Answer"]["remedy"]


@pytest.mark.real
def test_without_a_sandbox_the_hub_does_not_start_unless_told_to(course_root: Path, tmp_path: Path) -> None:
    """A PATH without bubblewrap stands for a machine without it."""
    bare = tmp_path / "bin"
    bare.mkdir()
    env = {"MOGRADER_HUB_SECRET": SECRET, "PATH": str(bare)}
    course = make_course(course_root / "bare")
    line = one_line(mograder("hub", "-C", str(course), "--headless", "--port", "0", env=env))
    assert "can not be isolated" in line
    assert "mograder hub check" in line
    (course / "mograder.toml").write_text('[hub]\nsandbox = "off"\n')
    course_root.chmod(0o755)
    user = Service(course_root / "service-of-an-open-hub")
    user.own(course)
    own = {"MOGRADER_HUB_SECRET": SECRET}
    with running(course, env=own, dev=False, service=user) as hub:
        page = httpx.get(hub.url, headers={"Accept": "text/html"})
        assert "without isolation" in page.text


@pytest.mark.real
@pytest.mark.skipif(os.geteuid() != 0, reason="for root")
def test_root_runs_no_notebook_without_a_sandbox(course_root: Path) -> None:
    course = make_course(course_root / "root", '[hub]\nsandbox = "off"\n')
    env = {"MOGRADER_HUB_SECRET": SECRET}
    line = one_line(mograder("hub", "-C", str(course), "--headless", "--port", "0", env=env))
    assert "as root" in line
    assert "ordinary user" in line
    found = json.loads(mograder("hub", "check", "--json", str(course), env=env).stdout)
    assert found["isolation"] == "refuse"
    assert [probe["level"] for probe in found["probes"] if probe["name"] == "sandbox"] == ["fail"]
