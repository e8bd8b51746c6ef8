"""What was made of files, remembered for as long as the files are the same."""

from __future__ import annotations

import os
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

Mark = tuple[int, ...]
"""A file as it was seen: which one it is, what it is, how large, and when it was changed."""

RESTED_NS = 100_000_000
"""Nanoseconds for which a file must have rested: one that changes twice within a tick of the clock looks the same."""


def mark_of(status: os.stat_result) -> Mark:
    """The mark of a file. Its last part, the change time, is the kernel's alone to set."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_nlink,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def mark(path: str) -> Mark:
    """The mark of what lies at a path that only the hub controls; empty if there is nothing."""
    try:
        return mark_of(os.stat(path))  # noqa: PTH116  a Path costs as much as the look itself
    except OSError:
        return ()


class Remembered(Generic[T]):
    """Values by key, each with the marks of the files that it was made of. Any thread may ask."""

    def __init__(self, room: int = 50_000) -> None:
        self._room = room
        self._values: dict[Hashable, tuple[tuple[Mark, ...], T]] = {}

    def recall(self, key: Hashable, marks: tuple[Mark, ...]) -> T | None:
        """The value, if its files still look the same."""
        known = self._values.get(key)
        return known[1] if known is not None and known[0] == marks else None

    def learn(self, key: Hashable, marks: tuple[Mark, ...], value: T, looked_ns: int) -> None:
        """Keep a value. ``marks`` were the same before and after it was made, ``looked_ns`` is the time before.

        A file that had not rested then may be changed once more without a trace: of it nothing is kept.
        """
        if any(mark and looked_ns - mark[-1] < RESTED_NS for mark in marks):
            return
        if len(self._values) >= self._room:
            self._values.clear()
        self._values[key] = (marks, value)
