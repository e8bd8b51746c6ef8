"""``mograder.hub.engine_runner``: what the engine is ordered, and what becomes of its answer. The real one is in
``tests/sessions/test_engine.py``."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mograder.hub.engine_runner import EngineRunner
from mograder.sandbox.limits import Limits
from mograder.sessions.engine.protocol import Ended, Launch
from mograder.validation.runner import Ending, Task
from mograder.validation.scratch import Scratch

HUBS = Limits(cpu_cores=1.5, cpu_weight=25, disk_bytes=64 << 20, memory_bytes=1)


class FakeEngine:
    """Ends a run as it is told; ``launched`` is what was ordered."""

    limits = HUBS

    def __init__(self, end: Ended) -> None:
        self._end = end
        self.launched: list[Launch] = []
        self.given: list[Path] = []

    async def run(self, launch: Launch, descriptors: Mapping[str, int]) -> asyncio.Future[Any]:
        self.launched.append(launch)
        os.write(descriptors["log"], b"its last words\n")
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        ended.set_result(self._end)
        return ended

    async def end(self, session: str) -> None:
        raise AssertionError("nobody called it off")

    def prepare(self, workspace: Path, user: str) -> None:
        self.given.append(workspace)

    def slot(self, user: str) -> int:
        return 7


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs in another thread, as the hub's does."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def outcome(loop: asyncio.AbstractEventLoop, place: Path, end: Ended) -> tuple[Ending, Launch]:
    engine = FakeEngine(end)
    scratch = Scratch(place / "run", place, -1)
    scratch.root.mkdir()
    task = Task(python=Path("/env/bin/python"), scratch=scratch, notebook="A1.py", time_limit=30)
    runner = EngineRunner(engine, loop, environment="env", notebook=Path("/A1.py"), user="ada")
    ending = runner.run(task, lambda: None, threading.Event())
    assert engine.given == [scratch.root]
    assert [path.name for path in place.iterdir()] == ["run"], "the log was left behind"
    return ending, engine.launched[0]


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (Ended("s"), "done"),
        (Ended("s", status=1), "done"),
        (Ended("s", "time"), "time"),
        (Ended("s", "memory"), "memory"),
        (Ended("s", "disk"), "disk"),
        (Ended("s", "processes"), "processes"),
        (Ended("s", "stopped"), "killed"),
        (Ended("s", "engine"), "killed"),
        (Ended("s", status=-9), "killed"),
    ],
)
def test_the_reason_of_an_end_is_told(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, end: Ended, how: str
) -> None:
    ending, _ = outcome(loop, tmp_path, end)
    assert (ending.how, ending.status, ending.log) == (how, end.status, "its last words\n")


def test_a_run_has_its_own_time_and_memory_and_a_sessions_share_of_the_rest(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    _, launch = outcome(loop, tmp_path, Ended("s"))
    assert launch.wall_seconds == 30
    limits = Limits(**launch.limits)
    assert (limits.cpu_cores, limits.cpu_weight, limits.disk_bytes) == (1.5, 25, 64 << 20)
    assert limits.memory_bytes == 2 << 30
