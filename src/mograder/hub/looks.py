"""One look at the disk for all who ask at the same time: a whole class opens its course in the same minute."""

from __future__ import annotations

import asyncio

from mograder.hub.overview import Asked, ItemState, Overview

_Waiting = list[tuple[Asked, asyncio.Future[tuple[ItemState, ...] | None]]]


class Looks:
    """Asks an `Overview` in a thread. For the event loop alone.

    Invariant: every answer is from a look that began after its question came, so it is never out of date. Who has
    changed something since the last look, and whose notebooks must therefore be read, holds nobody else up.
    """

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._waiting: _Waiting = []
        self._looking: asyncio.Task[None] | None = None

    async def items(self, user: str, *, updates: bool = False, staff: bool = False) -> tuple[ItemState, ...]:
        """Every published item as ``user`` sees it; see `Overview.items`."""
        asked = Asked(user, updates, staff)
        known = await self._ask(asked)
        return await asyncio.to_thread(self._overview.items, asked) if known is None else known

    async def _ask(self, asked: Asked) -> tuple[ItemState, ...] | None:
        answer: asyncio.Future[tuple[ItemState, ...] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await answer

    async def _look(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._answer(batch)
        finally:
            self._looking = None

    async def _answer(self, batch: _Waiting) -> None:
        try:
            found = await asyncio.to_thread(self._overview.known, [asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001  whoever asked is told
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), states in zip(batch, found, strict=True):
            if not answer.done():  # whoever asked may have gone
                answer.set_result(states)
