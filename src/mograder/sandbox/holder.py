"""The sandbox of one session, around a process that waits to be joined, or around a fresh program."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mograder.errors import SandboxError
from mograder.sandbox import join
from mograder.sandbox.profile import SCRATCH, Profile, arguments
from mograder.sandbox.running import GATE, Running, bring_up

_PAUSE = ("/bin/sh", "-c", "echo k >&0; exec </dev/null; exec sleep infinity")


@dataclass(frozen=True, kw_only=True)
class Start:
    """How to start a sandbox, apart from what it sees.

    ``identity`` is the host user (default: ours), ``cgroup_fds`` are open ``cgroup.procs`` files that it
    enters first, ``nice`` is added to the niceness, ``timeout`` is in seconds.
    """

    identity: join.Identity = join.Identity()  # noqa: RUF009  (immutable)
    cgroup_fds: Sequence[int] = ()
    nice: int = 0
    timeout: float = 10.0

    def before(self) -> Callable[[], None] | None:
        """What bubblewrap's process does before it becomes bubblewrap; None when there is nothing to do."""
        if self.identity.uid is None and not self.cgroup_fds and not self.nice:
            return None

        def prepare() -> None:
            for descriptor in self.cgroup_fds:  # judged by the rights we have now
                os.write(descriptor, b"0")
            os.nice(self.nice)
            self.identity.take()

        return prepare


class Holder(Running):
    """A session's sandbox.

    Join it once and only once: whoever enters is exposed to what runs there already.
    """

    @classmethod
    def start(cls, profile: Profile, how: Start = Start()) -> Holder:
        """Build the sandbox and wait until it stands, empty.

        Raises SandboxError with bubblewrap's own words.
        """
        init_pid, monitor, channel = bring_up(
            arguments(profile), _PAUSE, before=how.before(), timeout=how.timeout
        )
        channel.close()
        holder = cls(init_pid, monitor)
        holder.prepare(lambda: _bound_files(init_pid, profile.inodes, how.identity))
        return holder

    @classmethod
    def run(
        cls,
        profile: Profile,
        command: Sequence[str],
        how: Start = Start(),
        *,
        output: int = subprocess.DEVNULL,
        descriptors: Sequence[int] = (),
        rlimits: join.Rlimits | None = None,
    ) -> Holder:
        """Start a fresh program in a sandbox: nothing of ours is in its memory.

        ``wait`` waits for its end. What it left running goes on, and holds ``output`` open, until ``stop``.

        ``output`` is a descriptor for what it prints: a pipe, never a file, which could be reopened and
        rewritten from inside. ``descriptors`` keep their numbers. Raises SandboxError.
        """
        init_pid, monitor, channel = bring_up(
            arguments(profile),
            (*GATE, *command),
            output=output,
            descriptors=descriptors,
            before=how.before(),
            timeout=how.timeout,
        )
        with channel:
            holder = cls(init_pid, monitor)
            # Only now: a limit on processes counts per user and user namespace, and bubblewrap has made its
            # own.
            holder.prepare(lambda: _limit(init_pid, how.identity, rlimits or {}))
            holder.prepare(lambda: _bound_files(init_pid, profile.inodes, how.identity))
            channel.send(b"\n")
        return holder

    def prepare(self, task: Callable[[], None]) -> None:
        """Run ``task`` in a forked child; end the sandbox when it fails. Raises SandboxError."""
        try:
            join.in_child(task)
        except SandboxError:
            self.stop()
            raise


def _bound_files(init_pid: int, inodes: int, identity: join.Identity) -> None:
    identity.take()
    join.limit_inodes(init_pid, SCRATCH, inodes)


def _limit(init_pid: int, identity: join.Identity, rlimits: join.Rlimits) -> None:
    identity.take()
    for payload in _children(init_pid):
        for limit, bounds in rlimits.items():
            resource.prlimit(payload, limit, bounds)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
