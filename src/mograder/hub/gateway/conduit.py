"""Moves the rest of a large answer from a session's socket to a browser's, past the event loop's transports.

A transport makes an object of what it reads: for large pieces that is one more copy, and memory that the system has
to find and clear each time. Here everything goes through one buffer. splice(2) copies nothing, and yet took longer
where it was measured: it hands pages over a few at a time, and every handful wakes the receiver.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Protocol

LARGE = 256 * 1024  # bytes that must be left of an answer to be worth it
BUFFER = 256 * 1024  # a little more than a unix socket holds


class Owner(Protocol):
    """Whoever opened a conduit. After any of these but the first it is closed."""

    def conduit_moves(self) -> None:
        """Take note that something arrived at the browser's socket."""

    def conduit_done(self, *, alone: bool) -> None:
        """Take note that all has been moved; ``alone``: the session sent nothing behind it and did not hang up."""

    def conduit_torn(self) -> None:
        """Take note that the session ended before it had sent all."""

    def conduit_cut(self) -> None:
        """Take note that the browser's socket takes nothing any more."""


class Conduit:
    """Works on sockets of its own, so that the transports keep theirs, and still notice that connections end.

    The transports must be still meanwhile: the session's paused, the browser's with nothing left to write.
    """

    __slots__ = ("_buffer", "_left", "_loop", "_owner", "_rest", "_sink", "_source", "_waits_for")

    def __init__(
        self, owner: Owner, source: socket.socket, sink: socket.socket, size: int, buffer: memoryview
    ) -> None:
        """Take the sockets over. ``buffer`` is used within a turn of the loop alone, so all conduits share one."""
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._source, self._sink = source, sink
        self._left = size  # to be taken from the source
        self._buffer = buffer
        self._rest = memoryview(b"")  # taken, but not yet given
        self._waits_for: socket.socket | None = None
        self._wait_for(source)

    @property
    def clogged(self) -> bool:
        """Whether it is the browser that is waited for."""
        return self._waits_for is self._sink

    def close(self) -> None:
        """Let go of the sockets. The owner hears nothing more."""
        self._wait_for(None)
        self._source.close()
        self._sink.close()

    def _take(self) -> None:
        try:
            size = self._source.recv_into(
                self._buffer, min(self._left, len(self._buffer)), socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.close()
            self._owner.conduit_torn()
            return
        self._left -= size
        self._give(self._buffer[:size])

    def _give_rest(self) -> None:
        self._give(self._rest)

    def _give(self, data: memoryview) -> None:
        try:
            size = self._sink.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            size = 0
        except OSError:
            self.close()
            self._owner.conduit_cut()
            return
        if size:
            self._owner.conduit_moves()
        if size < len(data):
            self._rest = memoryview(bytes(data[size:])) if data.obj is self._buffer.obj else data[size:]
            self._wait_for(self._sink)
        elif self._left:
            self._rest = memoryview(b"")
            self._wait_for(self._source)
        else:
            alone = self._is_quiet()
            self.close()
            self._owner.conduit_done(alone=alone)

    def _is_quiet(self) -> bool:
        """Tell whether nothing more waits at the source, not even its end."""
        try:
            self._source.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _wait_for(self, which: socket.socket | None) -> None:
        """Wait for one of both alone: a socket that is ready, and left so, wakes the loop again and again."""
        if which is self._waits_for:
            return
        if self._waits_for is self._source:
            self._loop.remove_reader(self._source)
        elif self._waits_for is self._sink:
            self._loop.remove_writer(self._sink)
        if which is self._source:
            self._loop.add_reader(self._source, self._take)
        elif which is self._sink:
            self._loop.add_writer(self._sink, self._give_rest)
        self._waits_for = which


def open_conduit(
    owner: Owner, source: asyncio.Transport, sink: asyncio.Transport, size: int, buffer: memoryview
) -> Conduit | None:
    """Return a conduit for ``size`` bytes; None if there can be none: a sink with TLS, no descriptors left."""
    theirs, ours = source.get_extra_info("socket"), sink.get_extra_info("socket")
    if theirs is None or ours is None or sink.get_extra_info("sslcontext") is not None:
        return None
    try:
        taken = _twin(theirs)
    except OSError:
        return None
    try:
        given = _twin(ours)
    except OSError:
        taken.close()
        return None
    return Conduit(owner, taken, given, size, buffer)


def _twin(of: socket.socket) -> socket.socket:
    return socket.socket(of.family, of.type, of.proto, fileno=os.dup(of.fileno()))
