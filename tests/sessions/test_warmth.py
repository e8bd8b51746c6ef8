"""``mograder.sessions.engine.warmth``: what an environment has while its warm process fails, ages or is spoiled."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mograder.errors import EnvironmentFailed, SandboxError
from mograder.sandbox.logs import CappedLog
from mograder.sessions.engine import warmth as module
from mograder.sessions.engine.trial import Wanted
from mograder.sessions.engine.warmth import LOOK_SECONDS, RENEWAL, RETRY, UNUSED, Warmths

NOTEBOOK = Path("/A1.py")


@dataclass(eq=False)
class FakeWarm:
    """Stands for a warm process that is ready."""

    number: int
    skipped: tuple[str, ...] = ()
    why: str = ""
    problem: str | None = None
    stopped: bool = False

    def unfit(self) -> str:
        return self.why

    def stop(self) -> None:
        self.stopped = True


@dataclass(eq=False)
class FakeTrial:
    """Stands for a trial that goes on; ``why`` is what it finds when it is to be judged too late."""

    warm: FakeWarm
    judged: Callable[[str], None]
    deadline: float
    why: str = "no kernel came up within 20 s"

    def judge(self) -> None:
        self.judged(self.why)


@dataclass(eq=False)
class FakeComing:
    """Stands for one that gets ready; ``failure`` is what it says if it can not."""

    number: int
    deadline: float
    failure: str = ""
    problem: str | None = None

    def finish(self) -> FakeWarm:
        if self.failure:
            raise EnvironmentFailed(self.failure)
        return FakeWarm(self.number, problem=self.problem)


@dataclass
class World:
    """The environments of an engine whose clock and processes the test has in hand."""

    python: Path
    now: float = 1000.0
    begun: list[FakeComing] = field(default_factory=list)
    watched: set[object] = field(default_factory=set)
    missing: bool = False
    trials: list[tuple[FakeTrial, Wanted]] = field(default_factory=list)
    untriable: bool = False

    def __post_init__(self) -> None:
        self.warmths = Warmths(
            lambda thing, _: self.watched.add(thing), self.watched.discard, CappedLog.close, self.try_out
        )
        self._numbers = itertools.count(1)

    def try_out(self, warm: FakeWarm, wanted: Wanted, judged: Callable[[str], None]) -> FakeTrial:
        if self.untriable:
            raise SandboxError("A sandbox did not come up: no more memory.")
        self.trials.append((FakeTrial(warm, judged, self.now + 25), wanted))
        return self.trials[-1][0]

    def begin(self, *_: object, **__: object) -> FakeComing:
        if self.missing:
            raise FileNotFoundError(2, "No such file or directory")
        self.begun.append(FakeComing(next(self._numbers), self.now + 120))
        return self.begun[-1]

    def get(self) -> list[FakeWarm | None]:
        """Ask for the warm process; the list fills when it is known."""
        told: list[FakeWarm | None] = []
        self.warmths.get("env", self.python, NOTEBOOK, told.append, {"processes": 48})  # type: ignore[arg-type]
        return told

    def come(self, failure: str = "", unproven: str = "") -> None:
        """The one that was begun last is ready, or has failed; its trial has ended, so or so."""
        self.get_ready(failure)
        if not failure:
            self.trials[-1][0].judged(unproven)

    def get_ready(self, failure: str = "") -> None:
        self.begun[-1].failure = failure
        self.warmths.came("env")

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.warmths.tick()

    @property
    def words(self) -> str:
        return self.warmths.by_environment["env"].words


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "python")
    made.python.touch()
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


def test_nobody_gets_one_that_has_not_passed_its_trial(world: World) -> None:
    told = world.get()
    world.get_ready()
    assert (told, world.words) == ([], "starting")
    ((trial, wanted),) = world.trials
    assert wanted == Wanted("env", world.python, NOTEBOOK, {"processes": 48})
    trial.judged("")
    assert told == [trial.warm]
    assert world.words == "warm"


def test_one_that_fails_its_trial_is_stopped_and_sessions_get_fresh_processes(world: World) -> None:
    told = world.get()
    world.come(unproven="no kernel came up within 20 s")
    assert told == [None]
    assert world.trials[0][0].warm.stopped
    assert world.words == "fresh processes: a trial session failed: no kernel came up within 20 s"


def test_a_trial_that_does_not_end_is_judged_by_what_is_known(world: World) -> None:
    told = world.get()
    world.get_ready()
    world.later(24)
    assert told == []
    world.later(2)
    assert told == [None]


def test_a_sandbox_that_can_not_be_made_for_the_trial_is_told(world: World) -> None:
    told = world.get()
    world.untriable = True
    world.get_ready()
    assert told == [None]
    assert "a trial session could not be made: A sandbox did not come up: no more memory." in world.words


def test_a_notebook_that_did_not_end_when_it_was_learned_from_is_not_tried_again(world: World) -> None:
    world.get()
    world.begun[-1].problem = "its cells did not end within 60 s"
    world.come()
    assert world.trials[0][1].notebook is None
    assert world.words == "warm"


def test_one_whose_packages_were_deleted_is_stopped_and_the_next_start_makes_another(world: World) -> None:
    world.get()
    world.come()
    (old,) = world.get()
    assert old is not None
    world.python.unlink()
    world.later(LOOK_SECONDS)
    assert old.stopped
    assert "env" not in world.warmths.by_environment
    world.python.touch()
    told = world.get()
    world.come()
    assert told != [old]


def test_one_that_nobody_wants_for_more_than_a_week_is_stopped(world: World) -> None:
    world.get()
    world.come()
    for _ in range(7):
        world.later(RENEWAL + 1)
        world.come()
    last = world.trials[-1][0].warm
    assert not last.stopped
    world.later(UNUSED - 7 * RENEWAL)
    assert last.stopped
    assert (world.warmths.by_environment, len(world.begun)) == ({}, 8)
