"""Reading the audit log backwards, newest line first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mograder.sentences import Sentence, unpacked

COLUMNS = (
    "when",
    "who",
    "role",
    "via",
    "from",
    "did",
    "action",
    "owner",
    "item",
    "status",
    "outcome",
    "rule",
)
_BLOCK = 1 << 16


def entries(
    path: Path, most: int, wanted: Callable[[dict[str, Any]], bool] = lambda entry: True
) -> list[dict[str, Any]]:
    """Up to ``most`` entries that are ``wanted``, from the log and from its older files. Blocks: for a thread."""
    found: list[dict[str, Any]] = []
    for file in _files(path):
        for line in _backwards(file):
            entry = _entry(line)
            if entry is not None and wanted(entry):
                found.append(entry)
                if len(found) >= most:
                    return found
    return found


def row(entry: dict[str, Any]) -> tuple[str, ...]:
    """The entry's values under `COLUMNS`; the rule can be told in any language."""
    *others, _ = COLUMNS
    return (*(str(entry.get(column, "")) for column in others), _rule(entry))


def _rule(entry: dict[str, Any]) -> Sentence:
    written = entry.get("rule")
    plain = Sentence(written if isinstance(written, str) else "")
    try:
        said = unpacked(entry.get("said"))
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):  # no line of ours
        return plain
    return said if isinstance(said, Sentence) and said == plain else plain


def _files(path: Path) -> Iterator[Path]:
    yield path
    for number in range(1, 100):
        older = path.with_name(f"{path.name}.{number}")
        if not older.exists():
            return
        yield older


def _backwards(path: Path) -> Iterator[bytes]:
    """The complete lines of a file, last one first, without holding the file in memory."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        end, rest = file.seek(0, 2), b""
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            first, *lines = (file.read(end - start) + rest).split(b"\n")
            rest, end = first, start
            yield from (line for line in reversed(lines) if line)
        if rest:
            yield rest


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None  # the line that a crash cut short
    return entry if isinstance(entry, dict) else None
