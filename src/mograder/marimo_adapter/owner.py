"""The owner's side of a warm process: start it, order sessions, hear of their ends. Blocking; one thread at a
time."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mograder.errors import EnvironmentFailed, SessionFailed
from mograder.marimo_adapter import control, preload
from mograder.sentences import Sentence

#: Seconds within which a fork must be in its sandbox, or refused.
_ANSWER = 15.0


class Ended(NamedTuple):
    """A session that is gone. ``status`` is an exit status, or minus the number of the signal that ended it."""

    pid: int
    status: int
    key: str


@dataclass(eq=False)
class Coming:
    """A warm process that is getting ready. ``fileno`` is readable when it is, or when it has given up.

    ``deadline`` (``time.monotonic``) is when it is too late.
    """

    process: subprocess.Popen[bytes]
    channel: socket.socket
    deadline: float

    def fileno(self) -> int:
        return self.channel.fileno()

    def finish(self) -> Warm:
        """The warm process, if it is ready now. Raises ``EnvironmentFailed``: it is ended then."""
        try:
            word = _first_word(self.channel)
        except EnvironmentFailed:
            self.process.kill()
            self.process.wait()
            self.channel.close()
            raise
        skipped = tuple(word["skipped"])
        return Warm(self.process, self.channel, word["marimo"], word["modules"], skipped, word["problem"])


@dataclass(eq=False)
class Warm:
    """A warm process that is ready. ``fileno`` is readable when there is something for ``ended``.

    ``skipped`` are packages that sessions import themselves, ``problem`` why the notebook that it learned
    from did not get to its end (None: it did). That its sessions work is not proven by its being ready: try one.
    """

    process: subprocess.Popen[bytes]
    channel: socket.socket
    marimo: str
    modules: int
    skipped: tuple[str, ...]
    problem: str | None
    _ends: deque[Ended] = field(default_factory=deque)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    def start(
        cls,
        python: Path,
        *,
        env: Mapping[str, str],
        notebook: Path | None = None,
        timeout: float = 120.0,
        log: int = subprocess.DEVNULL,
    ) -> Warm:
        """Start the warm process of ``python``'s environment and wait until it is ready, ``timeout`` seconds
        at most.

        ``env`` is its whole environment (``options.environment`` with the home that sessions will have).
        ``notebook`` is what it learns from. Raises ``EnvironmentFailed``: then sessions need fresh processes.
        """
        coming = cls.begin(python, env=env, notebook=notebook, timeout=timeout, log=log)
        _readable(coming, timeout)
        return coming.finish()

    @classmethod
    def begin(
        cls,
        python: Path,
        *,
        env: Mapping[str, str],
        notebook: Path | None = None,
        timeout: float = 120.0,
        log: int = subprocess.DEVNULL,
    ) -> Coming:
        """As ``start``, without waiting. Raises ``OSError`` if the interpreter can not be started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [str(python), "-I", "-B", "-m", "mograder.marimo_adapter.warm", "--fd", str(theirs.fileno())]
        words += ["--timeout", str(timeout / 2)]  # the other half is for importing
        words += ["--notebook", str(notebook.absolute())] if notebook else []
        with theirs:
            process = subprocess.Popen(
                words,
                env=dict(env),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
            )
        return Coming(process, ours, time.monotonic() + timeout)

    def fork(self, order: control.Order, key: str = "", meanwhile: Callable[[], None] = lambda: None) -> int:
        """Fork a session; its pid as the warm process sees it. The order's descriptors stay the caller's.

        ``key`` comes back from ``alive`` and ``ended``. ``meanwhile`` makes the sandbox that is to come. Raises
        ``SessionFailed`` with the reason, and what ``meanwhile`` raises.
        """
        name = key or f"session-{next(self._numbers)}"
        return self._forked(name, order.message(name), order.descriptors()[1], meanwhile)

    def visit(self, visit: control.Visit) -> None:
        """Have a fork of it use a session as a browser would. Raises ``SessionFailed`` with the reason."""
        name = f"visit-{next(self._numbers)}"
        self._forked(name, visit.message(name), [visit.writer])

    def _forked(
        self,
        name: str,
        message: Mapping[str, Any],
        descriptors: Sequence[int],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> int:
        try:
            control.send(self.channel, message, descriptors)
        except OSError as error:
            raise SessionFailed("The warm process is gone: {reason}.", reason=error.strerror) from error
        meanwhile()
        answer = self._answer(name)
        if "pid" not in answer:
            raise SessionFailed(
                "A session could not be forked: {reason}",
                reason=answer.get("error") or Sentence("it is not said why"),
            )
        return int(answer["pid"])

    def alive(self) -> dict[int, str]:
        """The sessions that run: pid -> key. Raises ``SessionFailed`` when the warm process is gone."""
        try:
            control.send(self.channel, {"do": "list", "id": "list"})
        except OSError as error:
            raise SessionFailed("The warm process is gone: {reason}.", reason=error.strerror) from error
        return {int(row["pid"]): str(row["id"]) for row in self._answer("list")["alive"]}

    def ended(self, timeout: float = 0) -> Ended | None:
        """The next session whose end was not told yet, waiting up to ``timeout`` seconds; None when there is none."""
        if not self._ends and _readable(self.channel, timeout):
            message, _ = control.receive(self.channel)
            self._note(message or {})
        return self._ends.popleft() if self._ends else None

    def unfit(self) -> str:
        """Why no session may be forked from it any more; empty if it is as it was when it got ready."""
        pid = self.process.pid
        with contextlib.suppress(OSError):  # it has just ended: its channel says so
            if preload.threads(pid) > 1:
                return "a library started a thread in it after a while"
            if shared := preload.shared_memory(pid):
                return f"a library made memory in it that sessions would share: {shared[0]}"
        return ""

    def fileno(self) -> int:
        return self.channel.fileno()

    def stop(self) -> None:
        """End the warm process; its sessions go on."""
        self.channel.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answer(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + _ANSWER
        while _readable(self.channel, max(0.0, deadline - time.monotonic())):
            message, _ = control.receive(self.channel)
            if message is None:
                break
            if "exit" not in message and message.get("id") == name:
                return message
            self._note(message)
        raise SessionFailed("The warm process does not answer.")

    def _note(self, message: Mapping[str, Any]) -> None:
        if "exit" in message:
            self._ends.append(Ended(int(message["exit"]), int(message["status"]), str(message["id"])))


def _readable(channel: socket.socket | Coming, timeout: float) -> bool:
    """Whether there is something to read within so many seconds. By poll: an owner of many has numbers past 1023."""
    look = select.poll()
    look.register(channel, select.POLLIN)
    return bool(look.poll(timeout * 1000))


def _first_word(channel: socket.socket) -> dict[str, Any]:
    if not _readable(channel, 0):
        raise EnvironmentFailed("The packages were not imported within the time for it.")
    word, _ = control.receive(channel)
    if word is None:
        raise EnvironmentFailed("The interpreter of the environment ended while it imported the packages.")
    if "failed" in word:
        raise EnvironmentFailed("The environment can not be kept warm: {reason}.", reason=word["reason"])
    return word
