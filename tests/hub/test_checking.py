"""mograder.hub.checking, and the events that are made of it (`mograder.hub.api.events`)."""

from __future__ import annotations

import asyncio

from mograder.hub.api.events import checks
from mograder.hub.checking import Checking
from mograder.validation.model import CheckResult

Q1 = CheckResult("Q1: a", "success", ("✓ a",))
Q2 = CheckResult("Q2: b", "danger")


async def seen(checking: Checking, patience: float = 30.0) -> list[str | CheckResult]:
    return [news async for news in checking.watch("ada", "A1", patience)]


def test_a_watcher_that_comes_first_sees_the_run_from_its_start_to_its_end() -> None:
    async def story() -> None:
        checking = Checking()
        watcher = asyncio.create_task(seen(checking))
        await asyncio.sleep(0)  # it waits now
        with checking.run("eve", "A1"):
            pass  # somebody else's
        with checking.run("ada", "A1") as run:
            await asyncio.sleep(0)
            run.begin()
            await asyncio.to_thread(run.found, Q1)
            await asyncio.to_thread(run.found, Q2)
            await asyncio.sleep(0)
        assert await watcher == ["Waiting for a turn", "Running", Q1, Q2]

    asyncio.run(story())


def test_a_watcher_that_comes_late_sees_all_from_the_beginning() -> None:
    async def story() -> None:
        checking = Checking()
        with checking.run("ada", "A1") as run:
            run.begin()
            await asyncio.to_thread(run.found, Q1)
            watcher = asyncio.create_task(seen(checking))
            await asyncio.sleep(0)
            await asyncio.to_thread(run.found, Q2)
        assert await watcher == ["Running", Q1, Q2]

    asyncio.run(story())


def test_a_check_that_reports_again_and_again_is_told_once() -> None:
    async def story() -> None:
        checking = Checking()
        with checking.run("ada", "A1") as run:
            watcher = asyncio.create_task(seen(checking))
            run.begin()
            for _ in range(1000):
                run.found(Q1)
            await asyncio.sleep(0)
        assert await watcher == ["Running", Q1]
        assert len(run.checks) == 1

    asyncio.run(story())


def test_a_run_that_is_called_off_while_it_waits_ends_for_its_watchers_too() -> None:
    async def story() -> None:
        checking = Checking()
        with checking.run("ada", "A1"):
            watcher = asyncio.create_task(seen(checking))
            await asyncio.sleep(0)
        assert await watcher == ["Waiting for a turn"]

    asyncio.run(story())


def test_without_a_run_there_is_nothing_after_a_while() -> None:
    async def story() -> None:
        assert await seen(Checking(), patience=0.01) == []

    asyncio.run(story())


def test_an_older_run_that_ends_does_not_hide_the_newer_one() -> None:
    async def story() -> None:
        checking = Checking()
        with checking.run("ada", "A1") as older, checking.run("ada", "A1") as newer:
            older.end()
            newer.begin()
            watcher = asyncio.create_task(seen(checking))
            await asyncio.sleep(0)
        assert await watcher == ["Running"]

    asyncio.run(story())


def test_the_events_are_those_of_the_page() -> None:
    async def story() -> None:
        checking = Checking()
        with checking.run("ada", "A1") as run:
            run.begin()
            run.found(Q1)
            stream = checks(checking, "ada", "A1")
            assert await anext(stream) == b'event: step\ndata: {"text": "Running"}\n\n'
        assert [piece async for piece in stream] == [
            b'event: check\ndata: {"label": "Q1: a", "status": "success", "details": ["\\u2713 a"]}\n\n',
            b"event: end\ndata: {}\n\n",
        ]

    asyncio.run(story())
