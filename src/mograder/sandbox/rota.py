"""Whose workspace is measured next: that reads every directory of it, so it is done where it may tell something."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mograder.sandbox import usage
from mograder.sandbox.cgroups import Cgroup
from mograder.sandbox.limits import Limits

LONGEST = 0.2
"""Seconds of one look after which no further workspace is begun, however many are due."""

_SPARE_BYTES, _SPARE_INODES = 64 << 20, 4000
"""What a file system may lose between two looks before it is asked who took it without writing."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A session under watch.

    ``memory_counted``: a control group bounds its memory and processes already.

    ``group`` is that control group, if the watchdog shall say when the kernel had to kill for memory in it:
    version 1 kills single processes, and a session that lost one is left in a state that nobody can explain.
    """

    name: str
    init_pid: int
    workspace: Path
    limits: Limits
    memory_counted: bool
    group: Cgroup | None = None


@dataclass
class _Known:
    """What was found in a workspace, and how much its session had written by then."""

    taken: int
    written: int


@dataclass
class _Room:
    """What is free on a file system."""

    bytes: int
    inodes: int


@dataclass
class Rota:
    """Picks workspaces. First those that what was written since they were measured may have filled, the fullest first;
    then the one that waits for longest; then, where room has gone that nobody wrote (a file can be made large, and
    many can be made, without), the others.
    """

    _known: dict[str, _Known] = field(default_factory=dict)
    _turns: list[str] = field(default_factory=list)
    _written: dict[str, int] = field(default_factory=dict)
    _rooms: dict[int, _Room] = field(default_factory=dict)

    def turns(self, watched: Sequence[Watched], members: Mapping[int, Sequence[int]]) -> Iterator[Watched]:
        """Whom to measure in this look, most urgent first; ends when the time for it is over."""
        by_name = {one.name: one for one in watched}
        before, self._written = (
            self._written,
            {one.name: sum(map(usage.written_bytes, members.get(one.init_pid, ()))) for one in watched},
        )
        self._known = {name: known for name, known in self._known.items() if name in by_name}
        grown = sum(max(0, now - before.get(name, 0)) for name, now in self._written.items())
        waiting = [name for name in self._turns if name in by_name]
        waiting += [name for name in by_name if name not in waiting]
        urgent = [name for name in waiting if self._over(by_name[name]) > 0]
        urgent.sort(key=lambda name: -self._over(by_name[name]))
        others = [name for name in waiting if name not in urgent]
        order = urgent + (others if self._lost(watched, grown) else others[:1])
        self._turns = waiting
        end = time.monotonic() + LONGEST
        for name in order:
            self._turns.remove(name)
            self._turns.append(name)
            yield by_name[name]
            if time.monotonic() > end:
                return

    def measured(self, watched: Watched, taken: int) -> None:
        """Note what was found, of a session that is within its limits."""
        self._known[watched.name] = _Known(taken, self._written.get(watched.name, 0))

    def _over(self, watched: Watched) -> int:
        """By how much a workspace may be over its limit, if all that was written since is in it."""
        known = self._known.get(watched.name)
        if known is None:
            return 1  # it may have been full before the session began
        return known.taken + self._written[watched.name] - known.written - watched.limits.disk_bytes

    def _lost(self, watched: Sequence[Watched], grown: int) -> bool:
        """Whether a file system has lost more room since the last look than was written."""
        before, self._rooms = self._rooms, {}
        for one in watched:
            try:
                device = os.stat(one.workspace).st_dev  # noqa: PTH116
                if device not in self._rooms:
                    free = os.statvfs(one.workspace)
                    self._rooms[device] = _Room(free.f_bfree * free.f_frsize, free.f_ffree)
            except FileNotFoundError:
                continue
        return any(
            before[device].bytes - room.bytes > grown + _SPARE_BYTES
            or before[device].inodes - room.inodes > _SPARE_INODES
            for device, room in self._rooms.items()
            if device in before
        )
