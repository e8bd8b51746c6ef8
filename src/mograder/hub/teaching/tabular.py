"""Tables for programs: CSV that no spreadsheet takes for formulas, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """RFC 4180 with a byte order mark. A cell that a spreadsheet would run begins with an apostrophe instead."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in (columns, *rows):
        writer.writerow([harmless(cell) for cell in row])
    return text.getvalue().encode("utf-8-sig", "replace")


def to_json(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A list of objects."""
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=1).encode()


def harmless(cell: str) -> str:
    """``cell`` as text, whatever it begins with."""
    return f"'{cell}" if cell.lstrip(" \u00a0").startswith(_FORMULA) else cell


def search(
    rows: Iterable[Sequence[str]],
    words: str,
    said: Callable[[Sequence[str]], Sequence[str]] = lambda row: row,
) -> list[Sequence[str]]:
    """The rows in which every word occurs somewhere, in upper or lower case; ``said`` is what a row says."""
    wanted = words.casefold().split()
    return [row for row in rows if all(any(w in cell.casefold() for cell in said(row)) for w in wanted)]
