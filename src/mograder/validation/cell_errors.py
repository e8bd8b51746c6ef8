"""Which cells raised, read from the page that marimo exported."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from mograder.notebook.text import printable
from mograder.sentences import Sentence
from mograder.validation.model import CellError

#: A larger page is not searched (decoding holds Python's lock: 100 MB a second); the log has to do.
PAGE_LIMIT = 8_000_000

_MESSAGE_LIMIT = 500
_CELLS_LIMIT = 100
_SESSION = '"session": {"cells": '
_TAG = re.compile(r"<[^>]*>")
#: Errors of cells that did not run because one above them raised.
_CONSEQUENCE = "An ancestor raised an exception"
_LOGGED = re.compile(r"^(?:Marimo)?(\w+(?:Error|Exception|Interrupt)): (.*)$", re.MULTILINE)


def cell_errors(page: bytes | None, labels: Sequence[str], log: str) -> tuple[CellError, ...]:
    """The cells that raised, in order; ``labels`` names all cells. From ``log`` if the page does not say.

    Cells that could not run for lack of those above them are left out: they are no errors of their own.
    """
    if page is not None and len(page) <= PAGE_LIMIT:
        cells = _session_cells(page.decode("utf-8", "replace"))
        if cells is not None:
            return tuple(_from_page(cells, labels))[:_CELLS_LIMIT]
    return tuple(_from_log(log))[:_CELLS_LIMIT]


def _session_cells(page: str) -> list[Any] | None:
    at = page.rfind(_SESSION)
    if at < 0:
        return None
    try:
        cells, _ = json.JSONDecoder().raw_decode(page, at + len(_SESSION))
    except (ValueError, RecursionError):
        return None
    return cells if isinstance(cells, list) else None


def _from_page(cells: list[Any], labels: Sequence[str]) -> Iterator[CellError]:
    for number, cell in enumerate(cells):
        for output in _dicts(cell, "outputs"):
            said = str(output.get("evalue", ""))
            if output.get("type") != "error" or said.startswith(_CONSEQUENCE):
                continue
            label = (
                labels[number] if len(labels) == len(cells) else Sentence("cell {number}", number=number + 1)
            )
            yield CellError(label, printable(_traceback(cell) or said or "error", _MESSAGE_LIMIT), number)
            break


def _traceback(cell: Any) -> str:
    """The last line of the cell's traceback: the exception's type and message."""
    for entry in _dicts(cell, "console"):
        if entry.get("mimetype") == "application/vnd.marimo+traceback":
            text = html.unescape(_TAG.sub("", str(entry.get("text", ""))))
            lines = [line for line in text.splitlines() if line.strip()]
            return _exception_line(lines)
    return ""


def _exception_line(lines: list[str]) -> str:
    """The first line after the frames: a message may go on over several lines."""
    frames = [number for number, line in enumerate(lines) if line.startswith(" ")]
    after = frames[-1] + 1 if frames else 0
    return lines[after] if after < len(lines) else (lines[-1] if lines else "")


def _dicts(cell: Any, key: str) -> Iterator[dict[str, Any]]:
    entries = cell.get(key) if isinstance(cell, dict) else None
    if isinstance(entries, list):
        yield from (entry for entry in entries if isinstance(entry, dict))


def _from_log(log: str) -> Iterator[CellError]:
    for match in _LOGGED.finditer(log):
        if not match[2].startswith(_CONSEQUENCE):
            yield CellError(Sentence("a cell"), printable(match[2] or match[1], _MESSAGE_LIMIT))
