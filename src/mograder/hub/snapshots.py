"""A version of the notebook for what the editor saves: at most one in ten seconds, the last one always."""

from __future__ import annotations

import asyncio
import logging

from mograder.errors import MograderError
from mograder.hub.coursework import Coursework
from mograder.sessions.model import SessionKey

log = logging.getLogger("mograder.hub")

INTERVAL = 10.0
"""Seconds between two versions of one notebook: marimo saves a second after each change."""


class Snapshots:
    """Keeps what was saved, soon after. For the event loop alone."""

    def __init__(self, work: Coursework, interval: float = INTERVAL) -> None:
        self._work = work
        self._interval = interval
        self._last: dict[SessionKey, float] = {}
        self._waiting: dict[SessionKey, asyncio.Task[None]] = {}

    def note(self, key: SessionKey) -> None:
        """The notebook of ``key`` was saved."""
        if key.kind == "edit" and key not in self._waiting:
            task = asyncio.get_running_loop().create_task(self._keep(key))
            self._waiting[key] = task

    async def _keep(self, key: SessionKey) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(self._last.get(key, -self._interval) + self._interval - loop.time())
        finally:
            del self._waiting[key]  # a save from now on is another version
        self._last = {k: t for k, t in self._last.items() if loop.time() - t < self._interval}
        self._last[key] = loop.time()
        try:
            await self._work.snapshot(key.user, key.item)
        except MograderError as error:
            log.warning("a save of %s was not kept: %s", key.path, error)
