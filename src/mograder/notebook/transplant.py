"""One cell of a version put into another: in the place of its counterpart, or back where it was."""

from __future__ import annotations

from mograder.errors import Malformed, NotFound
from mograder.notebook.cells import Cell
from mograder.notebook.difference import pair_cells
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.text import newline_of, split_lines, unix_newlines


def with_cell(current: str, version: str, index: int) -> str:
    """``current`` with the cell at ``index`` (from 0) as ``version`` has it; every other cell stays as it is.

    Raises:
        NotANotebook: one of the two is none. NotFound: there is no such cell.
        Malformed: the two can not be put together by cell; nothing but the whole version would do.
    """
    here, there = parse_text(current, "your copy"), parse_text(version, "the version")
    if not 0 <= index < len(there.cells):
        raise NotFound(
            "That version has {count} cells, so there is no cell {number}.",
            count=len(there.cells),
            number=index + 1,
        )
    pairs = pair_cells(there.cells, here.cells)
    place = next(position for position, (old, _) in enumerate(pairs) if old == index)
    target = pairs[place][1]
    codes = [cell.code for cell in here.cells]
    cell = there.cells[index]
    if target is not None:
        codes[target] = cell.code
        text = _replaced(here, target, _source(there, cell))
    else:
        before = next((new for _, new in reversed(pairs[:place]) if new is not None), None)
        codes.insert(0 if before is None else before + 1, cell.code)
        text = _inserted(here, before, _source(there, cell))
    return _checked(text, codes)


def _source(notebook: Notebook, cell: Cell) -> list[str]:
    """The lines of the file that hold the cell, decorator and all."""
    lines = split_lines(notebook.text)[cell.first_line - 1 : cell.last_line]
    return [unix_newlines(line).removesuffix("\n") for line in lines]


def _replaced(here: Notebook, target: int, source: list[str]) -> str:
    cell = here.cells[target]
    return _spliced(here, cell.first_line - 1, cell.last_line, source)


def _inserted(here: Notebook, before: int | None, source: list[str]) -> str:
    if before is not None:
        end = here.cells[before].last_line
        return _spliced(here, end, end, ["", "", *source])
    # With no cell at all it comes behind the app, which is one statement.
    app_end = here.app_call.end_lineno or 0
    start = here.cells[0].first_line - 1 if here.cells else app_end
    around = [*source, "", ""] if here.cells else ["", "", *source]
    return _spliced(here, start, start, around)


def _spliced(here: Notebook, start: int, end: int, source: list[str]) -> str:
    lines, newline = split_lines(here.text), newline_of(here.text)
    if start and not lines[start - 1].endswith(("\n", "\r")):
        lines[start - 1] += newline
    return "".join([*lines[:start], *(line + newline for line in source), *lines[end:]])


def _checked(text: str, codes: list[str]) -> str:
    """With several cells on one line a splice goes wrong: then none is made."""
    try:
        same = [cell.code for cell in parse_text(text).cells] == codes
    except Malformed:
        same = False
    if not same:
        raise Malformed(
            "This cell can not be put into your copy alone.", tip="restore the whole version instead."
        )
    return text
