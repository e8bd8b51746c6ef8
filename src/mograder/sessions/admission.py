"""Who may start now: a bound on sessions, and on starts at the same time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mograder.errors import Unavailable


class Admission:
    """Lets starts through: at most ``limit`` sessions in all, at most ``parallel`` starting at once."""

    def __init__(self, limit: int, parallel: int | None = None) -> None:
        self._limit = limit
        self._starting = asyncio.Semaphore(parallel or max(2, os.cpu_count() or 2))

    @asynccontextmanager
    async def turn(self, live: Callable[[], int]) -> AsyncIterator[None]:
        """Wait for a turn to start. ``live`` counts the sessions there are, this one included.

        Raises:
            Unavailable: the hub is full.
        """
        if live() > self._limit:
            raise Unavailable(
                f"All {self._limit} places for open notebooks are taken.",
                retry_after=30,
                tip="stop a notebook that you do not need, or try again in a minute.",
            )
        async with self._starting:
            yield
