"""``mograder.hub.looks``: many questions, few looks, and none of an answer from before the question."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, cast

import pytest

from mograder.hub.looks import Looks
from mograder.hub.overview import Asked, ItemState
from mograder.hub.releases import ItemType

SEEN = (ItemState("A1", ItemType.ASSIGNMENT, None, True, False),)


class Double:
    """An overview whose looks wait until they are let go, and say what the world was when they began."""

    def __init__(self) -> None:
        self.world: Any = SEEN
        self.looks: list[list[str]] = []
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.read: list[str] = []

    def known(self, questions: Sequence[Asked]) -> list[Any]:
        world = self.world
        self.looks.append([asked.user for asked in questions])
        self.begun.release()
        self.go.acquire()
        if isinstance(world, Exception):
            raise world
        return [world for _ in questions]

    def items(self, asked: Asked) -> Any:
        self.read.append(asked.user)
        return SEEN


def looks_at(double: Double) -> Looks:
    return Looks(cast(Any, double))


async def ask(looks: Looks, *users: str) -> list[asyncio.Task[tuple[ItemState, ...]]]:
    asking = [asyncio.create_task(looks.items(user)) for user in users]
    await asyncio.sleep(0)  # until they have asked
    return asking


def test_who_asks_while_a_look_goes_on_is_answered_by_the_next_and_all_by_one() -> None:
    async def scene() -> None:
        double = Double()
        looks = looks_at(double)
        (first,) = await ask(looks, "ada")
        await asyncio.to_thread(double.begun.acquire)
        double.world = ()  # it changes, and then they ask
        others = await ask(looks, "bob", "eve", "mia")
        double.go.release(), double.go.release()
        assert await first == SEEN
        assert await asyncio.gather(*others) == [(), (), ()]
        assert double.looks == [["ada"], ["bob", "eve", "mia"]]

    asyncio.run(scene())


def test_whose_notebooks_must_be_read_waits_for_that_alone() -> None:
    async def scene() -> None:
        double = Double()
        double.world = None
        double.go.release()
        assert await looks_at(double).items("ada") == SEEN
        assert double.read == ["ada"]

    asyncio.run(scene())


def test_all_are_told_when_the_look_fails_and_the_next_one_is_a_new_one() -> None:
    async def scene() -> None:
        double = Double()
        double.world = OSError("no")
        looks = looks_at(double)
        asking = await ask(looks, "ada", "bob")
        double.go.release(), double.go.release()
        for task in asking:
            with pytest.raises(OSError, match="no"):
                await task
        double.world = SEEN
        assert await looks.items("ada") == SEEN

    asyncio.run(scene())


def test_who_goes_before_the_answer_harms_nobody() -> None:
    async def scene() -> None:
        double = Double()
        looks = looks_at(double)
        gone, stays = await ask(looks, "ada", "bob")
        await asyncio.to_thread(double.begun.acquire)
        gone.cancel()
        await asyncio.sleep(0)
        double.go.release()
        assert await stays == SEEN

    asyncio.run(scene())
