"""``mograder.hub.locks``: one at a time for each key, and nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from mograder.hub.locks import KeyedLocks


def test_what_is_done_under_one_key_is_done_in_turn() -> None:
    async def scenario() -> list[str]:
        locks, said = KeyedLocks(), []

        async def work(name: str) -> None:
            async with locks.held("A1"):
                said.append(f"{name} in")
                await asyncio.sleep(0)
                said.append(f"{name} out")

        await asyncio.gather(work("one"), work("two"), work("three"))
        assert len(locks) == 0
        return said

    said = asyncio.run(scenario())
    assert said == [f"{name} {word}" for name in ("one", "two", "three") for word in ("in", "out")]


def test_different_keys_do_not_wait_for_each_other() -> None:
    async def scenario() -> None:
        locks = KeyedLocks()
        async with locks.held("A1"), asyncio.timeout(5), locks.held("A2"):
            assert len(locks) == 2

    asyncio.run(scenario())


def test_somebody_who_gives_up_waiting_leaves_the_others_in_turn() -> None:
    async def scenario() -> None:
        locks = KeyedLocks()

        async def work() -> None:
            async with locks.held("A1"):
                pass

        async with locks.held("A1"):
            impatient, patient = asyncio.create_task(work()), asyncio.create_task(work())
            await asyncio.sleep(0)
            impatient.cancel()
            await asyncio.wait([impatient])
            assert not patient.done()
        await asyncio.wait_for(patient, 5)
        assert len(locks) == 0

    asyncio.run(scenario())


def test_a_failure_inside_frees_the_key() -> None:
    async def scenario() -> None:
        locks = KeyedLocks()
        with pytest.raises(ZeroDivisionError):
            async with locks.held("A1"):
                raise ZeroDivisionError
        assert len(locks) == 0

    asyncio.run(scenario())
