"""A notebook's text in pieces: what stands above the cells, each cell, what stands below."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from mograder.notebook.read import Notebook
from mograder.notebook.text import Positions, newline_of, split_lines, unix_newlines

_BLANK = "\r\n \t\f"
_BETWEEN = "\n\n\n"  # two blank lines, as marimo writes them


@dataclass(frozen=True)
class Pieces:
    """``cells`` are in the order of `Notebook.cells`, with their decorators; joining all gives the text back."""

    head: str
    cells: tuple[str, ...]
    tail: str


def pieces(notebook: Notebook) -> Pieces:
    """Cut a notebook's text. What stands between two cells belongs to the first of them."""
    lines, cells = split_lines(notebook.text), notebook.cells
    if not cells:
        end = _end_of_app(notebook)
        return Pieces("".join(lines[:end]), (), "".join(lines[end:]))
    starts = [cell.first_line - 1 for cell in cells]
    ends = [*starts[1:], cells[-1].last_line]
    texts = tuple("".join(lines[start:end]) for start, end in zip(starts, ends, strict=True))
    return Pieces("".join(lines[: starts[0]]), texts, "".join(lines[ends[-1] :]))


def join(head: str, cells: Iterable[str], tail: str, newline: str = "\n") -> str:
    """One text of pieces that come from several notebooks, spaced as marimo does it."""
    parts = [unix_newlines(part).strip(_BLANK) for part in (head, *cells, tail)]
    text = _BETWEEN.join(part for part in parts if part) + "\n"
    return text if newline == "\n" else text.replace("\n", newline)


def app_source(notebook: Notebook) -> str:
    """The call that makes the notebook's app, as it is written: ``marimo.App(width="medium")``."""
    start, end = Positions(notebook.text).span(notebook.app_call)
    return notebook.text[start:end]


def with_app(notebook: Notebook, source: str) -> str:
    """The head of ``notebook`` with another call of `app_source`."""
    head = pieces(notebook).head
    start, end = Positions(notebook.text).span(notebook.app_call)
    return head if end > len(head) else f"{head[:start]}{source}{head[end:]}"


def newline(notebook: Notebook) -> str:
    """The line end of a notebook."""
    return newline_of(notebook.text)


def _end_of_app(notebook: Notebook) -> int:
    """The last line of ``app = marimo.App(…)``."""
    owner = next(
        node
        for node in notebook.tree.body
        if isinstance(node, ast.Assign) and node.value is notebook.app_call
    )
    return owner.end_lineno or owner.lineno
