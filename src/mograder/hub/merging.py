"""Merging a release into a student's notebook, in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mograder.errors import Conflict as Impossible
from mograder.errors import MograderError
from mograder.hub import children
from mograder.notebook.merge import Choice, Conflict, Merge, merge
from mograder.notebook.read import parse_text


async def merged(
    name: str, base: bytes | None, ours: bytes, theirs: bytes, choices: Mapping[str, Choice]
) -> Merge:
    """``theirs`` in ``ours``, which began with ``base`` (None: nobody knows).

    Raises Conflict (409) if the notebook is no notebook now, or too large or too tangled.
    """
    texts = [b"" if base is None else base, ours, theirs]
    asked = {
        "name": name,
        "sizes": [len(text) for text in texts],
        "based": base is not None,
        "choices": choices,
    }
    try:
        out = await children.ask("mograder.hub.merging", (json.dumps(asked),), b"".join(texts))
        answer: dict[str, Any] = json.loads(out)
    except (TimeoutError, ValueError) as error:
        raise Impossible(
            f"{name} is too large for an update to be put into it.", tip="export it, then reset it."
        ) from error
    if "refusal" in answer:
        raise Impossible(
            f"The update can not be put into your notebook: {answer['refusal']}",
            tip="mend it in the editor, or reset it: your work stays in its history.",
        )
    conflicts = tuple(_conflict(fields) for fields in answer.pop("conflicts"))
    return Merge(conflicts=conflicts, **answer)


def _conflict(fields: dict[str, Any]) -> Conflict:
    choices = tuple(Choice(word) for word in fields["choices"])
    return Conflict(**{**fields, "suggested": Choice(fields["suggested"]), "choices": choices})


def main() -> None:
    """The child: reads the three texts, prints the merge or why there is none."""
    children.limit_myself()
    asked = json.loads(sys.argv[1])
    base, ours, theirs = (sys.stdin.buffer.read(size).decode("utf-8-sig") for size in asked["sizes"])
    name = asked["name"]
    try:
        known = parse_text(base, name) if asked["based"] else None
        choices = {key: Choice(word) for key, word in asked["choices"].items()}
        answer = asdict(merge(known, parse_text(ours, name), parse_text(theirs, name), choices))
    except MograderError as error:
        answer = {"refusal": error.message}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
