"""The hub's line to the session engine: requests, answers, news; on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mograder.errors import EnvironmentFailed, MograderError, SandboxError, SessionFailed, Unavailable
from mograder.marimo_adapter import control
from mograder.sentences import unpacked
from mograder.sessions.engine.protocol import PROTOCOL, Ended

ANSWER_SECONDS = 150.0
"""The longest that an engine takes: a first launch waits for the environment to become warm."""

HELLO_SECONDS = 20.0
"""The longest that an engine takes to say which it is: it may be making a sandbox just then."""

_KINDS: dict[str, type[MograderError]] = {
    "SandboxError": SandboxError,
    "EnvironmentFailed": EnvironmentFailed,
    "SessionFailed": SessionFailed,
    "Unavailable": Unavailable,
}


class EngineClient:
    """A connection. ``on_ended`` hears of every session that ends, ``on_lost`` when the engine has gone."""

    def __init__(self, on_ended: Callable[[Ended], None], on_lost: Callable[[], None]) -> None:
        self._on_ended = on_ended
        self._on_lost = on_lost
        self._socket: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)

    @property
    def connected(self) -> bool:
        """Whether there is an engine at the other end, as far as is known."""
        return self._socket is not None

    async def connect(self, path: Path) -> dict[str, Any]:
        """Connect to the engine that listens at ``path``, of whatever version; its answer to hello.

        Raises:
            OSError: there is none. SandboxError: it does not answer.
        """
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            line.connect(str(path))
        except OSError:
            line.close()
            raise
        line.setblocking(False)
        self._socket = line
        asyncio.get_running_loop().add_reader(line.fileno(), self._hear)
        return await self.ask("hello", patience=HELLO_SECONDS, protocol=PROTOCOL)

    async def ask(
        self, what: str, descriptors: Sequence[int] = (), *, patience: float = ANSWER_SECONDS, **words: Any
    ) -> dict[str, Any]:
        """Send a request and wait for its answer. Raises the engine's error, or SandboxError if it has gone."""
        if self._socket is None:
            raise SandboxError("The session engine is not there.")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            control.send(self._socket, {"do": what, "id": number, **words}, descriptors)
            async with asyncio.timeout(patience):
                said = await answer
        except TimeoutError:  # an OSError, too
            raise SandboxError("The session engine does not answer.") from None
        except OSError as error:
            raise SandboxError(
                "The session engine can not be reached ({reason}).", reason=error.strerror
            ) from error
        finally:
            self._waiting.pop(number, None)
        if "error" in said:
            raise _KINDS.get(said.get("kind", ""), SandboxError)(unpacked(said["error"]))
        return said

    def close(self) -> None:
        """Hang up; the engine and its sessions go on."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(SandboxError("The session engine has gone."))

    def _hear(self) -> None:
        assert self._socket is not None
        while self._socket is not None:
            try:
                message, _ = control.receive(self._socket)
            except BlockingIOError:
                return
            except MograderError:
                message = None
            if message is None:
                self.close()
                self._on_lost()
                return
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("event") == "ended":
            self._on_ended(Ended.told(message))
            return
        answer = self._waiting.get(message.get("id", 0))
        if answer is not None and not answer.done():
            with contextlib.suppress(asyncio.InvalidStateError):
                answer.set_result(message)
