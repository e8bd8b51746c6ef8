"""Engines of earlier versions: they keep their sessions until those end, and get no new ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mograder.errors import MograderError
from mograder.sessions.engine.client import EngineClient
from mograder.sessions.engine.protocol import Ended

log = logging.getLogger("mograder.sessions")


@dataclass
class _Engine:
    client: EngineClient
    sessions: set[str]


class Former:
    """All of them, by the socket that they were set aside to. An engine without a session is told to quit.

    ``on_ended`` hears of every session that ends, ``on_gone`` which sessions an engine took along.
    """

    def __init__(self, on_ended: Callable[[Ended], None], on_gone: Callable[[Iterable[str]], None]) -> None:
        self._on_ended = on_ended
        self._on_gone = on_gone
        self._engines: dict[Path, _Engine] = {}
        self._quitting: set[asyncio.Task[None]] = set()

    async def join(self, path: Path) -> dict[str, Any]:
        """Take over the engine behind ``path``: its answer to hello; empty if there is none, or none any more."""
        if path in self._engines:
            return {}
        client = EngineClient(partial(self._ended, path), partial(self._lost, path))
        try:
            hello = await client.connect(path)
        except OSError:
            _forget(path)
            return {}
        except MograderError as error:
            client.close()
            log.warning(
                "an engine of an earlier version can not be asked what runs in it (%s): %s", path, error
            )
            return {}
        alive = set(hello.get("alive", ()))
        self._engines[path] = _Engine(client, alive)
        log.info("an engine of version %s keeps %d notebooks", hello.get("version", "unknown"), len(alive))
        if not alive:
            await self._quit(path)
        return hello

    def of(self, session: str) -> EngineClient | None:
        """Whom to talk to about a session; None: it is in no engine of an earlier version."""
        return next((engine.client for engine in self._engines.values() if session in engine.sessions), None)

    async def usage(self) -> list[dict[str, Any]]:
        """What each of them answers to usage, if it does in words that we know."""
        answers = []
        for engine in list(self._engines.values()):
            try:
                answers.append(await engine.client.ask("usage"))
            except MograderError:
                continue
        return [answer for answer in answers if "sessions" in answer]

    async def quit(self) -> None:
        """End them all, with every session."""
        for path in list(self._engines):
            await self._quit(path)

    def close(self) -> None:
        """Hang up; they go on."""
        for engine in self._engines.values():
            engine.client.close()
        self._engines.clear()

    def _ended(self, path: Path, end: Ended) -> None:
        self._on_ended(end)
        if (engine := self._engines.get(path)) is None:
            return
        engine.sessions.discard(end.session)
        if not engine.sessions:
            task = asyncio.get_running_loop().create_task(self._quit(path))
            self._quitting.add(task)
            task.add_done_callback(self._quitting.discard)

    async def _quit(self, path: Path) -> None:
        engine = self._engines.pop(path, None)
        if engine is None:
            return
        try:
            await engine.client.ask("quit")
        except MograderError as error:  # it has gone by itself
            log.info("%s: %s", path, error)
        engine.client.close()
        _forget(path)

    def _lost(self, path: Path) -> None:
        engine = self._engines.pop(path, None)
        if engine is not None:
            _forget(path)
            self._on_gone(engine.sessions)


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
