"""Asking a session's socket whether its server answers."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import quote


async def answers(socket: Path, base_url: str, patience: float) -> bool:
    """Whether the server behind ``socket`` answers ``GET {base_url}/health`` within ``patience`` seconds.

    The socket listens before the server runs, so this waits for the answer itself and polls nothing.
    """
    try:
        async with asyncio.timeout(patience):
            return await _ask(socket, f"{quote(base_url)}/health")
    except (OSError, TimeoutError, ValueError):  # ValueError: a first line that does not end
        return False


async def _ask(socket: Path, target: str) -> bool:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        status = await reader.readline()
        return status.startswith(b"HTTP/1.1 200")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
