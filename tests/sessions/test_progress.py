"""``mograder.sessions.progress``: who watches sees every event once, in order, to the end."""

from __future__ import annotations

import asyncio

from mograder.sessions.progress import Event, Progress

READY = Event("ready", "The notebook is ready.", url="edit/user/ada/A1/")


async def watched(progress: Progress) -> list[Event]:
    return [event async for event in progress.watch()]


def test_everybody_sees_everything_whenever_they_come() -> None:
    async def scenario() -> None:
        progress = Progress()
        early = asyncio.create_task(watched(progress))
        await asyncio.sleep(0)
        progress.step("One")
        await asyncio.sleep(0)
        middle = asyncio.create_task(watched(progress))
        progress.step("Two")
        progress.queued(3, 60)
        progress.say(READY)
        late = await watched(progress)
        assert await early == await middle == late == progress.events
        assert [event.detail for event in late[:2]] == ["One", "Two"]
        assert (late[2].place, late[2].estimate) == (3, 60)

    asyncio.run(scenario())


def test_watching_ends_with_the_last_event() -> None:
    async def scenario() -> None:
        progress = Progress()
        progress.say(Event("failed", "It broke.", log_tail="x"))
        progress.step("Too late")
        assert [event.kind for event in await watched(progress)] == ["failed"]

    asyncio.run(scenario())


def test_the_same_step_twice_in_a_row_is_said_once() -> None:
    progress = Progress()
    for detail in ("One", "One", "Two", "One"):
        progress.step(detail)
    assert [event.detail for event in progress.events] == ["One", "Two", "One"]


def test_only_ready_and_failed_are_the_last() -> None:
    assert READY.last
    assert Event("failed", "").last
    assert not Event("step", "").last
    assert not Event("queued", "").last
