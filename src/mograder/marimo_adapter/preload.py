"""Importing ahead what sessions will need, in a process that must stay without threads."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader, SourceFileLoader
from pathlib import Path
from typing import Any

#: What every session of marimo needs, whatever its notebook imports.
BASE = ("marimo", "marimo._cli.cli", "marimo._server.start", "marimo._runtime.runtime", "uvicorn")

#: What a trial session in a temporary directory does not load, and a student's does: to remember the notebook as a
#: recent one, and to answer from a thread. A marimo that needs another loads that one in every session, that is all.
ALSO = ("tomlkit", "anyio._backends._asyncio")

#: Seconds in which a thread that was told to end may end: matplotlib has one while it looks for fonts.
_GRACE = 0.5


class NotForkable(Exception):
    """The process can not be forked into sessions. ``module`` is the one whose import is to blame, ``root``
    the one that was being imported for us."""

    def __init__(self, reason: str, module: str, root: str) -> None:
        super().__init__(f"{module} {reason}")
        self.reason, self.module, self.root = reason, module, root


def bring(names: Iterable[str], skip: Iterable[str] = ()) -> list[str]:
    """Import ``names`` in their order, but for packages in ``skip``; the names that could not be imported.

    Raises ``NotForkable`` after the first that leaves a thread or shared writable memory behind.
    """
    skipped, failed = set(skip), []
    with _watching() as watch:
        for name in names:
            if name.partition(".")[0] in skipped or name in sys.modules:
                continue
            try:
                importlib.import_module(name)
            except BaseException:  # noqa: BLE001 - a package may raise anything
                failed.append(name)
            if culprit := watch.verdict(name):
                raise NotForkable("starts a thread when it is imported", culprit, name)
    return failed


def threads(pid: int | str = "self") -> int:
    """The number of threads of a process."""
    return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - a Path per entry is what this avoids


def alone() -> bool:
    """Whether this process has one thread, at the latest when those that end by themselves have had time for it."""
    deadline = time.monotonic() + _GRACE
    while threads() > 1:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def shared_memory(pid: int | str = "self") -> list[str]:
    """Writable memory that forked sessions would share, by what /proc/pid/maps calls it."""
    with Path(f"/proc/{pid}/maps").open(encoding="utf-8", errors="replace") as lines:
        return [line.rstrip() for line in lines if line.split(" ", 2)[1] == "rw-s"]


class _Watch:
    """Notices after which module's code the process has a thread. Nothing is raised there: packages swallow errors."""

    def __init__(self) -> None:
        self.culprit: str | None = None

    def look(self, module: str) -> None:
        if self.culprit is None and threads() > 1:
            self.culprit = module

    def verdict(self, root: str) -> str | None:
        """Who is to blame for a thread that outlives the import of ``root``; None if none does."""
        self.look(root)
        if self.culprit is not None and alone():
            self.culprit = None
        return self.culprit


@contextmanager
def _watching() -> Iterator[_Watch]:
    """Look after the code of every module that is imported meanwhile, the innermost first."""
    watch = _Watch()
    kinds: tuple[Any, ...] = (SourceFileLoader, ExtensionFileLoader)
    originals = [kind.exec_module for kind in kinds]

    def watched(original: Any) -> Any:
        def exec_module(self: Any, module: Any) -> None:
            original(self, module)
            watch.look(module.__name__)

        return exec_module

    for kind, original in zip(kinds, originals, strict=True):
        kind.exec_module = watched(original)
    try:
        yield watch
    finally:
        for kind, original in zip(kinds, originals, strict=True):
            kind.exec_module = original
