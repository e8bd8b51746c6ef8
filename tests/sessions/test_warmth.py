"""``mograder.sessions.engine.warmth``: what an environment has while its warm process fails, ages or is spoiled."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mograder.errors import EnvironmentFailed
from mograder.sandbox.logs import CappedLog
from mograder.sessions.engine import warmth as module
from mograder.sessions.engine.warmth import LOOK_SECONDS, RENEWAL, RETRY, Warmths

PYTHON, NOTEBOOK = Path("/env/bin/python"), Path("/A1.py")


@dataclass(eq=False)
class FakeWarm:
    """Stands for a warm process that is ready."""

    number: int
    skipped: tuple[str, ...] = ()
    why: str = ""
    stopped: bool = False

    def unfit(self) -> str:
        return self.why

    def stop(self) -> None:
        self.stopped = True


@dataclass(eq=False)
class FakeComing:
    """Stands for one that gets ready; ``failure`` is what it says if it can not."""

    number: int
    deadline: float
    failure: str = ""

    def finish(self) -> FakeWarm:
        if self.failure:
            raise EnvironmentFailed(self.failure)
        return FakeWarm(self.number)


@dataclass
class World:
    """The environments of an engine whose clock and processes the test has in hand."""

    now: float = 1000.0
    begun: list[FakeComing] = field(default_factory=list)
    watched: set[object] = field(default_factory=set)
    missing: bool = False

    def __post_init__(self) -> None:
        self.warmths = Warmths(
            lambda thing, _: self.watched.add(thing), self.watched.discard, CappedLog.close
        )
        self._numbers = itertools.count(1)

    def begin(self, *_: object, **__: object) -> FakeComing:
        if self.missing:
            raise FileNotFoundError(2, "No such file or directory")
        self.begun.append(FakeComing(next(self._numbers), self.now + 120))
        return self.begun[-1]

    def get(self) -> list[FakeWarm | None]:
        """Ask for the warm process; the list fills when it is known."""
        told: list[FakeWarm | None] = []
        self.warmths.get("env", PYTHON, NOTEBOOK, told.append)  # type: ignore[arg-type]
        return told

    def come(self, failure: str = "") -> None:
        """The one that was begun last is ready, or has failed."""
        self.begun[-1].failure = failure
        self.warmths.came("env")

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.warmths.tick()

    @property
    def words(self) -> str:
        return self.warmths.by_environment["env"].words


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()
    monkeypatch.setattr(module.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(module.Warm, "begin", made.begin)
    monkeypatch.setattr(module.sys, "stderr", sys.__stderr__)  # with a descriptor, as the engine's
    yield made
    assert len(made.watched) <= 1, "what is not in the table is still listened to"


def test_who_asks_while_it_gets_ready_is_told_when_it_is(world: World) -> None:
    first, second = world.get(), world.get()
    assert (first, second, world.words) == ([], [], "starting")
    world.come()
    assert first == second == world.get()
    assert len(world.begun) == 1


def test_one_that_can_not_be_had_is_tried_again_after_a_while_and_not_before(world: World) -> None:
    told = world.get()
    world.come("numpy can not be imported")
    assert told == [None]
    assert world.words == "fresh processes: numpy can not be imported"
    world.later(RETRY - 1)
    assert world.get() == [None]
    assert len(world.begun) == 1
    world.later(2)
    assert world.get() == []
    world.come()
    assert world.words == "warm"


def test_an_interpreter_that_is_missing_is_told_at_once(world: World) -> None:
    world.missing = True
    assert world.get() == [None]
    assert "can not be started (No such file or directory)" in world.words


def test_every_day_another_takes_over_and_nobody_waits_for_it(world: World) -> None:
    told = world.get()
    world.come()
    world.later(RENEWAL + 1)
    assert len(world.begun) == 2
    assert world.get() == told
    world.come()
    (old,), (new,) = told, world.get()
    assert old is not None
    assert (old.stopped, world.watched) == (True, {new})


@pytest.mark.parametrize("missing", [True, False], ids=["no interpreter", "no warm process"])
def test_a_renewal_that_fails_leaves_the_old_one_in_place_and_is_tried_again_later(
    world: World, missing: bool
) -> None:
    told = world.get()
    world.come()
    world.missing = missing
    world.later(RENEWAL + 1)
    if not missing:
        world.come("The packages were not imported within the time for it.")
    begun = len(world.begun)
    for _ in range(20):
        world.later(LOOK_SECONDS)
        assert world.get() == told
    assert len(world.begun) == begun, "each look began another"
    (old,) = told
    assert old is not None
    assert (old.stopped, world.watched, world.words) == (False, {old}, "warm")
    world.missing = False
    world.later(RETRY)
    world.come()
    (new,) = world.get()
    assert new is not old
    assert old.stopped


def test_one_that_ends_while_it_is_renewed_is_replaced_by_the_one_that_comes(world: World) -> None:
    world.get()
    world.come()
    world.later(RENEWAL + 1)
    world.warmths.lost("env")
    told = world.get()
    assert told == []
    world.come()
    assert len(told) == 1
    assert len(world.begun) == 2


def test_one_that_does_not_come_in_time_is_given_up(world: World) -> None:
    told = world.get()
    world.begun[-1].failure = "The packages were not imported within the time for it."
    world.later(121)
    assert told == [None]


def test_one_that_can_not_be_forked_any_more_is_replaced_before_anybody_gets_it(world: World) -> None:
    world.get()
    world.come()
    (old,) = world.get()
    assert old is not None
    old.why = "a library started a thread in it after a while"
    world.later(LOOK_SECONDS)
    assert old.stopped
    told = world.get()
    assert told == []
    world.come()
    assert told != [old]
    assert len(told) == 1


def test_an_environment_that_spoils_every_process_gets_fresh_ones_and_says_why(world: World) -> None:
    for _ in range(3):
        world.get()
        world.come()
        (warm,) = world.get()
        assert warm is not None
        warm.why = "a library started a thread in it after a while"
        world.later(LOOK_SECONDS)
    assert len(world.begun) == 3
    assert world.get() == [None]
    assert world.words == "fresh processes: a library started a thread in it after a while"
