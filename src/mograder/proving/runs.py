"""Running texts of an item side by side, each as a validation would."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from mograder.environments import Environments, Requirements, Step, remembered
from mograder.environments.uv import break_off
from mograder.validation.model import ValidationResult
from mograder.validation.process_runner import ProcessRunner
from mograder.validation.run import ValidationJob, validate
from mograder.validation.runner import Runner

#: Seconds until what is still being prepared is broken off again.
_AGAIN = 0.05

Say = Callable[[str, str], None]
"""Is told of progress: which item, and what happens. From several threads."""


@dataclass(frozen=True)
class Attempt:
    """One text to run: ``what`` it is, for messages; ``files`` by their places beside it.

    ``reference`` is a notebook whose checks count in place of its own. ``timeout_s`` in seconds.
    """

    item: str
    what: str
    text: str
    files: Mapping[str, Path] = field(default_factory=dict)
    reference: str | None = None
    timeout_s: float = 120.0


@dataclass(frozen=True)
class Outcome:
    """What a run found, and how many seconds it took; preparing its packages does not count."""

    result: ValidationResult
    seconds: float


Try = Callable[[Attempt], "Future[Outcome]"]
"""Starts an attempt; the future may raise MograderError or OSError."""


class Runs:
    """Runs attempts, as many at a time as there are processors; calls off what is left when its block ends.

    What runs is the author's own: with the rights of the caller, within limits.
    """

    def __init__(
        self,
        environments: Environments,
        say: Say,
        *,
        runner: Runner | None = None,
        at_a_time: int | None = None,
    ) -> None:
        self._environments = environments
        self._say = say
        self._runner = runner or ProcessRunner()
        self._pool = ThreadPoolExecutor(at_a_time or os.cpu_count() or 1)
        self._left: set[Future[Outcome]] = set()
        self._called_off = threading.Event()
        self._preparing = threading.Lock()

    def __enter__(self) -> Runs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._called_off.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        # At Ctrl-C nobody waits for packages, nor for those that were just about to be prepared.
        while left := tuple(self._left):
            break_off()
            wait(left, _AGAIN)
        self._pool.shutdown()

    def start(self, attempt: Attempt) -> Future[Outcome]:
        """Begin ``attempt`` as soon as a processor is free."""
        future = self._pool.submit(self._run, attempt)
        self._left.add(future)
        future.add_done_callback(self._left.discard)
        return future

    def _run(self, attempt: Attempt) -> Outcome:
        python = self._python(attempt)
        self._say(attempt.item, f"{attempt.what} runs")
        job = ValidationJob(
            notebook=attempt.text.encode(),
            name=f"{attempt.item}.py",
            python=python,
            release=attempt.reference.encode() if attempt.reference is not None else None,
            files=attempt.files,
            timeout_s=attempt.timeout_s,
        )
        begun = time.monotonic()
        result = validate(job, self._runner, cancelled=self._called_off)
        return Outcome(result, time.monotonic() - begun)

    def _python(self, attempt: Attempt) -> Path:
        """The interpreter with the packages of ``attempt``; one at a time, so that each is told of once."""
        requirements = Requirements.from_notebook(attempt.text, name=f"{attempt.item}.py")
        told: Callable[[Step], None] = lambda step: self._say(attempt.item, step.text)  # noqa: E731
        with self._preparing:
            if self._called_off.is_set():
                raise CancelledError
            lock = remembered(self._environments, requirements)
            return self._environments.ready(lock, told, requirements).python
