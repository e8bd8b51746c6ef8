"""Asking a session's server, through its socket, whether it answers and whether a cell runs."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import quote

from mograder.marimo_adapter import run_state


async def answers(socket: Path, base_url: str, patience: float) -> bool:
    """Whether the server behind ``socket`` answers ``GET {base_url}/health`` within ``patience`` seconds.

    The socket listens before the server runs, so this waits for the answer itself and polls nothing.
    """
    return await _status(socket, f"{quote(base_url)}/health", patience) == 200


async def cell_runs(socket: Path, base_url: str, patience: float = 2.0) -> bool | None:
    """Whether a cell runs in the session behind ``socket``; None: it can not tell, as marimo behind a relay.

    Without an answer none does.

    It answers at once also while its kernel computes: that is another process.

    The session's word is the student's word: it keeps the session from being stopped and does nothing else.
    """
    status = await _status(socket, quote(base_url) + run_state.PATH, patience)
    return None if status not in (0, run_state.RUNNING, run_state.RESTING) else status == run_state.RUNNING


async def _status(socket: Path, target: str, patience: float) -> int:
    """The status of an answer to GET; 0 if there is none in time or it is none of HTTP."""
    try:
        async with asyncio.timeout(patience):
            return _number(await _ask(socket, target))
    except (OSError, TimeoutError, ValueError):  # ValueError: a first line that does not end
        return 0


async def _ask(socket: Path, target: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _number(line: bytes) -> int:
    words = line.split(None, 2)
    version = words[0] if words else b""
    return int(words[1]) if version == b"HTTP/1.1" and len(words) > 1 and words[1].isdigit() else 0
