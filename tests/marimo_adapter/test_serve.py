"""Serving in a fresh process: on the given socket, and behind the relay where marimo is left unchanged."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mograder.marimo_adapter import options, run_state, serve
from mograder.sessions.answers import answers, cell_runs
from tests.marimo_adapter.conftest import workspace
from tests.support.marimo_client import MarimoClient
from tests.support.marimo_environments import VERSIONS, python_with_marimo
from tests.support.processes import alive, descendants, eventually

pytestmark = pytest.mark.real

SPEC = options.ServeSpec("edit", "plain.py", "/edit/user/a/A1")


@contextlib.contextmanager
def served(
    desk: Path, python: Path, *more: str, planted: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], MarimoClient]]:
    spec = SPEC
    place = workspace(desk, spec.notebook)
    for name, text in (planted or {}).items():
        (place / name).write_text(text)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(desk / "socket"))
        listener.listen(16)
        command = options.serve_command(python, spec, fd=listener.fileno())
        command[-1:-1] = more
        with (desk / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=place,
                env=options.environment(desk / "home", python=python),
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
    tab = MarimoClient(unix=str(desk / "socket"), base=spec.base_url)
    try:
        yield process, tab
    finally:
        tab.close()
        left = [process.pid, *descendants(process.pid)]
        process.terminate()
        process.wait(10)
        assert eventually(lambda: not any(map(alive, left))), (desk / "log").read_text()


@pytest.mark.parametrize("more", [(), ("--relay", "--shared-loopback")], ids=["hooks", "relay"])
@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_an_editor_works_and_leaves_nothing_behind(version: str, more: tuple[str, ...], desk: Path) -> None:
    with served(desk, python_with_marimo(version), *more) as (_, tab):
        tab.start()
        assert "y is 2" in tab.output(tab.cells[2])
        assert "42" in tab.run(tab.cells[2], "answer = 6 * 7\nanswer")
        tab.save(str(desk / "workspace" / "plain.py"))
    assert "answer = 6 * 7" in (desk / "workspace" / "plain.py").read_text()


def test_the_relay_locks_settings_as_far_as_marimo_lets_it(desk: Path, newest: Path) -> None:
    with served(desk, newest, "--relay", "--shared-loopback") as (_, tab):
        assert '"auto_instantiate": true' in tab.page()


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_behind_the_relay_nobody_can_tell_whether_a_cell_runs(version: str, desk: Path) -> None:
    with served(desk, python_with_marimo(version), "--relay", "--shared-loopback") as (_, tab):
        tab.start()
        assert tab.request("GET", run_state.PATH).status == run_state.UNKNOWN
        base = SPEC.base_url
        assert asyncio.run(answers(desk / "socket", base, 20))
        assert asyncio.run(cell_runs(desk / "socket", base, 20)) is None


def test_the_relay_refuses_a_loopback_that_others_may_be_on(desk: Path, newest: Path) -> None:
    with served(desk, newest, "--relay") as (process, _):
        assert process.wait(20) == 2
    assert "refusing" in (desk / "log").read_text()


def test_the_relay_ends_with_marimo_s_own_status(desk: Path, newest: Path) -> None:
    with served(desk, newest, "--relay", "--shared-loopback") as (process, tab):
        tab.start()
        tab.request("POST", "/api/kernel/shutdown", {})
        assert process.wait(20) == 0


def test_modules_in_the_workspace_do_not_stand_in_for_real_ones(desk: Path, newest: Path) -> None:
    planted = {f"{name}.py": "raise SystemExit('planted')" for name in ("marimo", "uvicorn", "sitecustomize")}
    with served(desk, newest, planted=planted) as (_, tab):
        assert "marimo" in tab.page()


def test_a_request_that_makes_no_sense_ends_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(["--fd", "0", "{}"]) == 2
    assert "can not be served" in capsys.readouterr().err
