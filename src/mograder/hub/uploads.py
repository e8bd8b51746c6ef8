"""Judging a notebook that somebody sends, in a process of its own.

Python's parser holds the interpreter's lock, takes seconds on a file made for it and may run out of stack: none of
that may happen in the hub. The child gets the bytes on standard input and answers one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from mograder.errors import MograderError, NotANotebook, UnsafeNotebook
from mograder.notebook.read import parse_notebook
from mograder.notebook.safety import scan

PATIENCE = 20.0
"""Seconds that looking at one notebook may take."""

MEMORY = 2 << 30
"""Bytes of address space that looking at one notebook may take."""

AT_ONCE = 2
"""Notebooks that are looked at at the same time; others wait, so that a class that uploads at once takes no more."""

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Verdict:
    refusal: str
    unsafe: list[str]


async def inspect(data: bytes, name: str, release: bytes | None = None) -> None:
    """Return if ``data`` is a marimo notebook that holds nothing that has no place in coursework.

    What the ``release`` itself holds has its place.

    Raises:
        NotANotebook: it is empty, not text, not Python, not marimo, or can not be understood.
        UnsafeNotebook: with ``findings``.
    """
    turns = _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    async with turns:
        verdict = await _ask_child(data, name, release or b"")
    if verdict.refusal:
        raise NotANotebook(verdict.refusal)
    if verdict.unsafe:
        raise UnsafeNotebook(
            f"{name} was not accepted: {'; '.join(verdict.unsafe)}.",
            findings=verdict.unsafe,
            tip="remove these lines and upload it again.",
        )


async def _ask_child(data: bytes, name: str, release: bytes) -> _Verdict:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "mograder.hub.uploads",
        name,
        str(len(release)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, _ = await child.communicate(release + data)
        return _Verdict(**json.loads(out))
    except (TimeoutError, ValueError, TypeError) as error:
        raise NotANotebook(f"{name} can not be understood: it is too large or too deeply nested.") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def main() -> None:
    """The child: reads the notebook, prints the verdict."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(PATIENCE), int(PATIENCE)))
    name, length = sys.argv[1], int(sys.argv[2])
    release = sys.stdin.buffer.read(length)
    data = sys.stdin.buffer.read()
    try:
        notebook = parse_notebook(data, limit=len(data) + 1, name=name)
        published = parse_notebook(release, limit=length + 1, name=name) if release else None
    except MograderError as error:
        print(json.dumps({"refusal": str(error), "unsafe": []}))
        return
    print(json.dumps({"refusal": "", "unsafe": [str(finding) for finding in scan(notebook, published)]}))


if __name__ == "__main__":
    main()
