"""Sessions in sandboxes, forked from warm processes: the hub's side of the session engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mograder.errors import SandboxError
from mograder.marimo_adapter import options
from mograder.sandbox.identities import Identities
from mograder.sandbox.limits import Limits
from mograder.sentences import Sentence, unpacked
from mograder.sessions.engine.client import EngineClient
from mograder.sessions.engine.protocol import Ended, Launch
from mograder.sessions.engine.starter import EnginePlaces, start
from mograder.sessions.launchers.base import ended_with, listen
from mograder.sessions.launchers.slots import Slots, give_workspace
from mograder.sessions.model import Handle, LaunchSpec, Use

_WAIT_SECONDS = 10.0


class WarmLauncher:
    """Brings sessions up through the session engine, which it starts if none runs."""

    name = "warm"

    def __init__(self, places: EnginePlaces, identities: Identities, slots: Slots, limits: Limits) -> None:
        self._places = places
        self._identities = identities
        self._slots = slots
        self._limits = limits
        self._client = EngineClient(self._ended, self._lost)
        self._opening = asyncio.Lock()
        self._alive: dict[str, asyncio.Future[Ended]] = {}
        self._past: dict[str, Ended] = {}

    async def open(self) -> None:
        """Connect to the engine that runs, or start one. Raises SandboxError."""
        async with self._opening:
            if self._client.connected:
                return
            try:
                hello = await self._client.connect(self._places.socket)
            except OSError:
                await asyncio.to_thread(start, self._places, self._identities)
                hello = await self._connect_new()
            for session in hello["alive"]:
                self._living(session)
            self._past |= {end["session"]: Ended(**end) for end in unpacked(hello["ended"])}

    async def close(self) -> None:
        """Hang up. The engine and its sessions go on."""
        self._client.close()

    async def shutdown(self) -> None:
        """End the engine with every session in it."""
        if self._client.connected:
            await self._client.ask("quit")
            self._client.close()

    async def launch(self, spec: LaunchSpec) -> Handle:
        await self.open()
        await asyncio.to_thread(self.prepare, spec.plan.workspace, spec.key.user)
        session = spec.session_id
        self._living(session)
        listener = await asyncio.to_thread(listen, spec.socket)
        log = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        launch = Launch(
            session=session,
            task="serve",
            spec=options.dumps(spec.plan.serve),
            environment=spec.plan.environment,
            python=str(spec.plan.python),
            workspace=str(spec.plan.workspace),
            slot=self._slots.of(spec.key.user),
            notebook=str(spec.plan.learn_from or ""),
            limits=asdict(self._limits),
        )
        try:
            answer = await self._ask_launch(launch, {"listener": listener.fileno(), "log": log})
        except BaseException:
            self._alive.pop(session, None)
            raise
        finally:
            listener.close()
            os.close(log)
        return Handle(0, 0.0, {"session": session, "how": answer["how"]})

    async def stop(self, handle: Handle) -> None:
        session = handle.extra["session"]
        if session in self._alive and self._client.connected:
            ended = self._alive[session]
            await self._client.ask("stop", session=session)
            async with asyncio.timeout(_WAIT_SECONDS):
                await asyncio.shield(ended)

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
        await self._client.ask("warm", environment=environment, python=str(python), notebook=str(notebook))

    async def usage(self) -> dict[str, int]:
        """Memory of every session in bytes, by its id: proportional, or counted by its control group."""
        if not self._client.connected:
            return {}
        answer = await self._client.ask("usage")
        return {str(session): int(size) for session, size in answer["sessions"].items()}

    async def measure(self, handles: Iterable[Handle]) -> list[Use | None]:
        if not self._client.connected:
            return [None for _ in handles]
        answer = await self._client.ask("usage")
        memory, cpu = answer["sessions"], answer.get("cpu", {})
        return [_use(memory.get(name), cpu.get(name)) for name in (h.extra["session"] for h in handles)]

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
            log = (self._places.directory / "engine.log").read_text(errors="replace")[-500:]
            raise SandboxError(
                "The session engine did not come up ({reason}). {log}", reason=error.strerror, log=log
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
        """The engine has gone, and every sandbox with it: it was their process one's parent's process one."""
        for session in list(self._alive):
            self._ended(Ended(session, "engine"))


def _use(memory: int | None, cpu: float | None) -> Use | None:
    return None if memory is None else Use(memory, cpu or 0.0)


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
