"""Who may start: places, processors, memory; a queue in the order of arrival."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mograder.errors import Unavailable
from mograder.sessions import admission
from mograder.sessions.admission import (
    LEAST_PER_START,
    QUEUED_PER_PERSON,
    SETTLE_SECONDS,
    Admission,
    available_memory,
)
from mograder.sessions.model import SessionKey

GB = 1 << 30


class World:
    """A machine whose memory, clock and running sessions a test sets."""

    def __init__(
        self, limit: int = 100, parallel: int = 50, *, free: int = 64 * GB, reserve: int = GB
    ) -> None:
        self.free, self.now, self.up = free, 0.0, 0
        self.admission = Admission(
            limit, parallel, reserve=reserve, free=lambda: self.free, clock=lambda: self.now
        )
        self.told: dict[str, list[tuple[int, int | None]]] = {}
        self.let_in: list[str] = []
        self.finish: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def click(self, user: str, item: str = "A1") -> None:
        """Somebody wants to start; returns when the queue has heard it."""
        name = user if item == "A1" else f"{user}/{item}"
        self.finish[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._start(name, SessionKey("edit", user, item)))
        await settle()

    async def come_up(self, name: str) -> None:
        """The start that is under way is done: it is a session now."""
        self.finish[name].set()
        await settle()

    async def end(self, sessions: int = 1) -> None:
        self.up -= sessions
        self.admission.ended()
        await settle()

    async def _start(self, name: str, key: SessionKey) -> None:
        def told(place: int, estimate: int | None) -> None:
            self.told.setdefault(name, []).append((place, estimate))

        async with self.admission.turn(key, lambda: self.up, told):
            self.let_in.append(name)
            await self.finish[name].wait()
            self.up += 1


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(test: Callable[[World], Awaitable[None]], **machine: int) -> None:
    """Run ``test`` in a world; who still waits at its end is sent home."""

    async def main() -> None:
        world = World(**machine)
        try:
            await test(world)
        finally:
            for task in world.tasks.values():
                task.cancel()
            await asyncio.gather(*world.tasks.values(), return_exceptions=True)

    asyncio.run(main())


def test_the_machine_says_how_much_memory_is_free() -> None:
    assert 1 << 20 < available_memory() < 1 << 50


def test_whoever_comes_when_all_places_are_taken_waits_and_starts_when_one_is_free() -> None:
    async def story(world: World) -> None:
        await world.click("ada")
        await world.come_up("ada")
        await world.click("bob")
        assert world.told["bob"] == [(1, None)]
        assert world.let_in == ["ada"]
        await world.end()
        assert world.let_in == ["ada", "bob"]

    run(story, limit=1)


def test_the_queue_is_served_in_the_order_of_arrival_and_everybody_moves_up() -> None:
    async def story(world: World) -> None:
        for user in ("ada", "bob", "cyd"):
            await world.click(user)
        assert (world.told["bob"], world.told["cyd"]) == ([(1, None)], [(2, None)])
        await world.come_up("ada")
        await world.end()
        assert world.let_in == ["ada", "bob"]
        assert [place for place, _ in world.told["cyd"]] == [2, 1]

    run(story, limit=1)


def test_a_start_that_would_eat_into_the_reserve_waits() -> None:
    async def story(world: World) -> None:
        await world.click("ada")
        assert world.let_in == []
        world.free += 1
        world.admission.look()
        await settle()
        assert world.let_in == ["ada"]

    run(story, free=GB + LEAST_PER_START - 1)


def test_starts_under_way_count_with_what_they_will_take() -> None:
    async def story(world: World) -> None:
        await world.click("ada")
        await world.click("bob")
        assert world.let_in == ["ada"]

    run(story, free=GB + 2 * LEAST_PER_START - 1)


def test_a_session_that_just_came_up_still_counts_until_its_kernel_has_its_memory() -> None:
    async def story(world: World) -> None:
        await world.click("ada")
        await world.come_up("ada")
        await world.click("bob")
        assert world.let_in == ["ada"]
        world.now += SETTLE_SECONDS
        world.admission.look()
        await settle()
        assert world.let_in == ["ada", "bob"]

    run(story, free=GB + 2 * LEAST_PER_START - 1)


def test_a_start_is_expected_to_need_the_median_of_what_sessions_take() -> None:
    async def story(world: World) -> None:
        world.admission.learn([GB // 4, GB // 2, 30 * GB])
        await world.click("ada")
        assert world.let_in == []
        world.admission.learn([GB // 4])
        await settle()
        assert world.let_in == ["ada"]

    run(story, free=GB + GB // 2 - 1)


def test_memory_that_others_give_back_is_noticed_without_any_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOOK_SECONDS", 0.01)

    async def story(world: World) -> None:
        await world.click("ada")
        assert world.let_in == []
        world.free = 64 * GB
        world.finish["ada"].set()
        async with asyncio.timeout(5):
            await world.tasks["ada"]

    run(story, free=0)


def test_no_more_starts_are_under_way_at_once_than_there_are_processors_and_nobody_is_told_of_it() -> None:
    async def story(world: World) -> None:
        for user in ("ada", "bob", "cyd"):
            await world.click(user)
        assert world.let_in == ["ada", "bob"]
        await world.come_up("ada")
        assert world.let_in == ["ada", "bob", "cyd"]
        assert world.told == {}

    run(story, parallel=2)


def test_a_waiter_that_gives_up_leaves_the_queue() -> None:
    async def story(world: World) -> None:
        for user in ("ada", "bob", "cyd"):
            await world.click(user)
        world.tasks["bob"].cancel()
        await settle()
        assert world.told["cyd"] == [(2, None), (1, None)]
        await world.come_up("ada")
        await world.end()
        assert world.let_in == ["ada", "cyd"]

    run(story, limit=1)


def test_giving_up_in_the_moment_of_being_let_in_loses_no_place() -> None:
    async def story(world: World) -> None:
        for user in ("ada", "bob", "cyd"):
            await world.click(user)
        world.tasks["ada"].cancel()  # its place goes to bob in the same turn of the loop
        world.tasks["bob"].cancel()
        await settle()
        assert world.let_in == ["ada", "cyd"]

    run(story, limit=1)


def test_a_start_that_fails_gives_its_place_back() -> None:
    async def story(world: World) -> None:
        await world.click("ada")
        await world.click("bob")
        world.tasks["ada"].cancel()
        await settle()
        assert world.let_in == ["ada", "bob"]

    run(story, limit=1)


def test_one_person_can_not_fill_the_queue() -> None:
    async def story(world: World) -> None:
        await world.click("ada")
        for number in range(QUEUED_PER_PERSON + 1):
            await world.click("bob", f"L{number}")
        await world.click("cyd")
        refused = world.tasks[f"bob/L{QUEUED_PER_PERSON}"]
        with pytest.raises(Unavailable, match="wait for 3 notebooks already"):
            refused.result()
        assert world.told["cyd"] == [(QUEUED_PER_PERSON + 1, None)]

    run(story, limit=1)


def test_the_estimate_follows_the_rate_at_which_sessions_end() -> None:
    async def story(world: World) -> None:
        world.up = 3
        world.admission.ended()  # at 0
        world.now = 60
        world.admission.ended()
        await world.click("ada")
        await world.click("bob")
        assert world.told == {"ada": [(1, 30)], "bob": [(2, 60)]}
        assert world.admission.place(SessionKey("edit", "bob", "A1")) == (2, 60)

    run(story, limit=3)


def test_ends_of_long_ago_tell_nothing_about_now() -> None:
    async def story(world: World) -> None:
        world.up = 1
        world.admission.ended()
        world.admission.ended()
        world.now = 10_000
        await world.click("ada")
        assert world.told["ada"] == [(1, None)]

    run(story, limit=1)
