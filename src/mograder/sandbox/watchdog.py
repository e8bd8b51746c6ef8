"""Hold sessions to limits that no kernel means on this host holds them to, by looking now and then."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from mograder.sandbox import usage
from mograder.sandbox.limits import Reason
from mograder.sandbox.profile import SCRATCH
from mograder.sandbox.rota import Rota, Watched
from mograder.sentences import Sentence


@dataclass(frozen=True, kw_only=True)
class Excess:
    """A session that took too much, and a sentence about it."""

    name: str
    reason: Reason
    detail: str


class Watchdog:
    """Looks at all sessions at once.

    It finds; ending a session is for who started it.

    Between two looks a session can take more than its limit. That is why this is the last of the means: it
    protects from accidents, and from an attacker only slowly.
    """

    def __init__(self) -> None:
        self._watched: dict[str, Watched] = {}
        self._rota = Rota()

    def add(self, watched: Watched) -> None:
        self._watched[watched.name] = watched

    def remove(self, name: str) -> None:
        self._watched.pop(name, None)

    def look(self) -> list[Excess]:
        """Who is over a limit now: memory and processes of all, and the disks of those whose turn it is."""
        members = _members(watched.init_pid for watched in self._watched.values())
        found = [
            self._memory(watched, members.get(watched.init_pid, [])) for watched in self._watched.values()
        ]
        turns = self._rota.turns(list(self._watched.values()), members)
        found += (self._disk(turn, members.get(turn.init_pid, [])) for turn in turns)
        return [excess for excess in found if excess is not None]

    def members(self, name: str) -> list[int]:
        """The processes of one session that is watched."""
        init = self._watched[name].init_pid
        return _members([init]).get(init, [])

    def _memory(self, watched: Watched, pids: list[int]) -> Excess | None:
        limits = watched.limits
        if watched.group is not None and watched.group.usage().out_of_memory:
            return _excess(
                watched, "memory", Sentence("{allowed} MiB allowed", allowed=limits.memory_bytes >> 20)
            )
        if watched.memory_counted:
            return None
        tasks = sum(usage.threads(pid) for pid in pids)
        if tasks > limits.processes + _HOLDERS:
            return _excess(
                watched,
                "processes",
                Sentence(
                    "{count} processes and threads, {allowed} allowed", count=tasks, allowed=limits.processes
                ),
            )
        scratch = usage.scratch_bytes(watched.init_pid, SCRATCH)
        # Shared pages count fully in the resident size: what is below the limit by that is below it for sure.
        if scratch + sum(usage.resident_bytes(pid) for pid in pids) <= limits.memory_bytes:
            return None
        used = scratch + sum(usage.proportional_bytes(pid) for pid in pids)
        if used <= limits.memory_bytes:
            return None
        return _excess(
            watched,
            "memory",
            Sentence("{used} MiB, {allowed} MiB allowed", used=used >> 20, allowed=limits.memory_bytes >> 20),
        )

    def _disk(self, watched: Watched, pids: list[int]) -> Excess | None:
        limits = watched.limits
        try:
            taken = usage.tree(watched.workspace, max_bytes=limits.disk_bytes, max_inodes=limits.inodes)
            deleted = usage.deleted_bytes(pids, watched.workspace)
        except usage.TooMuch as much:
            return _excess(watched, "disk", much.args[0])
        except (FileNotFoundError, NotADirectoryError):
            return None  # the workspace is gone: there is nothing to bound
        if taken + deleted <= limits.disk_bytes:
            self._rota.measured(watched, taken + deleted)
            return None
        return _excess(
            watched, "disk", Sentence("{size} MiB in deleted files that are still open", size=deleted >> 20)
        )


_HOLDERS = 3  # bubblewrap's own process one, the process that waits, the thread that is just starting


def _excess(watched: Watched, reason: Reason, detail: str) -> Excess:
    return Excess(name=watched.name, reason=reason, detail=detail)


def _members(inits: Iterable[int]) -> dict[int, list[int]]:
    """Process one of a sandbox -> every process in its pid namespace. One pass over /proc for all."""
    spaces = {space: init for init in inits if (space := _pid_namespace(init)) is not None}
    members: dict[int, list[int]] = defaultdict(list)
    for name in os.listdir("/proc"):  # noqa: PTH208  (names only: a Path per process is the cost of this function)
        if name.isdigit() and (init := spaces.get(_pid_namespace(int(name)) or 0)) is not None:
            members[init].append(int(name))
    return members


def _pid_namespace(pid: int) -> int | None:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        return os.stat(f"/proc/{pid}/ns/pid").st_ino  # noqa: PTH116
    return None
