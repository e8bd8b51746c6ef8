"""How much of the machine a session may use, and which means of the host can hold it to that."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Literal

from mograder.sandbox.join import Rlimits
from mograder.sandbox.profile import MiB

Means = Literal["cgroup v2", "cgroup v1", "rlimits and a watchdog"]
Reason = Literal["memory", "disk", "processes"]

NORMAL_WEIGHT = 100


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one session may use.

    Sizes are bytes; processes count threads, as the kernel does.

    ``cpu_weight`` is relative to other sessions (1 to 10000, 100 is normal); ``cpu_cores`` is a ceiling in
    cores (None: none). ``disk_bytes`` and ``inodes`` bound the workspace, ``file_bytes`` one file,
    ``log_bytes`` the output.
    """

    memory_bytes: int = 1024 * MiB
    processes: int = 256
    cpu_weight: int = NORMAL_WEIGHT
    cpu_cores: float | None = None
    file_bytes: int = 256 * MiB
    open_files: int = 1024
    disk_bytes: int = 1024 * MiB
    inodes: int = 20_000
    log_bytes: int = MiB

    def nice(self) -> int:
        """The weight as a niceness, for hosts where nothing better is in force: 10 % per step, never above normal."""
        steps, weight = 0, float(NORMAL_WEIGHT)
        while weight > self.cpu_weight * 1.1 and steps < 19:
            weight, steps = weight / 1.25, steps + 1
        return steps

    def rlimits(self, *, memory_counted: bool) -> Rlimits:
        """Per-process limits for a session.

        ``memory_counted``: a cgroup counts its memory as a whole.

        The bound on data is twice the memory: it counts what a process reserved, not what it touched, and a
        forked session starts with its parent's reservations.
        """
        bounds = {
            resource.RLIMIT_NPROC: (self.processes, self.processes),
            resource.RLIMIT_NOFILE: (self.open_files, self.open_files),
            resource.RLIMIT_FSIZE: (self.file_bytes, self.file_bytes),
            resource.RLIMIT_CORE: (0, 0),
            resource.RLIMIT_MEMLOCK: (8 * MiB, 8 * MiB),
            resource.RLIMIT_MSGQUEUE: (64 * 1024, 64 * 1024),
            resource.RLIMIT_SIGPENDING: (1024, 1024),
            resource.RLIMIT_STACK: (8 * MiB, 64 * MiB),
        }
        if not memory_counted:
            bounds[resource.RLIMIT_DATA] = (2 * self.memory_bytes, 2 * self.memory_bytes)
        return bounds
