"""Work on text that a student wrote, in a process of its own.

Python's parser holds the interpreter's lock, takes seconds on a file made for it and may run out of stack; comparing
two texts may take the square of their length. None of that may happen in the hub. A child is a module of ours that
is run: it gets bytes on standard input and answers on standard output.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from weakref import WeakKeyDictionary

PATIENCE = 20.0
"""Seconds that one child may take."""

MEMORY = 2 << 30
"""Bytes of address space that one child may take."""

AT_ONCE = 2
"""Children at the same time; others wait, so that a class that uploads at once takes no more."""

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def ask(module: str, arguments: tuple[str, ...], data: bytes) -> bytes:
    """What the module says to ``data``; nothing if it broke down over it. Raises TimeoutError."""
    turns = _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    async with turns:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            module,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        try:
            async with asyncio.timeout(PATIENCE):
                out, _ = await child.communicate(data)
            return out
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()


def limit_myself() -> None:
    """For the child, before it looks at anything: no more than this much memory and time."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(PATIENCE), int(PATIENCE)))
