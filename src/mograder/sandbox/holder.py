"""A running sandbox: bubblewrap around a process that waits for a session, or around a fresh program."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mograder.errors import SandboxError
from mograder.sandbox import join
from mograder.sandbox.profile import SCRATCH, Profile, arguments

# Standard input is a socket to us. A byte on it tells that every mount is in place: the message that
# bubblewrap itself offers (--info-fd) comes before they are.
_PAUSE = ("/bin/sh", "-c", "echo k >&0; exec </dev/null; exec sleep infinity")
_PROGRAM = ("/bin/sh", "-c", 'echo k >&0; read _ || exit 1; exec "$@" </dev/null 2>&1', "sh")


@dataclass(frozen=True, kw_only=True)
class Start:
    """How to start a sandbox, apart from what it sees.

    ``identity`` is the host user (default: ours), ``cgroup_fds`` are open ``cgroup.procs`` files that it enters
    first, ``timeout`` is in seconds.
    """

    identity: join.Identity = join.Identity()  # noqa: RUF009  (immutable)
    cgroup_fds: Sequence[int] = ()
    timeout: float = 10.0

    def before(self) -> Callable[[], None] | None:
        """What bubblewrap's process does before it becomes bubblewrap; None when there is nothing to do."""
        if self.identity.uid is None and not self.cgroup_fds:
            return None

        def prepare() -> None:
            for descriptor in self.cgroup_fds:  # judged by the rights we have now
                os.write(descriptor, b"0")
            self.identity.take()

        return prepare


class Holder:
    """A running sandbox. ``pidfd`` refers to its process one and is readable when the sandbox is gone.

    Join it once and only once: whoever enters is exposed for a moment to what runs there already.
    """

    def __init__(self, monitor: subprocess.Popen[bytes], init_pid: int) -> None:
        self._monitor = monitor
        self.init_pid = init_pid  # as our pid namespace numbers it
        self.pidfd = os.pidfd_open(init_pid)

    @classmethod
    def start(cls, profile: Profile, how: Start = Start()) -> Holder:
        """Build the sandbox and wait until it stands, empty. Raises SandboxError with bubblewrap's own
        words."""
        holder, channel = _build(profile, how, _PAUSE, subprocess.DEVNULL, ())
        channel.close()
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
        """Start a fresh program in a sandbox: nothing of ours is in its memory. The sandbox ends when it
        does.

        ``output`` is a descriptor for what it prints: a pipe, never a file, which could be reopened and
        rewritten from inside. ``descriptors`` keep their numbers. Raises SandboxError.
        """
        holder, channel = _build(profile, how, (*_PROGRAM, *command), output, descriptors)
        with channel:
            try:
                # Only now: limits on processes count per user *and user namespace*, and must not be inherited
                # by it.
                join.in_child(lambda: _limit(holder.init_pid, how.identity, rlimits or {}))
            except SandboxError:
                holder.stop()
                raise
            channel.send(b"\n")
        return holder

    def alive(self) -> bool:
        return not self.wait(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to ``timeout`` seconds (None: for ever) for the sandbox to end by itself; True if it
        has."""
        if self.pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))

    def stop(self, timeout: float = 1.0) -> bool:
        """End every process in the sandbox, whatever it ignores; True when they are gone within ``timeout``
        seconds.

        Killing process one of a pid namespace kills all of it. A session that was forked into the sandbox has
        to be reaped by the process that forked it before the kernel lets the namespace go. May be called
        again.
        """
        if self.pidfd < 0:
            return True
        with contextlib.suppress(ProcessLookupError):  # gone already
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        try:
            self._monitor.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        os.close(self.pidfd)
        self.pidfd = -1
        return True


def _build(
    profile: Profile, how: Start, payload: Sequence[str], output: int, descriptors: Sequence[int]
) -> tuple[Holder, socket.socket]:
    """The sandbox, with every mount in place and bounded, and the socket that its payload has as standard
    input."""
    deadline = time.monotonic() + how.timeout
    with contextlib.ExitStack() as opened:
        ours, theirs = socket.socketpair()
        keep = contextlib.ExitStack()
        keep.enter_context(ours)
        opened.enter_context(keep)
        info, info_writer = _pipe(opened)
        words, words_writer = _pipe(opened)
        with theirs, info_writer, words_writer, arguments(profile) as made:
            made.add("--info-fd", info_writer.fileno())
            monitor = made.start(
                payload,
                stdin=theirs.fileno(),
                stdout=output,
                stderr=words_writer.fileno(),
                descriptors=[info_writer.fileno(), *descriptors],
                before=how.before(),
            )
        if not _stands(ours, deadline):
            raise SandboxError(
                f"A sandbox did not come up: {_refusal(monitor, words)}.", tip="mograder hub check"
            )
        holder = Holder(monitor, int(json.loads(info.read())["child-pid"]))
        try:
            join.in_child(lambda: _bound_files(holder.init_pid, profile.inodes, how.identity))
        except SandboxError:
            holder.stop()
            raise
        keep.pop_all()
        return holder, ours


def _pipe(opened: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reader, writer = os.pipe()
    return opened.enter_context(os.fdopen(reader, "rb")), opened.enter_context(os.fdopen(writer, "wb"))


def _stands(channel: socket.socket, deadline: float) -> bool:
    channel.settimeout(max(0.01, deadline - time.monotonic()))
    try:
        return channel.recv(2) != b""
    except TimeoutError:
        return False


def _refusal(monitor: subprocess.Popen[bytes], words: IO[bytes]) -> str:
    """Why bubblewrap gave up, in its own words. It is ended first: a silent one would keep us waiting."""
    monitor.kill()
    monitor.wait()
    text = " ".join(words.read().decode("utf-8", "replace").split())
    return text[-500:] or f"bubblewrap ended with status {monitor.returncode} and said nothing"


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
