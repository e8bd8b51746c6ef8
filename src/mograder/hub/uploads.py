"""Judging a notebook that somebody sends, in a process of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from mograder.errors import MograderError, NotANotebook, UnsafeNotebook
from mograder.hub import children
from mograder.notebook.read import parse_notebook
from mograder.notebook.safety import scan
from mograder.sentences import joined, packed, unpacked


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
    verdict = await _ask_child(data, name, release or b"")
    if verdict.refusal:
        raise NotANotebook(verdict.refusal)
    if verdict.unsafe:
        raise UnsafeNotebook(
            "{name} was not accepted: {found}",
            findings=verdict.unsafe,
            tip="remove these lines and upload it again.",
            name=name,
            found=joined(verdict.unsafe),
        )


async def _ask_child(data: bytes, name: str, release: bytes) -> _Verdict:
    try:
        out = await children.ask("mograder.hub.uploads", (name, str(len(release))), release + data)
        return _Verdict(**unpacked(json.loads(out)))
    except (TimeoutError, ValueError, TypeError) as error:
        raise NotANotebook(
            "{name} can not be understood: it is too large or too deeply nested.", name=name
        ) from error


def main() -> None:
    """The child: reads the notebook, prints the verdict."""
    children.limit_myself()
    name, length = sys.argv[1], int(sys.argv[2])
    release = sys.stdin.buffer.read(length)
    data = sys.stdin.buffer.read()
    try:
        notebook = parse_notebook(data, limit=len(data) + 1, name=name)
        published = parse_notebook(release, limit=length + 1, name=name) if release else None
    except MograderError as error:
        print(json.dumps({"refusal": packed(error.whole), "unsafe": []}))
        return
    print(
        json.dumps(
            {"refusal": "", "unsafe": packed([finding.sentence for finding in scan(notebook, published)])}
        )
    )


if __name__ == "__main__":
    main()
