"""Who runs the notebook: what a runner is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from mograder.validation.scratch import Scratch

#: How a run ended: by itself, out of time, called off, over a limit; the notebook's own process crashed while
#: marimo's waited for it; or something outside killed it.
How = Literal["done", "time", "cancelled", "memory", "processes", "disk", "crashed", "killed"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use, all its processes together unless said otherwise.

    ``memory`` in bytes; ``file_size`` in bytes of one file; ``log`` in bytes that are kept of what it prints.
    """

    memory: int = 2 << 30
    processes: int = 64
    file_size: int = 256 << 20
    log: int = 256 << 10


@dataclass(frozen=True, slots=True)
class Task:
    """One notebook to run to its end.

    ``notebook`` is a file name in ``scratch.work``; the page goes to ``report.html`` and the checks' results to
    ``checks.jsonl`` in ``scratch.out`` (``mograder.validation.scratch`` has the names). ``time_limit`` in seconds.
    """

    python: Path
    scratch: Scratch
    notebook: str
    time_limit: float
    asset_url: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. ``status`` is its exit status (negative: the signal); ``log`` the last of what it said."""

    how: How
    status: int = 0
    log: str = ""


class Cancelled(Protocol):
    """``threading.Event`` as far as a runner needs it."""

    def is_set(self) -> bool:
        """Whether the run is to be called off."""


class Runner(Protocol):
    """Runs tasks; the contract of every implementation, sandboxed or not."""

    def run(self, task: Task, tick: Callable[[], None], cancelled: Cancelled) -> Ending:
        """Run ``task`` to its end, within its time and limits; no process of it is left afterwards.

        ``tick`` is called some ten times a second while it runs. Raises ``SessionFailed`` if nothing could be
        started.
        """
