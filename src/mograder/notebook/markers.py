"""The markers that authors put into a source notebook, found and checked to pair up."""

from __future__ import annotations

import difflib
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mograder.errors import MarkerError
from mograder.notebook.cells import Cell
from mograder.notebook.read import Notebook
from mograder.notebook.text import printable, split_lines, unix_newlines

SOLUTION, HIDDEN_TESTS = "SOLUTION", "HIDDEN TESTS"
MARKS = "# === MOGRADER: MARKS ==="
YOUR_CODE = "# YOUR CODE HERE"
HIDDEN_TESTS_TAKEN = "# HIDDEN TESTS"

_MARKER = re.compile(rf"### (BEGIN|END) ({SOLUTION}|{HIDDEN_TESTS})")
_LOOKS_LIKE = ("begin solution", "end solution", "begin hidden tests", "end hidden tests", "mograder marks")
_STARTS_LIKE = re.compile(r"(begin|start|end|stop) (of )?(the )?(solution|hidden)")


@dataclass(frozen=True)
class Block:
    """What is between a pair of markers: ``begin`` and ``end`` are the lines of the two, in one ``cell``."""

    kind: str
    begin: int
    end: int
    cell: Cell

    def holds(self, lineno: int) -> bool:
        """Whether line ``lineno`` is inside."""
        return self.begin < lineno < self.end


def find_blocks(notebook: Notebook) -> tuple[Block, ...]:
    """The marked blocks of a source notebook, in the order of the file.

    Raises:
        MarkerError: nested, crossed, unclosed or misspelt markers, a block that is not inside the code of one
            cell, a marker inside a string, two marks cells. The message starts with ``file:line``.
    """
    lines = [line.strip() for line in split_lines(notebook.text)]
    comments = dict(_comments(notebook))
    marked = [number for number, line in enumerate(lines, 1) if _MARKER.fullmatch(line) or line == MARKS]
    for number, comment in sorted(comments.items()):
        if number not in marked and _resembles(comment):
            raise _error(notebook, number, _resembling(lines[number - 1], comment))
    for number in marked:
        if number not in comments:
            raise _error(
                notebook, number, "a marker inside a string has no effect, and would show what it hides"
            )
    return tuple(_pair_up(notebook, lines, marked))


def has_line(code: str, wanted: str) -> bool:
    """Whether some line of ``code`` is ``wanted``, at any indentation."""
    return any(line.strip() == wanted for line in split_lines(code))


def _comments(notebook: Notebook) -> Iterator[tuple[int, str]]:
    lines = iter(split_lines(notebook.text))
    try:
        for token in tokenize.generate_tokens(lambda: unix_newlines(next(lines, ""))):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string.strip()
    except (tokenize.TokenError, SyntaxError) as error:
        raise MarkerError(f"{notebook.name}: the comments can not be read: {error.args[0]}.") from None


def _resembles(comment: str) -> bool:
    if comment in (HIDDEN_TESTS_TAKEN, YOUR_CODE):
        return False
    words = " ".join(re.findall(r"[a-z]+", comment.casefold()))
    if len(words) > 40:
        return False
    return bool(
        difflib.get_close_matches(words, _LOOKS_LIKE, n=1, cutoff=0.85)
        or (comment.startswith("###") and _STARTS_LIKE.match(words))
    )


def _resembling(line: str, comment: str) -> str:
    if _MARKER.fullmatch(comment) or comment == MARKS:
        return f'"{comment}" must be alone on its line, and "{printable(line)}" is not'
    known = (
        f'"### BEGIN {SOLUTION}", "### END {SOLUTION}", "### BEGIN {HIDDEN_TESTS}", "### END {HIDDEN_TESTS}"'
    )
    return f'"{printable(comment)}" looks like a misspelt marker; the markers are {known} and "{MARKS}"'


def _pair_up(notebook: Notebook, lines: list[str], marked: Iterable[int]) -> Iterator[Block]:
    opened: tuple[str, int] | None = None
    marks = None
    for number in marked:
        match = _MARKER.fullmatch(lines[number - 1])
        if match is None:
            if opened or marks:
                where = f"inside the block of line {opened[1]}" if opened else f"there is one in line {marks}"
                raise _error(notebook, number, f"a marks heading can not be here: {where}")
            marks = number
        elif match[1] == "BEGIN":
            if opened:
                raise _error(
                    notebook, number, f"BEGIN {match[2]} inside the {opened[0]} block of line {opened[1]}"
                )
            opened = (match[2], number)
        elif opened is None:
            raise _error(notebook, number, f"END {match[2]} without a BEGIN")
        elif opened[0] != match[2]:
            raise _error(notebook, number, f"END {match[2]}, but line {opened[1]} began {opened[0]}")
        else:
            yield Block(match[2], opened[1], number, _cell_of(notebook, opened[1], number))
            opened = None
    if opened:
        raise _error(notebook, opened[1], f"BEGIN {opened[0]} is never closed")


def _cell_of(notebook: Notebook, begin: int, end: int) -> Cell:
    for cell in notebook.cells:
        if cell.body_first <= begin <= cell.body_last:
            if end <= cell.body_last:
                return cell
            below = "its cell's `return`" if end <= cell.last_line + 1 else "its cell"
            raise _error(notebook, begin, f"the block ends in line {end}, below {below}")
    raise _error(notebook, begin, "this marker is not inside the code of a cell")


def _error(notebook: Notebook, lineno: int, what: str) -> MarkerError:
    return MarkerError(f"{notebook.name}:{lineno}: {what}.")
