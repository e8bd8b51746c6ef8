"""The sessions of a hub: started once, listed, watched, stopped, adopted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from mograder.errors import Conflict, MograderError, SessionFailed, Unavailable
from mograder.sentences import Sentence
from mograder.sessions import places
from mograder.sessions.admission import Admission
from mograder.sessions.answers import answers, cell_runs
from mograder.sessions.idleness import Idleness
from mograder.sessions.launchers.base import Launcher, log_tail
from mograder.sessions.model import Handle, LaunchPlan, LaunchSpec, Session, SessionKey, State, Use
from mograder.sessions.progress import Event, Progress, sentence
from mograder.sessions.registry import Registry

log = logging.getLogger("mograder.sessions")

Prepare = Callable[[Progress], Awaitable[LaunchPlan]]
"""Makes everything ready that a session needs, and says its steps."""

START_TIMEOUT = 60.0
"""Seconds within which a server must answer after its launch."""

_HUB_STOPPED = Sentence("The hub was stopped.")

QUEUE_PATIENCE = 20.0
"""Seconds that a request waits for a start which has to queue."""


class Sessions:
    """All sessions. Every method runs on the event loop; what blocks is handed to threads.

    Invariant: ``_live`` holds exactly one session per key, from the moment its start begins until all its
    processes are gone, so "is there one?" has one answer for everybody who asks.
    """

    def __init__(
        self,
        launcher: Launcher,
        registry: Registry,
        directory: Path,
        *,
        ttl: float,
        admission: Admission,
        clock: Callable[[], float] = time.time,
        root: str = "",
    ) -> None:
        self._root = root  # the path below which every session lies
        self._launcher = launcher
        self._registry = registry
        self._directory = directory
        self._idleness = Idleness(ttl)
        self._admission = admission
        self._clock = clock
        self._live: dict[SessionKey, Session] = {}
        self._by_id: dict[str, Session] = {}
        self._starts: dict[SessionKey, asyncio.Task[Session]] = {}
        self._launches: dict[str, asyncio.Task[Handle]] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[SessionKey, Progress] = {}
        self._faults: dict[SessionKey, str] = {}
        self._fallen: set[SessionKey] = set()
        self._watchers: set[asyncio.Task[None]] = set()

    async def start(self, key: SessionKey, prepare: Prepare) -> Session:
        """The live session for ``key``, started if there is none. Idempotent: any number of callers get the same.

        Raises:
            SessionFailed, EnvironmentFailed and what ``prepare`` raises; the same for everybody who waits for this
            start. Unavailable: it still waits in the queue, and goes on waiting there.
        """
        session = self.get(key)
        if session is not None and session.state is State.READY:
            return session
        self._begin(key, prepare)
        return await self._outcome(key, self._starts[key])

    def begin(self, key: SessionKey, prepare: Prepare) -> None:
        """As `start`, without waiting: who wants to know watches `progress`."""
        session = self.get(key)
        if session is None or session.state is not State.READY:
            self._begin(key, prepare)

    def get(self, key: SessionKey) -> Session | None:
        """The session for ``key``, in whatever state before gone; None if there is none."""
        return self._live.get(key)

    def by_id(self, session_id: str) -> Session | None:
        """The session with this id."""
        return self._by_id.get(session_id)

    def all(self) -> list[Session]:
        """Live sessions, oldest first."""
        return sorted((s for s in self._live.values() if s.live), key=lambda s: s.started)

    def of(self, user: str) -> list[Session]:
        """One person's live sessions, oldest first."""
        mine = [
            s for s in list(self._live.values()) if s.key.user == user and s.live
        ]  # a list: any thread may ask
        return sorted(mine, key=lambda s: s.started)

    def fault(self, key: SessionKey) -> str:
        """Why the last session for ``key`` ended, if nobody wanted it to: a sentence for its owner; else empty."""
        return self._faults.get(key, "")

    def forgive(self, key: SessionKey) -> None:
        """Somebody has read why the last session for ``key`` ended, and wants the next."""
        self._faults.pop(key, None)

    def progress(self, key: SessionKey) -> Progress:
        """The events of the start of ``key`` that is going on, of the last one, or of the next if there was none."""
        return self._progress.setdefault(key, Progress())

    def active(self, session_id: str) -> None:
        """Note that a person or a computation is at work in a session."""
        session = self._by_id.get(session_id)
        if session is not None:
            session.last_seen = self._clock()
            self._idleness.forget_doubt(session)

    async def stop(self, key: SessionKey, reason: str = "") -> bool:
        """End the session for ``key``, even a starting one, and wait until it is gone. False if there was none."""
        starting = self._starts.get(key)
        if starting is not None:
            if not starting.cancelling():
                starting.cancel()
            await asyncio.wait([starting])
        session = self._live.get(key)
        if session is None:
            return starting is not None
        await asyncio.shield(self._ending(session, reason))
        return True

    async def stop_all(self, reason: str = _HUB_STOPPED) -> int:
        """End every session, starting ones too; the number ended."""
        keys = self._live.keys() | self._starts.keys()
        stops = (self.stop(key, reason) for key in keys)
        return sum(done is True for done in await asyncio.gather(*stops, return_exceptions=True))

    async def lost(self, session_id: str) -> None:
        """The gateway can not reach a session: end what is left of it, unless it answers after all."""
        session = self._by_id.get(session_id)
        if session is None or session.state is not State.READY:
            return
        alive = session.handle is not None and self._launcher.alive(session.handle)
        if alive and await answers(session.socket, f"{self._root}/{session.key.path}", 5):
            return
        if session.state is State.READY:
            await self._fail(session, Sentence("Its server no longer answers. What was saved is safe."))

    async def adopt(self) -> list[Session]:
        """Take over what an earlier hub left running, clean up what did not survive. The sessions taken over."""
        await self._launcher.open()
        rows = await asyncio.to_thread(self._registry.all)
        newest = {row.key: row for row in sorted(rows, key=lambda row: row.started)}
        found = await asyncio.gather(*(self._adopt(row, newest[row.key] is row) for row in rows))
        adopted = [session for session in found if session is not None]
        await self._launcher.end_others([s.handle for s in adopted if s.handle is not None])
        await asyncio.to_thread(places.clear_orphans, self._directory, {s.directory for s in adopted})
        return adopted

    async def sweep(self) -> list[Session]:
        """Stop what has been idle for too long and cut logs; the sessions stopped."""
        for session in self.all():
            await asyncio.to_thread(places.cap_log, session.directory / "output.log")
        await self._measure()
        await asyncio.to_thread(self._registry.seen, [(s.id, s.last_seen) for s in self.all()])
        idle = [session for session in self.all() if self._is_idle(session)]
        stuck = [s for s in self._live.values() if s.state is State.STOPPING and s.id not in self._stops]
        for session in (*idle, *stuck):
            if session in stuck or self._is_idle(session):  # somebody may have come back meanwhile
                log.info("stopping %s", session.key.path)
                with contextlib.suppress(
                    Exception
                ):  # `_stopped` has said it; the others must not wait for it
                    await asyncio.shield(self._ending(session, Sentence("It was not used for a while.")))
        return [session for session in idle if session.state is State.GONE]

    def idle_left(self, session: Session) -> int | None:
        """Seconds until a session is stopped if nothing happens in it; None while that is far away."""
        return self._idleness.left(session, self._clock())

    async def _measure(self) -> None:
        """Ask what sessions use: who computes is at work, and who starts next will need as much memory."""
        uses, now = await self.uses(), self._clock()
        for session, use in uses:
            if self._idleness.computes(session, use.cpu_seconds, now):
                session.last_seen = now
        self._admission.learn([use.memory_bytes for _, use in uses])
        sessions = [s for s in self.all() if s.state is State.READY and s.handle is not None]
        await asyncio.gather(
            *(self._ask(session) for session in sessions if self.idle_left(session) is not None)
        )

    async def _ask(self, session: Session) -> None:
        """A cell that waits takes no processor time: whoever is about to be warned is asked whether one runs.

        Where that can not be told, or the last save has failed, the session is given the benefit of the doubt for a
        while: somebody may come back to what only their browser has.
        """
        runs, now = await cell_runs(session.socket, f"{self._root}/{session.key.path}"), self._clock()
        if runs or ((runs is None or session.unsaved) and self._idleness.doubt(session, now)):
            session.last_seen = now

    async def uses(self) -> list[tuple[Session, Use]]:
        """What every session that is up takes of the machine; without those that can not be measured."""
        up = [(s, s.handle) for s in self.all() if s.state is State.READY and s.handle is not None]
        uses = await self._launcher.measure([handle for _, handle in up])
        return [(session, use) for (session, _), use in zip(up, uses, strict=True) if use is not None]

    async def shutdown(self) -> None:
        """End every session, and what runs them."""
        await self.stop_all()
        await self._launcher.shutdown()

    async def close(self) -> None:
        """Stop watching; the sessions themselves go on. What is just starting or stopping is ended first."""
        tasks = [*self._starts.values(), *self._watchers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*self._stops.values(), return_exceptions=True)
        await self._launcher.close()
        await asyncio.to_thread(self._registry.seen, [(s.id, s.last_seen) for s in self.all()])

    async def _outcome(self, key: SessionKey, task: asyncio.Task[Session]) -> Session:
        while not (await asyncio.wait([task], timeout=QUEUE_PATIENCE))[0]:
            if (standing := self._admission.place(key)) is not None:
                raise Unavailable(
                    "The hub is full. {item} is number {place} in the queue and opens by itself.",
                    retry_after=3,
                    item=key.item,
                    place=standing[0],
                )
        if task.cancelled():
            raise Conflict("The start of {item} was stopped.", tip="open it again.", item=key.item)
        return task.result()

    def _is_idle(self, session: Session) -> bool:
        return session.state is State.READY and self._idleness.over(session, self._clock())

    def _begin(self, key: SessionKey, prepare: Prepare) -> None:
        if key in self._starts:
            return
        if self.progress(key).events:
            self._progress[key] = Progress()
        task = asyncio.create_task(self._start(key, prepare), name=f"start {key.path}")
        self._starts[key] = task
        task.add_done_callback(lambda done: self._started(key, done))

    def _started(self, key: SessionKey, task: asyncio.Task[Session]) -> None:
        self._starts.pop(key, None)
        if not task.cancelled():
            task.exception()  # taken note of: whoever waits gets it, and the progress tells it

    async def _start(self, key: SessionKey, prepare: Prepare) -> Session:
        progress = self._progress[key]
        try:
            await self._until_gone(key)
            session = await self._admitted(key, await prepare(progress), progress)
        except BaseException as error:
            if not isinstance(error, MograderError | asyncio.CancelledError):
                log.exception("the start of %s failed", key.path)
            # Whoever watches must learn it; the error goes on to whoever waits.
            progress.say(Event("failed", sentence(error), log_tail=getattr(error, "log_tail", "")))
            raise
        progress.say(Event("ready", Sentence("The notebook is ready."), url=session.url))
        return session

    async def _until_gone(self, key: SessionKey) -> None:
        """An earlier session may still be ending, or could not be ended: two would write the same notebook."""
        while (session := self._live.get(key)) is not None:
            await asyncio.shield(self._ending(session, Sentence("It is started anew.")))

    async def _admitted(self, key: SessionKey, plan: LaunchPlan, progress: Progress) -> Session:
        try:
            async with self._admission.turn(key, self._up, progress.queued):
                return await self._bring_up(key, plan, progress)
        except BaseException:
            if plan.scratch is not None:
                await asyncio.shield(asyncio.to_thread(places.clear, [plan.scratch]))
            raise

    def _up(self) -> int:
        """Sessions that hold a place: those that are stopping hold it until their processes are gone."""
        return sum(session.state is not State.STARTING for session in self._live.values())

    async def _bring_up(self, key: SessionKey, plan: LaunchPlan, progress: Progress) -> Session:
        session = self._new(key, plan)
        progress.step(Sentence("Starting the notebook"))
        try:
            await self._launch(session, self._with_care(key, plan))
            await self._until_ready(session)
            session.state = State.READY
            self._faults.pop(key, None)
            self._fallen.discard(key)
            self._registry.save(session)
        except BaseException as error:
            self._fallen.add(key)
            if isinstance(error, SessionFailed) and not error.log_tail:
                error.log_tail = await asyncio.to_thread(log_tail, session.directory / "output.log")
            with contextlib.suppress(Exception):  # `_stopped` has said it; the first error is the one to tell
                await asyncio.shield(self._ending(session, sentence(error)))
            raise
        self._watch(session)
        return session

    def _with_care(self, key: SessionKey, plan: LaunchPlan) -> LaunchPlan:
        """What the notebook does when it runs may be what ended the last session: its owner gets to see it first."""
        return replace(plan, serve=replace(plan.serve, early=False)) if key in self._fallen else plan

    async def _launch(self, session: Session, plan: LaunchPlan) -> None:
        """A launch is not broken off half-way: what it had started by then would be nobody's.

        For the same reason it is written down before it begins: a hub that is killed meanwhile leaves its row.
        """
        spec = LaunchSpec(session.id, session.key, plan, session.socket, session.directory)
        session.handle = self._launcher.promise(spec)
        self._registry.save(session)
        task = asyncio.create_task(self._launcher.launch(spec), name=f"launch {session.key.path}")
        self._launches[session.id] = task
        session.handle = await asyncio.shield(task)
        del self._launches[session.id]
        self._registry.save(session)

    def _new(self, key: SessionKey, plan: LaunchPlan) -> Session:
        session_id = secrets.token_hex(8)
        directory = self._directory / session_id
        places.make(directory)
        now = self._clock()
        session = Session(
            id=session_id,
            key=key,
            state=State.STARTING,
            socket=directory / "s",
            directory=directory,
            started=now,
            last_seen=now,
            environment=plan.environment,
            notebook=plan.serve.notebook,
            scratch=plan.scratch,
        )
        self._live[key] = self._by_id[session_id] = session
        return session

    async def _until_ready(self, session: Session) -> None:
        """Whichever comes first: an answer, the end of the process, or the end of patience."""
        assert session.handle is not None
        answer = asyncio.create_task(
            answers(session.socket, f"{self._root}/{session.key.path}", START_TIMEOUT)
        )
        end = asyncio.create_task(self._launcher.wait(session.handle))
        try:
            await asyncio.wait([answer, end], return_when=asyncio.FIRST_COMPLETED)
            if answer.done() and answer.result():
                return
            await asyncio.wait([end], timeout=1)  # who hangs up may be about to end, and then says more
            why = end.result() if end.done() else Sentence("Its server does not answer.")
        finally:
            answer.cancel()
            end.cancel()
            await asyncio.gather(answer, end, return_exceptions=True)
        if not why:
            raise SessionFailed("The notebook {item} could not be started.", item=session.key.item)
        raise SessionFailed("The notebook {item} could not be started. {why}", item=session.key.item, why=why)

    def _watch(self, session: Session) -> None:
        task = asyncio.create_task(self._until_end(session), name=f"watch {session.key.path}")
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _until_end(self, session: Session) -> None:
        assert session.handle is not None
        why = await self._launcher.wait(session.handle)
        if session.state is State.READY:
            log.info("ended by itself: %s %s", session.key.path, why)
            await self._fail(session, why)

    async def _fail(self, session: Session, why: str) -> None:
        if why:
            self._faults[session.key] = why
            self._fallen.add(session.key)
        await asyncio.shield(
            self._ending(session, why or Sentence("It was shut down from within the notebook."))
        )

    def _ending(self, session: Session, reason: str) -> asyncio.Task[None]:
        if session.id not in self._stops:
            session.state = State.STOPPING
            task = asyncio.create_task(self._discard(session, reason), name=f"stop {session.key.path}")
            self._stops[session.id] = task
            task.add_done_callback(lambda done: self._stopped(session, done))
        return self._stops[session.id]

    def _stopped(self, session: Session, task: asyncio.Task[None]) -> None:
        self._stops.pop(session.id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s could not be stopped; it is tried again", session.key.path, exc_info=error)

    async def _discard(self, session: Session, reason: str) -> None:
        """End every process of a session, then forget it: the row last, so that the next hub can finish this."""
        session.reason = reason
        if (launch := self._launches.pop(session.id, None)) is not None:
            await asyncio.wait([launch])
            failed = launch.cancelled() or launch.exception() is not None
            session.handle = None if failed else launch.result()
        if session.handle is not None:
            await self._launcher.stop(session.handle)
        session.state = State.GONE
        if self._live.get(session.key) is session:
            del self._live[session.key]
            self._forget_success(session.key)
        self._by_id.pop(session.id, None)
        self._idleness.forget(session)
        self._admission.ended()
        await asyncio.to_thread(places.clear, [session.directory, session.scratch])
        self._registry.forget(session.id)

    def _forget_success(self, key: SessionKey) -> None:
        """Who watches from now on waits for the next start; a failure stays to be read."""
        progress = self._progress.get(key)
        if progress is not None and progress.events and progress.events[-1].kind == "ready":
            del self._progress[key]

    async def _adopt(self, session: Session, wanted: bool) -> Session | None:
        alive = wanted and session.handle is not None and self._launcher.alive(session.handle)
        if alive and await answers(session.socket, f"{self._root}/{session.key.path}", 10):
            session.state = State.READY
            self._live[session.key] = self._by_id[session.id] = session
            self._watch(session)
            return session
        with contextlib.suppress(Exception):  # `_stopped` has said it; its row stays for the next hub
            await self._ending(session, Sentence("It did not survive."))
        return None
