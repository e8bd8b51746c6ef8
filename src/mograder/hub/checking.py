"""What the runs of notebooks that go on now have found so far, told to everybody who watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from mograder.sentences import Sentence
from mograder.validation.model import CheckResult

#: Seconds that a watcher waits for a run to begin: the page asks for both at once.
PATIENCE = 30.0


class Run:
    """One run: whether it has begun or waits for its turn, and the first result of each check, in order."""

    def __init__(self) -> None:
        self.begun = False
        self.over = False
        self.checks: list[CheckResult] = []
        self._labels: set[str] = set()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """It has its turn."""
        self.begun = True
        self._wake()

    def found(self, check: CheckResult) -> None:
        """A check has a result; from the thread of the run. A second result of the same check is not told."""
        if check.label not in self._labels:
            self._labels.add(check.label)
            self._loop.call_soon_threadsafe(self._add, check)

    def end(self) -> None:
        """Nothing more comes."""
        self.over = True
        self._wake()

    async def changed(self) -> None:
        """Wait until there is something new."""
        await self._changed.wait()

    def _add(self, check: CheckResult) -> None:
        self.checks.append(check)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Checking:
    """The runs of now, the latest of each copy. Of one event loop."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], Run] = {}
        self._began = asyncio.Event()

    @contextmanager
    def run(self, user: str, item: str) -> Iterator[Run]:
        """A run of somebody's copy, for the time of the block."""
        run = self._runs[user, item] = Run()
        self._began.set()
        self._began = asyncio.Event()
        try:
            yield run
        finally:
            run.end()
            if self._runs.get((user, item)) is run:
                del self._runs[user, item]

    async def watch(
        self, user: str, item: str, patience: float = PATIENCE
    ) -> AsyncIterator[str | CheckResult]:
        """What happens in the run of a copy, from its start to its end: sentences and results.

        Waits for a run to begin, ``patience`` seconds at most; without one there is nothing.
        """
        try:
            async with asyncio.timeout(patience):
                while (run := self._runs.get((user, item))) is None:
                    await self._began.wait()
        except TimeoutError:
            return
        async for news in _news(run):
            yield news


async def _news(run: Run) -> AsyncIterator[str | CheckResult]:
    if not run.begun and not run.over:
        yield Sentence("Waiting for a turn")
        while not run.begun and not run.over:
            await run.changed()
    if run.begun:
        yield Sentence("Running")
    told = 0
    while True:
        for check in run.checks[told:]:
            told += 1
            yield check
        if run.over and told == len(run.checks):
            return
        if told == len(run.checks):
            await run.changed()
