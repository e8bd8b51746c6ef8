"""mograder.proving.runs"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mograder.environments import Environments
from mograder.errors import EnvironmentFailed
from mograder.proving import runs
from mograder.proving.runs import Attempt, Runs
from mograder.validation.runner import Cancelled, Ending, Task
from tests.proving.sample import source_text
from tests.support.processes import eventually


@pytest.fixture
def environments(monkeypatch: pytest.MonkeyPatch) -> Environments:
    """Packages that are always there: nothing is run in them here."""
    monkeypatch.setattr(runs, "remembered", lambda *_: None)
    ready = SimpleNamespace(python=Path("/nowhere/python"))
    return cast(Environments, SimpleNamespace(ready=lambda lock, told, asked: ready))


class Waiting:
    """A runner whose runs last until they are called off."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.read = ""

    def run(self, task: Task, tick: Callable[[], None], cancelled: Cancelled) -> Ending:
        self.read = (task.scratch.work / "data" / "n.txt").read_text()
        self.begun.release()
        cast(threading.Event, cancelled).wait(60)
        return Ending("cancelled")


def test_what_still_runs_is_called_off_at_the_end_and_the_rest_never_begins(
    environments: Environments, tmp_path: Path
) -> None:
    said, runner = list[tuple[str, str]](), Waiting()
    (tmp_path / "n.txt").write_text("42")
    attempt = Attempt("A1", "the solution", source_text(), {"data/n.txt": tmp_path / "n.txt"})
    with Runs(environments, lambda *what: said.append(what), runner=runner, at_a_time=1) as place:
        first, second = place.start(attempt), place.start(attempt)
        assert runner.begun.acquire(timeout=600)
    assert first.result().result.export_error == "The validation was called off. No check had finished."
    assert first.result().seconds >= 0
    assert second.cancelled()
    assert said == [("A1", "the solution runs")]
    assert runner.read == "42"


def test_packages_that_are_being_prepared_are_not_waited_for_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = tmp_path / "uv"
    endless.write_text(f"#!/bin/sh\ntouch {tmp_path}/up\nexec sleep 600\n")
    endless.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(endless))
    attempt = Attempt("A1", "the solution", source_text(), {})
    with Runs(Environments(tmp_path / "environments"), lambda *_: None, at_a_time=2) as place:
        both = [place.start(attempt), place.start(attempt)]
        assert eventually((tmp_path / "up").exists)
    assert {type(one.exception(60)) for one in both} == {EnvironmentFailed, CancelledError}
