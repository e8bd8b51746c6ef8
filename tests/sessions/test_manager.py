"""``mograder.sessions.manager``: what becomes of a session, whoever does what at the same time."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path

import pytest

from mograder.errors import Conflict, EnvironmentFailed, SessionFailed, Unavailable
from mograder.sessions import manager
from mograder.sessions.idleness import DOUBT_SECONDS
from mograder.sessions.launchers.base import LOG_LIMIT
from mograder.sessions.model import LaunchPlan, Session, SessionKey, State, Use
from mograder.sessions.progress import Event, Progress
from tests.sessions.fake import KEY, Stage, failing, on_stage, until
from tests.support.trees import dig

OTHER = SessionKey("edit", "bob", "A1")


async def outcome(task: asyncio.Task[Session]) -> BaseException | Session:
    return (await asyncio.gather(task, return_exceptions=True))[0]


# -- starting -------------------------------------------------------------------------------------------------


@on_stage
async def test_a_started_session_is_ready_listed_and_written_down(stage: Stage) -> None:
    session = await stage.start()
    assert session.state is State.READY
    assert session.url == "edit/user/ada/A1/"
    assert stage.sessions.get(KEY) is session
    assert stage.sessions.by_id(session.id) is session
    assert stage.sessions.all() == stage.sessions.of("ada") == [session]
    assert stage.sessions.of("bob") == []
    assert stage.registry.rows[session.id].handle == session.handle


@on_stage
async def test_twenty_callers_at_once_get_one_session(stage: Stage) -> None:
    sessions = await asyncio.gather(*(stage.start() for _ in range(20)))
    assert len({id(session) for session in sessions}) == 1
    assert (stage.prepared, len(stage.launcher.launched)) == (1, 1)


@on_stage
async def test_a_session_that_is_up_is_returned_and_nothing_is_prepared(stage: Stage) -> None:
    assert await stage.start() is await stage.start()
    assert stage.prepared == 1


@on_stage
async def test_different_people_start_side_by_side(stage: Stage) -> None:
    one, other = await asyncio.gather(stage.start(KEY), stage.start(OTHER))
    assert one is not other
    assert stage.launcher.most_at_once == 2


@on_stage
async def test_begin_starts_without_waiting_and_only_once(stage: Stage) -> None:
    for _ in range(5):
        stage.sessions.begin(KEY, stage.prepare)
    session = await stage.start()
    stage.sessions.begin(KEY, stage.prepare)
    assert stage.sessions.get(KEY) is session
    assert stage.prepared == 1


@on_stage
async def test_a_caller_who_leaves_does_not_end_the_start_for_the_others(stage: Stage) -> None:
    stage.launcher.launch_gate.clear()
    leaver, stayer = asyncio.create_task(stage.start()), asyncio.create_task(stage.start())
    await stage.launcher.launching.wait()
    leaver.cancel()
    assert isinstance(await outcome(leaver), asyncio.CancelledError)
    stage.launcher.launch_gate.set()
    assert (await stayer).state is State.READY


@on_stage
async def test_the_steps_are_told_to_whoever_watches_early_or_late(stage: Stage) -> None:
    async def watch() -> list[Event]:
        return [event async for event in stage.sessions.progress(KEY).watch()]

    early = asyncio.create_task(watch())
    await asyncio.sleep(0)
    session = await stage.start()
    late = await watch()
    assert await early == late
    assert [event.kind for event in late] == ["step", "step", "ready"]
    assert late[-1].url == session.url


# -- failing --------------------------------------------------------------------------------------------------


@on_stage
async def test_a_launch_that_fails_is_told_to_everybody_who_waits_and_watches(stage: Stage) -> None:
    stage.launcher.launch_error = failing("The interpreter is missing.")

    async def watch() -> list[Event]:
        return [event async for event in stage.sessions.progress(KEY).watch()]

    watchers = [asyncio.create_task(watch()) for _ in range(3)]
    results = await asyncio.gather(*(stage.start() for _ in range(5)), return_exceptions=True)
    assert [str(result) for result in results] == ["The interpreter is missing."] * 5
    for events in await asyncio.gather(*watchers):
        assert events[-1].kind == "failed"
        assert events[-1].detail == "The interpreter is missing."
        assert events[-1].log_tail == "last words\n"
    assert (stage.sessions.all(), stage.registry.all()) == ([], [])
    assert os.listdir(stage.root / "sessions") == []


@on_stage
async def test_after_a_failure_the_next_start_is_a_new_one(stage: Stage) -> None:
    stage.launcher.launch_error = failing()
    with pytest.raises(SessionFailed):
        await stage.start()
    assert [event.kind for event in stage.told()][-1] == "failed"  # still there for who comes late
    stage.launcher.launch_error = None
    assert (await stage.start()).state is State.READY
    assert [event.kind for event in stage.told()] == ["step", "step", "ready"]


@on_stage
async def test_a_failed_preparation_launches_nothing_and_is_told(stage: Stage) -> None:
    async def prepare(progress: Progress) -> LaunchPlan:
        raise EnvironmentFailed("numpi is not known.")

    with pytest.raises(EnvironmentFailed):
        await stage.sessions.start(KEY, prepare)
    assert stage.told()[-1].detail == "numpi is not known."
    assert stage.launcher.launched == []
    assert stage.sessions.get(KEY) is None


def test_an_error_that_nobody_expected_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    @on_stage
    async def scenario(stage: Stage) -> None:
        async def prepare(progress: Progress) -> LaunchPlan:
            raise ZeroDivisionError("secret detail")

        stage.sessions.begin(KEY, prepare)
        await until(lambda: stage.told() and stage.told()[-1].last)
        assert stage.told()[-1].detail == "Something went wrong in the hub; it was noted."

    scenario()
    assert "the start of edit/user/ada/A1 failed" in caplog.text
    assert "ZeroDivisionError: secret detail" in caplog.text


@on_stage
async def test_a_server_that_ends_at_once_fails_the_start_with_its_last_words(stage: Stage) -> None:
    stage.launcher.answer = None
    start = asyncio.create_task(stage.start())
    await until(lambda: stage.launcher.running)
    stage.launcher.launched[0].log.write_text("ModuleNotFoundError: No module named 'marimo'\n")
    (server,) = stage.launcher.running
    session = stage.sessions.get(KEY)
    assert session is not None
    assert session.state is State.STARTING
    await until(lambda: session.handle is not None)
    stage.end(session, "Its server ended with status 1.")
    error = await outcome(start)
    assert isinstance(error, SessionFailed)
    assert str(error) == "The notebook A1 could not be started. Its server ended with status 1."
    assert error.log_tail == "ModuleNotFoundError: No module named 'marimo'\n"
    assert server == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 500 Oops\r\n\r\n", b"", b"x" * (1 << 18), b"\xff\n"])
def test_a_server_that_answers_nonsense_fails_the_start(answer: bytes) -> None:
    @on_stage
    async def scenario(stage: Stage) -> None:
        stage.launcher.answer = answer
        with pytest.raises(SessionFailed, match="does not answer"):
            await stage.start()
        assert stage.launcher.running == {}

    scenario()


def test_a_server_that_says_nothing_fails_the_start_when_patience_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(manager, "START_TIMEOUT", 0.05)

    @on_stage
    async def scenario(stage: Stage) -> None:
        stage.launcher.answer = None
        with pytest.raises(SessionFailed, match="does not answer"):
            await stage.start()
        assert stage.launcher.running == {}

    scenario()


@on_stage
async def test_a_disk_without_room_fails_the_start_in_a_sentence(stage: Stage) -> None:
    (stage.root / "sessions").write_text("a file where the directory should be")
    with pytest.raises(SessionFailed, match="no room for an open notebook"):
        await stage.start()
    (stage.root / "sessions").unlink()


@on_stage
async def test_a_state_that_can_not_be_written_leaves_no_process_behind(stage: Stage) -> None:
    def full(session: Session) -> None:
        raise OSError(28, "No space left on device")

    stage.registry.save = full  # type: ignore[method-assign]
    with pytest.raises(OSError, match="No space left"):
        await stage.start()
    assert stage.launcher.running == {}
    assert stage.sessions.get(KEY) is None


@on_stage
async def test_a_failed_start_removes_its_scratch(stage: Stage) -> None:
    scratch = stage.root / "scratch"
    scratch.mkdir()

    async def prepare(progress: Progress) -> LaunchPlan:
        return dataclasses.replace(await stage.prepare(progress), scratch=scratch)

    stage.launcher.launch_error = failing()
    with pytest.raises(SessionFailed):
        await stage.sessions.start(KEY, prepare)
    assert not scratch.exists()


# -- stopping -------------------------------------------------------------------------------------------------


@on_stage
async def test_a_stopped_session_is_gone_with_all_it_had(stage: Stage) -> None:
    scratch = stage.root / "scratch"

    async def prepare(progress: Progress) -> LaunchPlan:
        scratch.mkdir()
        return dataclasses.replace(await stage.prepare(progress), scratch=scratch)

    session = await stage.sessions.start(KEY, prepare)
    dig(session.directory / "deep", 1200)  # deeper than Python recurses
    assert await stage.sessions.stop(KEY, "enough")
    assert (session.state, session.reason) == (State.GONE, "enough")
    assert stage.launcher.running == {}
    assert (stage.sessions.get(KEY), stage.sessions.by_id(session.id), stage.registry.all()) == (
        None,
        None,
        [],
    )
    assert not session.directory.exists()
    assert not scratch.exists()


@on_stage
async def test_stopping_what_is_not_there_says_so(stage: Stage) -> None:
    assert not await stage.sessions.stop(KEY)


@on_stage
async def test_ten_who_stop_at_once_end_one_session_once(stage: Stage) -> None:
    await stage.start()
    assert all(await asyncio.gather(*(stage.sessions.stop(KEY) for _ in range(10))))
    assert stage.launcher.running == {}


@on_stage
async def test_a_start_during_a_stop_waits_for_its_end(stage: Stage) -> None:
    first = await stage.start()
    stage.launcher.stop_gate.clear()
    stop = asyncio.create_task(stage.sessions.stop(KEY))
    await until(lambda: first.state is State.STOPPING)
    starts = [asyncio.create_task(stage.start()) for _ in range(5)]
    stage.sessions.begin(KEY, stage.prepare)
    await asyncio.sleep(0.02)
    assert len(stage.launcher.launched) == 1
    assert stage.sessions.get(KEY) is first
    stage.launcher.stop_gate.set()
    assert await stop
    (second,) = set(map(id, await asyncio.gather(*starts)))
    assert second != id(first)
    assert stage.launcher.most_at_once == 1


@on_stage
async def test_begin_during_a_stop_never_makes_two_of_a_kind(stage: Stage) -> None:
    first = await stage.start()
    stage.launcher.stop_gate.clear()
    stop = asyncio.create_task(stage.sessions.stop(KEY))
    await until(lambda: first.state is State.STOPPING)
    stage.sessions.begin(KEY, stage.prepare)
    await asyncio.sleep(0.02)
    stage.launcher.stop_gate.set()
    await stop
    await stage.start()
    assert stage.launcher.most_at_once == 1


@on_stage
async def test_a_stop_during_the_preparation_ends_the_start(stage: Stage) -> None:
    begun = asyncio.Event()

    async def prepare(progress: Progress) -> LaunchPlan:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    start = asyncio.create_task(stage.sessions.start(KEY, prepare))
    await begun.wait()
    assert await stage.sessions.stop(KEY)
    error = await outcome(start)
    assert isinstance(error, Conflict)
    assert "The start of A1 was stopped." in str(error)
    assert stage.told()[-1].detail == "The start was stopped."
    assert stage.launcher.launched == []


@on_stage
async def test_a_stop_during_the_launch_leaves_no_process_that_nobody_knows(stage: Stage) -> None:
    stage.launcher.launch_gate.clear()
    start = asyncio.create_task(stage.start())
    await stage.launcher.launching.wait()
    stops = [asyncio.create_task(stage.sessions.stop(KEY)) for _ in range(3)]
    await asyncio.sleep(0.02)
    stage.launcher.launch_gate.set()  # it comes up although nobody wants it any more
    assert all(await asyncio.gather(*stops))
    assert isinstance(await outcome(start), Conflict)
    assert stage.launcher.running == {}
    assert (stage.sessions.get(KEY), stage.registry.all()) == (None, [])
    assert os.listdir(stage.root / "sessions") == []


@on_stage
async def test_a_stop_while_the_server_comes_up_ends_it(stage: Stage) -> None:
    stage.launcher.answer = None
    start = asyncio.create_task(stage.start())
    await until(lambda: stage.launcher.running)
    assert await stage.sessions.stop(KEY)
    assert isinstance(await outcome(start), Conflict)
    assert stage.launcher.running == {}


@on_stage
async def test_starting_and_stopping_in_any_order_ends_with_at_most_one(stage: Stage) -> None:
    async def later(milliseconds: int, start: bool) -> None:
        await asyncio.sleep(milliseconds / 1000)
        await (stage.start() if start else stage.sessions.stop(KEY))

    for round_ in range(30):
        work = [later(step * (round_ % 4), start=(round_ + step) % 3 > 0) for step in range(7)]
        await asyncio.gather(*work, return_exceptions=True)
        assert len(stage.launcher.running) <= 1
        assert len(stage.sessions.all()) == len(stage.launcher.running) == len(stage.registry.rows)
    assert stage.launcher.most_at_once == 1


def test_a_session_that_can_not_be_stopped_is_tried_again_before_another_takes_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @on_stage
    async def scenario(stage: Stage) -> None:
        first = await stage.start()
        stage.launcher.stop_error = failing("It holds on.")
        for attempt in (stage.sessions.stop(KEY), stage.start()):
            with pytest.raises(SessionFailed, match="It holds on"):
                await attempt
        assert stage.sessions.get(KEY) is first
        assert stage.launcher.most_at_once == 1
        stage.launcher.stop_error = None
        assert (await stage.start()) is not first
        assert stage.launcher.most_at_once == 1

    scenario()
    assert "edit/user/ada/A1 could not be stopped; it is tried again" in caplog.text


@on_stage
async def test_who_watches_after_the_end_waits_for_the_next_start(stage: Stage) -> None:
    await stage.start()
    await stage.sessions.stop(KEY)
    assert stage.told() == []


@on_stage
async def test_stop_all_ends_everything_also_what_is_just_starting(stage: Stage) -> None:
    await stage.start(OTHER)
    stage.launcher.launch_gate.clear()
    start = asyncio.create_task(stage.start())
    await until(lambda: len(stage.launcher.launched) == 2)
    stop = asyncio.create_task(stage.sessions.stop_all())
    await asyncio.sleep(0.02)
    stage.launcher.launch_gate.set()
    assert await stop == 2
    assert isinstance(await outcome(start), Conflict)
    assert stage.launcher.running == {}


@on_stage
async def test_one_that_can_not_be_stopped_does_not_keep_the_others_up(stage: Stage) -> None:
    stubborn = await stage.start()
    await stage.start(OTHER)
    real = stage.launcher.stop

    async def stop(handle: object) -> None:
        if handle == stubborn.handle:
            raise failing()
        await real(handle)  # type: ignore[arg-type]

    stage.launcher.stop = stop  # type: ignore[method-assign, assignment]
    assert await stage.sessions.stop_all() == 1
    await stage.sessions.shutdown()
    assert stage.launcher.said[-1] == "shutdown"
    stage.launcher.stop = real  # type: ignore[method-assign]


# -- ending by itself -----------------------------------------------------------------------------------------


@on_stage
async def test_a_server_that_ends_by_itself_is_noticed_at_once(stage: Stage) -> None:
    session = await stage.start()
    stage.end(session, "It used more memory than it may.")
    await until(lambda: session.state is State.GONE)
    assert session.reason == "It used more memory than it may."
    assert stage.sessions.all() == []
    await until(lambda: stage.registry.all() == [])


@on_stage
async def test_its_owner_can_read_why_until_it_is_up_again(stage: Stage) -> None:
    session = await stage.start()
    assert stage.sessions.fault(KEY) == ""
    stage.end(session, "It used more memory than it may.")
    await until(lambda: session.state is State.GONE)
    assert stage.sessions.fault(KEY) == "It used more memory than it may."
    assert stage.sessions.fault(OTHER) == ""
    await stage.start()
    assert stage.sessions.fault(KEY) == ""
    await stage.sessions.stop(KEY)
    assert stage.sessions.fault(KEY) == ""


@on_stage
async def test_after_a_fault_the_notebook_runs_only_when_its_owner_sees_it(stage: Stage) -> None:
    session = await stage.start()
    stage.end(session, "It used more memory than it may.")
    await until(lambda: session.state is State.GONE)
    stage.sessions.forgive(KEY)
    for _ in range(2):
        await stage.start()
        await stage.sessions.stop(KEY)
    assert [spec.plan.serve.early for spec in stage.launcher.launched] == [True, False, True]


@on_stage
async def test_after_a_start_that_failed_it_does_so_too(stage: Stage) -> None:
    stage.launcher.launch_error = SessionFailed("It did not come up.")
    with pytest.raises(SessionFailed):
        await stage.start()
    stage.launcher.launch_error = None
    await stage.start()
    assert stage.launcher.launched[-1].plan.serve.early is False


@on_stage
async def test_a_lost_session_that_answers_after_all_goes_on(stage: Stage) -> None:
    session = await stage.start()
    await stage.sessions.lost(session.id)
    await stage.sessions.lost("unknown")
    assert session.state is State.READY


@on_stage
async def test_a_lost_session_that_does_not_answer_is_ended(stage: Stage) -> None:
    session = await stage.start()
    stage.launcher.running[1].answer = b""
    await asyncio.gather(*(stage.sessions.lost(session.id) for _ in range(10)))
    assert session.state is State.GONE
    assert session.reason == "Its server no longer answers. What was saved is safe."
    assert stage.launcher.running == {}


# -- idle sessions --------------------------------------------------------------------------------------------


@on_stage
async def test_what_nobody_uses_is_stopped_and_what_somebody_uses_is_not(stage: Stage) -> None:
    idle, used = await stage.start(), await stage.start(OTHER)
    stage.now += 61
    stage.sessions.active(used.id)
    assert await stage.sessions.sweep() == [idle]
    assert stage.sessions.all() == [used]
    assert stage.registry.rows[used.id].last_seen == stage.now


@on_stage
async def test_a_session_that_computes_is_used(stage: Stage) -> None:
    session = await stage.start()
    stage.launcher.used = Use(1 << 20, 0.0)
    for _ in range(10):
        stage.now += 30
        stage.launcher.used = Use(1 << 20, stage.launcher.used.cpu_seconds + 20)
        assert await stage.sessions.sweep() == []
    stage.now += 61
    assert await stage.sessions.sweep() == [session]


@on_stage
async def test_a_session_whose_cell_only_waits_is_used_and_nobody_is_warned(stage: Stage) -> None:
    session = await stage.start()
    stage.launcher.cell_runs = True
    stage.now += 50
    assert stage.sessions.idle_left(session) == 10
    assert await stage.sessions.sweep() == []
    assert stage.sessions.idle_left(session) is None
    stage.now += 61
    assert await stage.sessions.sweep() == []
    stage.launcher.cell_runs = False
    stage.now += 61
    assert await stage.sessions.sweep() == [session]


@pytest.mark.parametrize("doubt", ["it can not tell whether a cell runs", "its last save failed"])
def test_a_session_in_doubt_is_kept_for_hours_but_not_for_ever(doubt: str) -> None:
    @on_stage
    async def scenario(stage: Stage) -> None:
        session = await stage.start()
        if doubt == "its last save failed":
            session.saving = "failed"
        else:
            stage.launcher.cell_runs = None
        began = stage.now
        while stage.now < began + DOUBT_SECONDS - 60:
            stage.now += 50
            assert await stage.sessions.sweep() == []
        stage.sessions.active(session.id)  # somebody is there after all: the hours begin anew
        for _ in range(3):
            stage.now += 50
            assert await stage.sessions.sweep() == []
        stage.now += DOUBT_SECONDS
        assert await stage.sessions.sweep() == [session]

    scenario()


@on_stage
async def test_somebody_who_comes_back_while_others_are_stopped_keeps_the_session(stage: Stage) -> None:
    first, second = await stage.start(), await stage.start(OTHER)
    stage.now += 61
    stage.launcher.stop_gate.clear()
    sweep = asyncio.create_task(stage.sessions.sweep())
    await until(lambda: State.STOPPING in (first.state, second.state))
    waiting = second if first.state is State.STOPPING else first
    stage.sessions.active(waiting.id)
    stage.launcher.stop_gate.set()
    await sweep
    assert stage.sessions.all() == [waiting]


@on_stage
async def test_one_that_can_not_be_stopped_is_not_in_the_way_of_other_idle_ones(stage: Stage) -> None:
    await stage.start()
    await stage.start(OTHER)
    stage.now += 61
    stage.launcher.stop_error = failing()
    assert await stage.sessions.sweep() == []
    stage.launcher.stop_error = None
    await stage.sessions.sweep()
    assert stage.launcher.running == {}
    assert stage.sessions.all() == []


@on_stage
async def test_a_log_that_has_grown_is_cut_and_nothing_else_is(stage: Stage) -> None:
    session = await stage.start()
    log = session.directory / "output.log"
    log.write_bytes(b"x" * LOG_LIMIT)
    await stage.sessions.sweep()
    assert log.stat().st_size == LOG_LIMIT
    log.write_bytes(b"x" * (LOG_LIMIT + 1))
    await stage.sessions.sweep()
    assert log.stat().st_size == 0


@on_stage
async def test_a_session_can_not_have_somebody_elses_file_cut(stage: Stage) -> None:
    session = await stage.start()
    precious, log = stage.root / "precious", session.directory / "output.log"
    precious.write_bytes(b"x" * (LOG_LIMIT + 1))
    log.symlink_to(precious)
    await stage.sessions.sweep()
    log.unlink()
    os.mkfifo(log)
    await asyncio.wait_for(stage.sessions.sweep(), 5)
    assert precious.stat().st_size == LOG_LIMIT + 1


@on_stage
async def test_a_full_hub_lets_the_next_one_in_when_somebody_leaves(stage: Stage) -> None:
    stage.hub(limit=1)
    await stage.start()
    waiting = asyncio.create_task(stage.start(OTHER))
    await until(lambda: any(event.kind == "queued" for event in stage.told(OTHER)))
    await stage.sessions.stop(KEY)
    assert (await waiting).state is State.READY
    assert stage.launcher.most_at_once == 1


def test_who_queues_for_long_is_told_the_place_and_goes_on_queueing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "QUEUE_PATIENCE", 0.05)

    @on_stage
    async def scenario(stage: Stage) -> None:
        stage.hub(limit=1)
        await stage.start()
        with pytest.raises(Unavailable, match="A1 is number 1 in the queue"):
            await stage.start(OTHER)
        await stage.sessions.stop(KEY)
        assert (await stage.start(OTHER)).state is State.READY
        assert stage.prepared == 2

    scenario()


# -- one hub after the other ----------------------------------------------------------------------------------


@on_stage
async def test_closing_a_hub_leaves_its_sessions_alone_and_the_next_one_takes_them_over(stage: Stage) -> None:
    session = await stage.start()
    stage.now += 10
    stage.sessions.active(session.id)
    await stage.sessions.close()
    assert stage.launcher.said[-1] == "close"
    assert list(stage.launcher.running) == [1]
    (adopted,) = await stage.hub().adopt()
    assert (adopted.id, adopted.state, adopted.last_seen) == (session.id, State.READY, stage.now)
    assert await stage.start() is adopted
    assert stage.launcher.said[-1] == "open"


@on_stage
async def test_an_adopted_session_is_watched_stopped_and_culled_like_any_other(stage: Stage) -> None:
    for ending in ("by itself", "stop", "idle"):
        await stage.start()
        await stage.sessions.close()
        (adopted,) = await stage.hub().adopt()
        if ending == "by itself":
            stage.end(adopted)
        elif ending == "stop":
            await stage.sessions.stop(KEY)
        else:
            stage.now += 61
            await stage.sessions.sweep()
        await until(lambda: stage.registry.all() == [])
        assert adopted.state is State.GONE


@on_stage
async def test_what_did_not_survive_is_cleaned_up(stage: Stage) -> None:
    dead, mute = await stage.start(), await stage.start(OTHER)
    await stage.sessions.close()
    stage.end(dead)
    stage.launcher.running[2].answer = b"HTTP/1.1 500 Oops\r\n\r\n"
    assert await stage.hub().adopt() == []
    assert stage.launcher.running == {}
    assert stage.registry.all() == []
    assert not dead.directory.exists()
    assert not mute.directory.exists()


@on_stage
async def test_a_session_that_floods_whoever_asks_does_not_keep_the_hub_from_starting(stage: Stage) -> None:
    await stage.start()
    good = await stage.start(OTHER)
    await stage.sessions.close()
    stage.launcher.running[1].answer = b"x" * (1 << 18)
    assert [session.id for session in await stage.hub().adopt()] == [good.id]


@on_stage
async def test_what_was_just_starting_when_the_hub_died_is_taken_over_if_it_came_up(stage: Stage) -> None:
    session = await stage.start()
    await stage.sessions.close()
    stage.registry.rows[session.id].state = State.STARTING
    (adopted,) = await stage.hub().adopt()
    assert adopted.state is State.READY


@on_stage
async def test_a_hub_that_is_killed_during_a_launch_has_written_the_session_down(stage: Stage) -> None:
    stage.launcher.launch_gate.clear()
    killed = asyncio.create_task(stage.start())
    await stage.launcher.launching.wait()
    (row,) = stage.registry.all()
    assert (row.state, row.key) == (State.STARTING, KEY)
    stage.launcher.launch_gate.set()  # the launcher goes on, as the session engine does
    await until(lambda: stage.launcher.running)
    (adopted,) = await stage.hub().adopt()
    assert adopted.id == row.id
    assert await stage.start() is adopted
    assert len(stage.launcher.launched) == 1
    killed.cancel()
    await outcome(killed)


@on_stage
async def test_what_the_launcher_runs_and_nobody_wrote_down_is_ended(stage: Stage) -> None:
    kept, unknown = await stage.start(), await stage.start(OTHER)
    await stage.sessions.close()
    stage.registry.forget(unknown.id)
    assert [session.id for session in await stage.hub().adopt()] == [kept.id]
    assert list(stage.launcher.running) == [1]


@on_stage
async def test_of_two_rows_with_one_key_the_newer_is_taken_over_and_the_other_ended(stage: Stage) -> None:
    old = await stage.start()
    await stage.sessions.close()
    stage.now += 5
    stage.hub()
    new = await stage.start()  # as if the old row had been left behind
    await stage.sessions.close()
    assert {old.id, new.id} == set(stage.registry.rows)
    assert [session.id for session in await stage.hub().adopt()] == [new.id]
    assert list(stage.launcher.running) == [2]
    assert set(stage.registry.rows) == {new.id}


@on_stage
async def test_a_leftover_that_can_not_be_ended_does_not_keep_the_hub_from_starting(stage: Stage) -> None:
    bad, good = await stage.start(), await stage.start(OTHER)
    await stage.sessions.close()
    stage.launcher.running[1].answer = b""
    stage.launcher.stop_error = failing()
    assert [session.id for session in await stage.hub().adopt()] == [good.id]
    assert bad.id in stage.registry.rows  # the next hub tries again
    stage.launcher.stop_error = None
    await stage.sessions.close()
    await stage.hub().adopt()
    assert list(stage.launcher.running) == [2]


@on_stage
async def test_directories_that_nobody_wrote_down_are_removed_however_deep(stage: Stage) -> None:
    orphan = stage.root / "sessions" / "0123456789abcdef"
    dig(orphan / "home", 1200)
    (orphan / "link").symlink_to("/etc")
    assert await stage.hub().adopt() == []
    assert not orphan.exists()
    assert Path("/etc/passwd").exists()


@on_stage
async def test_closing_a_hub_ends_what_was_just_starting(stage: Stage) -> None:
    stage.launcher.answer = None
    start = asyncio.create_task(stage.start())
    await until(lambda: stage.launcher.running)
    await stage.sessions.close()
    assert isinstance(await outcome(start), Conflict)
    assert stage.launcher.running == {}
    assert stage.registry.all() == []


@on_stage
async def test_closing_a_hub_waits_for_what_is_just_stopping(stage: Stage) -> None:
    await stage.start()
    stage.launcher.stop_gate.clear()
    stop = asyncio.create_task(stage.sessions.stop(KEY))
    await asyncio.sleep(0.01)
    close = asyncio.create_task(stage.sessions.close())
    await asyncio.sleep(0.01)
    assert not close.done()
    stage.launcher.stop_gate.set()
    await asyncio.gather(stop, close)
    assert stage.registry.all() == []
    assert stage.launcher.said[-1] == "close"
