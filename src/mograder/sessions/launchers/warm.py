"""Sessions in sandboxes, forked from warm processes: the hub's side of the session engine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mograder.errors import MograderError, SandboxError
from mograder.marimo_adapter import options
from mograder.sandbox.identities import Identities
from mograder.sandbox.limits import Limits
from mograder.sentences import Sentence
from mograder.sessions.engine.client import EngineClient
from mograder.sessions.engine.former import Former
from mograder.sessions.engine.protocol import Ended, Launch, is_ours
from mograder.sessions.engine.starter import EnginePlaces, start
from mograder.sessions.launchers.base import ended_with, listen
from mograder.sessions.launchers.slots import Slots, give_workspace
from mograder.sessions.model import Handle, LaunchSpec, Use

log = logging.getLogger("mograder.sessions")

_WAIT_SECONDS = 10.0


class WarmLauncher:
    """Brings sessions up through the session engine, which it starts if none runs."""

    name = "warm"

    def __init__(self, places: EnginePlaces, identities: Identities, slots: Slots, limits: Limits) -> None:
        self._places = places
        self._identities = identities
        self._slots = slots
        self.limits = limits
        self._client = EngineClient(self._ended, self._lost)
        self._former = Former(self._ended, self._gone)
        self._opening = asyncio.Lock()
        self._alive: dict[str, asyncio.Future[Ended]] = {}
        self._past: dict[str, Ended] = {}

    async def open(self) -> None:
        """Connect to the engine that runs, or start one; one of another version is left to its sessions.

        Raises SandboxError.
        """
        async with self._opening:
            if self._client.connected:
                return
            for path in self._places.former():
                self._learn(await self._former.join(path))
            self._learn(await self._hello())

    async def _hello(self) -> dict[str, Any]:
        try:
            hello = await self._client.connect(self._places.socket)
        except OSError:
            return await self._begin()
        except MograderError as error:
            log.warning("another session engine takes the place of one that can not be talked to: %s", error)
            return await self._replace()
        return hello if is_ours(hello) else await self._replace()

    async def _replace(self) -> dict[str, Any]:
        """An upgrade: sessions of the old engine go on, new ones come from a new engine."""
        self._client.close()
        self._places.set_aside()
        for path in self._places.former():
            self._learn(await self._former.join(path))
        return await self._begin()

    async def _begin(self) -> dict[str, Any]:
        await asyncio.to_thread(start, self._places, self._identities)
        return await self._connect_new()

    def _learn(self, hello: Mapping[str, Any]) -> None:
        for session in hello.get("alive", ()):
            self._living(session)
        self._past |= {end["session"]: Ended.told(end) for end in hello.get("ended", ())}

    async def close(self) -> None:
        """Hang up. The engines and their sessions go on."""
        self._client.close()
        self._former.close()

    async def shutdown(self) -> None:
        """End the engines with every session in them."""
        await self._former.quit()
        if self._client.connected:
            await self._client.ask("quit")
            self._client.close()

    def promise(self, spec: LaunchSpec) -> Handle:
        return Handle(0, 0.0, {"session": spec.session_id})

    async def launch(self, spec: LaunchSpec) -> Handle:
        await self.open()
        await asyncio.to_thread(self.prepare, spec.plan.workspace, spec.key.user)
        session = spec.session_id
        self._living(session)
        listener = await asyncio.to_thread(listen, spec.socket)
        output = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        launch = Launch(
            session=session,
            task="serve",
            spec=options.dumps(spec.plan.serve),
            environment=spec.plan.environment,
            python=str(spec.plan.python),
            workspace=str(spec.plan.workspace),
            slot=self._slots.of(spec.key.user),
            notebook=str(spec.plan.learn_from or ""),
            limits=asdict(self.limits),
        )
        try:
            answer = await self._ask_launch(launch, {"listener": listener.fileno(), "log": output})
        except BaseException:
            self._alive.pop(session, None)
            raise
        finally:
            listener.close()
            os.close(output)
        return Handle(0, 0.0, {"session": session, "how": answer["how"]})

    async def stop(self, handle: Handle) -> None:
        session = handle.extra["session"]
        client = self._former.of(session) or self._client
        if session in self._alive and client.connected:
            ended = self._alive[session]
            await client.ask("stop", session=session)
            async with asyncio.timeout(_WAIT_SECONDS):
                await asyncio.shield(ended)

    async def end_others(self, known: Iterable[Handle]) -> None:
        """Validations of a hub that was killed, and sessions that it had ordered and not yet heard of."""
        for session in set(self._alive) - {handle.extra["session"] for handle in known}:
            log.info("ending %s, which an earlier hub left", session)
            try:
                await self.end(session)
            except (MograderError, TimeoutError):
                log.exception("%s could not be ended", session)

    def alive(self, handle: Handle) -> bool:
        return handle.extra["session"] in self._alive

    async def wait(self, handle: Handle) -> str:
        session = handle.extra["session"]
        if session in self._alive:
            end = await asyncio.shield(self._alive[session])
        else:
            end = self._past.get(session, Ended(session))
        return sentence(end)

    async def run(self, launch: Launch, descriptors: Mapping[str, int]) -> asyncio.Future[Ended]:
        """Bring up something that is no editor: what it returns is done when it has ended."""
        await self.open()
        ended = self._living(launch.session)
        try:
            await self._ask_launch(launch, descriptors)
        except BaseException:
            self._alive.pop(launch.session, None)
            raise
        return ended

    async def end(self, session: str) -> None:
        """End what `run` brought up."""
        await self.stop(Handle(0, 0.0, {"session": session}))

    async def warm(self, environment: str, python: Path, notebook: Path) -> None:
        """Have the engine make an environment warm, in its own time."""
        await self.open()
        await self._client.ask(
            "warm",
            environment=environment,
            python=str(python),
            notebook=str(notebook),
            limits=asdict(self.limits),
        )

    async def usage(self) -> dict[str, int]:
        """Memory of every session in bytes, by its id: proportional, or counted by its control group."""
        return {session: use.memory_bytes for session, use in (await self._uses()).items()}

    async def measure(self, handles: Iterable[Handle]) -> list[Use | None]:
        uses = await self._uses()
        return [uses.get(handle.extra["session"]) for handle in handles]

    async def _uses(self) -> dict[str, Use]:
        answers = await self._former.usage()
        if self._client.connected:
            answers.append(await self._client.ask("usage"))
        return {
            name: Use(int(size), answer.get("cpu", {}).get(name, 0.0))
            for answer in answers
            for name, size in answer["sessions"].items()
        }

    async def status(self) -> dict[str, str]:
        """How each environment stands, in words."""
        await self.open()
        return dict((await self._client.ask("status"))["environments"])

    def prepare(self, workspace: Path, user: str) -> None:
        """Give a workspace to the host user that ``user``'s sessions run as."""
        give_workspace(workspace, self._identities, self._slots.of(user))

    def slot(self, user: str) -> int:
        """The number of ``user``'s host user."""
        return self._slots.of(user)

    async def _connect_new(self) -> dict[str, Any]:
        try:
            return await self._client.connect(self._places.socket)
        except OSError as error:
            said = (self._places.directory / "engine.log").read_text(errors="replace")[-500:]
            raise SandboxError(
                "The session engine did not come up ({reason}). {log}", reason=error.strerror, log=said
            ) from error

    async def _ask_launch(self, launch: Launch, descriptors: Mapping[str, int]) -> dict[str, Any]:
        names, numbers = list(descriptors), list(descriptors.values())
        return await self._client.ask("launch", numbers, **launch.message(), given=names)

    def _living(self, session: str) -> asyncio.Future[Ended]:
        if session not in self._alive:
            self._alive[session] = asyncio.get_running_loop().create_future()
        return self._alive[session]

    def _ended(self, end: Ended) -> None:
        self._past[end.session] = end
        future = self._alive.pop(end.session, None)
        if future is not None and not future.done():
            future.set_result(end)

    def _lost(self) -> None:
        self._gone([session for session in self._alive if self._former.of(session) is None])

    def _gone(self, sessions: Iterable[str]) -> None:
        """An engine has gone, and every sandbox with it: it was their process one's parent's process one."""
        for session in sessions:
            self._ended(Ended(session, "engine"))


def sentence(end: Ended) -> str:
    """Why a session ended, for its owner; empty when it ended by itself without a fault."""
    match end.reason:
        case "memory":
            return Sentence(
                "It used more memory than it may ({detail}) and was stopped. What was saved is safe.",
                detail=end.detail,
            )
        case "disk":
            return Sentence(
                "It filled more disk space than it may ({detail}) and was stopped. What was saved is safe.",
                detail=end.detail,
            )
        case "processes":
            return Sentence(
                "It started more processes than it may ({detail}) and was stopped. What was saved is safe.",
                detail=end.detail,
            )
        case "engine":
            return Sentence("The part of the hub that runs notebooks was restarted. What was saved is safe.")
        case "stopped":
            return ""
    return ended_with(end.status)
