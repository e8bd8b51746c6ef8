"""A running sandbox seen from outside: watch it, wait for it, end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Self

from mograder.errors import SandboxError
from mograder.sandbox.bubblewrap import Arguments
from mograder.sentences import Sentence

# Standard input is a socket to us. A byte on it tells that every mount is in place: the message that
# bubblewrap itself offers (--info-fd) comes before they are. Then the payload waits for a word, and becomes
# the program.
GATE = ("/bin/sh", "-c", 'echo k >&0; read _ || exit 1; exec "$@" </dev/null 2>&1', "sh")


class Running:
    """A sandbox by its process one.

    ``pidfd`` is readable when the sandbox is gone with every process in it.

    ``ended`` is a descriptor that is readable when the sandbox's own program has ended. What that program
    left behind goes on until ``stop``: bubblewrap's process one waits for the last of its children.
    """

    def __init__(self, init_pid: int, monitor: subprocess.Popen[bytes] | None = None) -> None:
        self.init_pid = init_pid  # as our pid namespace numbers it
        self._monitor = monitor
        self.pidfd = self.ended = -1
        try:
            self.pidfd = os.pidfd_open(init_pid)
            self.ended = os.dup(self.pidfd) if monitor is None else os.pidfd_open(monitor.pid)
        except OSError:
            if monitor is not None:  # just started, and nobody would know of it
                os.kill(init_pid, signal.SIGKILL)
                monitor.wait()
            self.close()
            raise

    @classmethod
    def adopt(cls, init_pid: int, started: int) -> Self:
        """Take over a sandbox that another process started.

        ``started`` is its ``started()``: pids are used again.

        Raises SandboxError when that sandbox is gone.
        """
        try:
            found = cls(init_pid)
        except ProcessLookupError as error:
            raise SandboxError("The sandbox of process {init_pid} is gone.", init_pid=init_pid) from error
        if found.started() != started:  # looked at after the pidfd was taken: now it can not change any more
            found.close()
            raise SandboxError(
                "The sandbox of process {init_pid} is gone: the number belongs to another process.",
                init_pid=init_pid,
            )
        return found

    def started(self) -> int:
        """When process one started, in clock ticks since boot (proc(5), field 22 of stat). 0 when it is gone."""
        try:
            return int(Path(f"/proc/{self.init_pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
        except (FileNotFoundError, ProcessLookupError):
            return 0

    def alive(self) -> bool:
        """Is any process of the sandbox left?"""
        return self.pidfd >= 0 and not _readable(self.pidfd, 0)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to ``timeout`` seconds (None: for ever) for the sandbox's own program to end; True if it has."""
        return self.ended < 0 or _readable(self.ended, timeout)

    def exit_status(self) -> int | None:
        """How the program ended: its exit code, or 128 and the signal; None: not yet, or not our child."""
        return None if self._monitor is None else self._monitor.poll()

    def stop(self, timeout: float = 1.0) -> bool:
        """End every process in the sandbox, whatever it ignores; True when they are gone within ``timeout`` seconds.

        Killing process one of a pid namespace kills all of it. A session that was forked into the sandbox has
        to be reaped by the process that forked it before the kernel lets the namespace go. May be called
        again.
        """
        if self.pidfd < 0:
            return True
        with contextlib.suppress(ProcessLookupError):  # gone already
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        if not _readable(self.pidfd, timeout):
            return False
        if self._monitor is not None:
            self._monitor.wait()
        with contextlib.suppress(ChildProcessError):
            # Process one is ours to reap if its monitor went first, as it does when the program ends before
            # the rest.
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        self.close()
        return True

    def close(self) -> None:
        """Forget the sandbox without ending it."""
        for descriptor in {self.pidfd, self.ended} - {-1}:
            os.close(descriptor)
        self.pidfd = self.ended = -1


def _readable(descriptor: int, timeout: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


def bring_up(
    made: Arguments,
    payload: Sequence[str],
    *,
    output: int = subprocess.DEVNULL,
    descriptors: Sequence[int] = (),
    before: Callable[[], None] | None = None,
    through: Sequence[str] = (),
    meanwhile: Callable[[int], None] | None = None,
    timeout: float = 10.0,
) -> tuple[int, subprocess.Popen[bytes], socket.socket]:
    """Start bubblewrap and wait until its payload (which begins like ``GATE``) stands inside.

    Returns the pid of process one, the monitor process, and our end of the payload's standard input.
    ``meanwhile`` is called with the started process's pid. Closes ``made``. Raises SandboxError with
    bubblewrap's own words.
    """
    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as opened:
        opened.enter_context(made)
        ours, theirs = socket.socketpair()
        on_failure = opened.enter_context(contextlib.ExitStack())
        on_failure.enter_context(ours)
        info, info_writer = _pipe(opened)
        words, words_writer = _pipe(opened)
        with theirs, info_writer, words_writer:
            made.add("--info-fd", info_writer.fileno())
            monitor = made.start(
                payload,
                stdin=theirs.fileno(),
                stdout=output,
                stderr=words_writer.fileno(),
                descriptors=[info_writer.fileno(), *descriptors],
                before=before,
                through=through,
            )
        on_failure.callback(_reap, monitor)
        if meanwhile is not None:
            meanwhile(monitor.pid)
        if not _stands(ours, deadline):
            raise SandboxError(
                "A sandbox did not come up: {reason}.",
                tip="mograder hub check",
                reason=_refusal(monitor, words),
            )
        init_pid = int(json.loads(info.read())["child-pid"])
        on_failure.pop_all()
        return init_pid, monitor, ours


def _pipe(opened: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reader, writer = os.pipe()
    return opened.enter_context(os.fdopen(reader, "rb")), opened.enter_context(os.fdopen(writer, "wb"))


def _stands(channel: socket.socket, deadline: float) -> bool:
    channel.settimeout(max(0.01, deadline - time.monotonic()))
    try:
        return channel.recv(2) != b""
    except (TimeoutError, ConnectionResetError):
        return False


def _reap(monitor: subprocess.Popen[bytes]) -> None:
    monitor.kill()
    monitor.wait()


def _refusal(monitor: subprocess.Popen[bytes], words: IO[bytes]) -> str:
    """Why bubblewrap gave up, in its own words. It is ended first: a silent one would keep us waiting."""
    _reap(monitor)
    text = " ".join(words.read().decode("utf-8", "replace").split())
    return text[-500:] or Sentence(
        "bubblewrap ended with status {status} and said nothing", status=monitor.returncode
    )
