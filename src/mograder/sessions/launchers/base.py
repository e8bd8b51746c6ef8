"""The seam between sessions and what they run on."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from mograder.errors import SessionFailed
from mograder.marimo_adapter.options import NO_NOTEBOOK, UNREADABLE
from mograder.sentences import Sentence
from mograder.sessions.model import Handle, LaunchSpec, Use

LOG_LIMIT = 1 << 20
"""Bytes of output that are kept of a session."""


MAX_SOCKET_PATH = 107
"""Bytes that the path of a unix socket may have; unix(7)."""


class Launcher(Protocol):
    """Brings marimo servers up and down. One contract, tested against every implementation."""

    name: str

    async def open(self) -> None:
        """Get ready to launch, and find what an earlier hub left. May be called again."""

    async def close(self) -> None:
        """Let go. What was launched goes on."""

    async def shutdown(self) -> None:
        """End everything that this launcher ever launched, and what it needs for it."""

    def prepare(self, workspace: Path, user: str) -> None:
        """Make a workspace usable for ``user``'s sessions. Blocks."""

    async def warm(self, environment: str, python: Path, notebook: Path) -> None:
        """Make ready for sessions with an environment, in its own time; ``notebook`` is what they will run."""

    def promise(self, spec: LaunchSpec) -> Handle:
        """What names the session before `launch` brings it up: a hub that is killed meanwhile has written it down."""

    async def launch(self, spec: LaunchSpec) -> Handle:
        """Start a session whose listening socket is at ``spec.socket``; return as soon as it runs.

        The socket takes connections at once; whether the server answers is for the caller to see.
        Raises SessionFailed or SandboxError.
        """

    async def stop(self, handle: Handle) -> None:
        """End every process of the session, whatever they ignore. Complete within a second."""

    async def end_others(self, known: Iterable[Handle]) -> None:
        """End what an earlier hub launched and nobody knows any more; ``known`` are the sessions that go on."""

    def alive(self, handle: Handle) -> bool:
        """Whether the session's server runs. Works for sessions that another hub launched."""

    async def wait(self, handle: Handle) -> str:
        """Return when the session has ended, with a sentence that says why as far as it is known ("" if not)."""

    async def measure(self, handles: Iterable[Handle]) -> list[Use | None]:
        """What each of these sessions uses now, in their order; None where that can not be told."""


def listen(path: Path) -> socket.socket:
    """A listening unix socket at ``path`` that nobody but this user can connect to.

    Whoever makes the listener may connect at once: requests wait in the backlog until the server is up.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise SessionFailed(
            "The course lies too deep in the file system for a socket: {path}.", tip="move it up.", path=path
        )
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # On Linux the name gets the socket's own mode; changing the umask would change it for other threads too.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


def ended_with(status: int) -> str:
    """How a server ended, in a sentence; empty when it ended well."""
    if status < 0:
        return Sentence("Its server was ended by signal {number}.", number=-status)
    if status == UNREADABLE:
        return Sentence(
            "The editor could not show all of its file, as the last lines say. "
            "Bring an earlier version back, or upload a file that is right."
        )
    if status == NO_NOTEBOOK:
        return Sentence(
            "Its file is no notebook that can be run, as the last lines say. "
            "Whoever published it can put that right."
        )
    return Sentence("Its server ended with status {number}.", number=status) if status else ""


def log_tail(path: Path, limit: int = 4000) -> str:
    """The last ``limit`` bytes of a session's output as text; empty if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return ""
        return os.pread(descriptor, limit, max(0, status.st_size - limit)).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
