"""Comparing two versions of a notebook, and putting one cell of one into the other, in a process of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from mograder.errors import Conflict, MograderError
from mograder.hub import children
from mograder.notebook.difference import CellChange, Difference, Line, compare
from mograder.notebook.transplant import with_cell
from mograder.sentences import packed, unpacked


async def difference(old: bytes, new: bytes) -> Difference:
    """How ``old`` became ``new``. Raises Conflict if they are too large or too tangled to be compared."""
    found = await _ask(old, new, None)
    cells = tuple(
        CellChange(**{**cell, "lines": tuple(_line(line) for line in cell["lines"])})
        for cell in found["cells"]
    )
    return Difference(cells, found["by_cell"], found["cut"])


async def replaced_cell(current: bytes, version: bytes, index: int) -> bytes:
    """``current`` with the cell at ``index`` (from 0) as ``version`` has it. Raises Conflict if it can not be done."""
    text: str = (await _ask(current, version, index))["text"]
    return text.encode()


async def _ask(first: bytes, second: bytes, cell: int | None) -> dict[str, Any]:
    arguments = (str(len(first)), "" if cell is None else str(cell))
    try:
        out = await children.ask("mograder.hub.comparing", arguments, first + second)
        answer: dict[str, Any] = json.loads(out)
    except (TimeoutError, ValueError) as error:
        raise Conflict(
            "These two versions are too large to be compared here.", tip="download both of them."
        ) from error
    if "refusal" in answer:
        refusal = unpacked(answer)
        raise Conflict(refusal["refusal"], tip=refusal["tip"])
    return answer


def _line(fields: dict[str, Any]) -> Line:
    sides = {side: tuple((text, marked) for text, marked in fields[side]) for side in ("old", "new")}
    return Line(**{**fields, **sides})


def main() -> None:
    """The child: reads both texts, prints what was asked for or why it can not be had."""
    children.limit_myself()
    length, cell = int(sys.argv[1]), sys.argv[2]
    first = _text(sys.stdin.buffer.read(length))
    second = _text(sys.stdin.buffer.read())
    try:
        if cell:
            answer: dict[str, Any] = {"text": with_cell(first, second, int(cell))}
        else:
            answer = asdict(compare(first, second))
    except MograderError as error:
        answer = packed({"refusal": error.message, "tip": error.tip})
    print(json.dumps(answer))


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")


if __name__ == "__main__":
    main()
