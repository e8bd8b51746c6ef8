"""How the gateway starts, stops and ends transports, whatever state they are in."""

from __future__ import annotations

import asyncio


class LastWords(asyncio.Protocol):
    """Takes over a connection after its final answer, while the other side may still be sending.

    Closing a socket with unread input makes the kernel reset it, and the reset overtakes the answer. So: end our
    direction, throw away what comes, and close when the other side does, after ``seconds`` or 16 MiB.
    """

    _patience = 16 << 20

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        if transport.is_closing():
            return
        self._transport = transport
        self._before = transport.get_protocol()
        transport.set_protocol(self)
        if transport.can_write_eof():
            transport.write_eof()
        transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(seconds, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Throw away what nobody will answer."""
        self._patience -= len(data)
        if self._patience < 0:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever held the connection before."""
        self._timer.cancel()
        self._before.connection_lost(exc)


def close_soon(transport: asyncio.Transport, seconds: float) -> None:
    """Close ``transport`` when it is flushed, but wait no longer than ``seconds`` for a side that does not read."""
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(seconds, transport.abort)


def set_reading(transport: asyncio.Transport, reading: bool) -> None:
    """Start or stop reading; a transport that is closing already is left alone."""
    if transport.is_closing():
        return
    if reading:
        transport.resume_reading()
    else:
        transport.pause_reading()
