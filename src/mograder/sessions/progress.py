"""What happens while a session starts, told to everybody who watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from mograder.errors import MograderError, exhausted
from mograder.sentences import Sentence


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``detail`` is a sentence; ``url`` and ``log_tail`` where they make sense."""

    kind: Literal["step", "queued", "ready", "failed"]
    detail: str
    url: str = ""
    log_tail: str = ""
    place: int | None = None
    estimate: int | None = None  # seconds

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.kind in ("ready", "failed")


class Progress:
    """The events of one start, in order. Who comes late gets all of them from the beginning."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def say(self, event: Event) -> None:
        """Add an event and wake the watchers."""
        self.events.append(event)
        self._changed.set()
        self._changed = asyncio.Event()

    def step(self, detail: str) -> None:
        """Add a step; saying the same twice in a row adds nothing."""
        if not self.events or self.events[-1].detail != detail:
            self.say(Event("step", detail))

    def queued(self, place: int, estimate: int | None) -> None:
        """Add the place in the queue (from 1) and the seconds that it may take, None if nobody knows."""
        self.say(Event("queued", Sentence("Waiting for a free place"), place=place, estimate=estimate))

    async def watch(self) -> AsyncIterator[Event]:
        """Every event from the first to the last."""
        seen = 0
        while True:
            changed = self._changed
            while seen < len(self.events):
                event = self.events[seen]
                seen += 1
                yield event
                if event.last:
                    return
            await changed.wait()


def sentence(error: BaseException) -> str:
    """What is said to a person about an error that ended a start."""
    error = exhausted(error) or error
    if isinstance(error, MograderError):
        return error.whole
    stopped = isinstance(error, asyncio.CancelledError)
    if stopped:
        return Sentence("The start was stopped.")
    return Sentence("Something went wrong in the hub; it was noted.")
