"""mograder.environments.uv"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mograder.environments import Environments, Requirements, Uv
from mograder.environments import uv as uv_module
from mograder.environments.uv import UvFailed, base_interpreter, break_off, breakable, find_uv
from mograder.errors import EnvironmentFailed
from tests.support.processes import alive, eventually


def test_without_uv_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent() -> str:
        raise FileNotFoundError("no uv")

    monkeypatch.setattr("uv.find_uv_bin", absent)
    with pytest.raises(EnvironmentFailed) as error:
        Environments(tmp_path).resolve(Requirements())
    assert str(error.value).startswith("uv, which installs the notebooks' packages, is not there. Tip: ")
    assert str(error.value).endswith("-m pip install uv")


def test_without_uvs_wheel_the_same_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(EnvironmentFailed, match="is not there"):
        find_uv()


def test_environments_are_made_from_the_interpreter_below_the_hubs_own() -> None:
    assert not Path(base_interpreter()).is_relative_to(sys.prefix) or sys.prefix == sys.base_prefix


@pytest.mark.real
def test_no_secret_of_the_hub_and_no_other_python_reaches_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOGRADER_HUB_SECRET", "canary")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("UV_INDEX_STRATEGY", "first-index")
    given = uv_module.child_environment()
    assert "canary" not in given.values()
    assert "PYTHONPATH" not in given
    assert given["UV_INDEX_STRATEGY"] == "first-index"
    assert given["UV_PYTHON_DOWNLOADS"] == "never"


@pytest.mark.real
def test_the_configured_cache_is_used(tmp_path: Path) -> None:
    assert Uv(Path("/"), tmp_path / "cache").run(["cache", "dir"]).strip() == str(tmp_path / "cache")


@pytest.mark.real
def test_a_uv_that_says_no_is_heard() -> None:
    heard: list[str] = []
    with pytest.raises(UvFailed, match="unexpected argument"):
        Uv(Path("/")).run(["venv", "--no-such-option"], heard.append)
    assert any("unexpected argument" in line for line in heard)


@pytest.mark.real
def test_a_uv_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    endless = tmp_path / "uv"
    endless.write_text("#!/bin/sh\nexec sleep 60\n")
    endless.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(endless))
    monkeypatch.setattr(uv_module, "TIME_LIMIT", 0.1)
    with pytest.raises(EnvironmentFailed, match="did not end within"):
        Uv(Path("/")).run(["pip"])


@pytest.mark.real
def test_what_runs_is_broken_off_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    endless = tmp_path / "uv"
    endless.write_text("#!/bin/sh\nsleep 600 &\necho $! >&2\nwait\n")
    endless.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(endless))
    heard: queue.Queue[str] = queue.Queue()
    with ThreadPoolExecutor() as threads:
        broken = threads.submit(Uv(Path("/")).run, ["pip"], heard.put)
        child = int(heard.get(timeout=60))
        assert alive(child)
        break_off()
        with pytest.raises(EnvironmentFailed, match="the hub was stopped meanwhile"):
            broken.result(60)
    assert eventually(lambda: not alive(child))
    break_off()  # nothing is left to be ended


@pytest.mark.real
def test_what_begins_at_that_moment_is_broken_off_as_well() -> None:
    begun, known = threading.Event(), threading.Event()

    def begin() -> subprocess.Popen[str]:
        process = subprocess.Popen(["sleep", "600"], start_new_session=True, text=True)
        begun.set()
        known.wait(60)
        return process

    def run() -> None:
        with breakable(begin) as process:
            process.wait()

    with ThreadPoolExecutor() as threads:
        broken = threads.submit(run)
        assert begun.wait(60)
        off = threads.submit(break_off)
        with pytest.raises(TimeoutError):
            off.result(0.2)
        known.set()
        with pytest.raises(EnvironmentFailed, match="the hub was stopped meanwhile"):
            broken.result(60)
        off.result(60)


@pytest.mark.real
def test_a_listener_that_fails_stops_uv(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError):
        Uv(tmp_path).run(["venv", "--python", base_interpreter(), str(tmp_path / "v")], fail)
