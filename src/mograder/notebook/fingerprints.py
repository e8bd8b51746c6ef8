"""Fingerprints of the cells that students are not meant to edit, as the header of a release carries them."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
from collections.abc import Iterable, Iterator

from mograder.notebook.cells import Cell
from mograder.notebook.markers import YOUR_CODE, has_line

WRITTEN = "written_analysis"
_WRITTEN_NAME = re.compile(rf"{WRITTEN}(_\d+)?")


def is_editable(cell: Cell) -> bool:
    """Whether students are meant to edit this cell: it says so, or it is a written answer."""
    solution = "### BEGIN SOLUTION"  # in a source notebook: what will become YOUR CODE HERE
    return (
        has_line(cell.code, YOUR_CODE)
        or has_line(cell.code, solution)
        or bool(_WRITTEN_NAME.fullmatch(cell.name))
    )


def fingerprint(code: str) -> str:
    """The first 8 hex digits of the SHA-256 of the stripped code."""
    return hashlib.sha256(code.strip().encode("utf-8", "surrogatepass")).hexdigest()[:8]


def fingerprints(cells: Iterable[Cell]) -> list[str]:
    """Of the cells that are not editable, in the order of the file."""
    return [fingerprint(cell.code) for cell in cells if not is_editable(cell)]


def possible_fingerprints(cell: Cell) -> Iterator[str]:
    """What this cell's fingerprint may have been before marimo saved it and rewrote the form of its text."""
    yield fingerprint(cell.code)
    text = markdown(cell)
    if text is not None:
        yield from map(fingerprint, _spellings(text))


def markdown(cell: Cell) -> str | None:
    """The text of a cell that is one ``mo.md("…")``, without the indentation; None for any other cell."""
    statement = cell.body[0] if len(cell.body) == 1 else None
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or len(call.args) != 1 or call.keywords:
        return None
    function, text = call.func, _literal(call.args[0])
    if not isinstance(function, ast.Attribute) or function.attr != "md" or text is None:
        return None
    if not isinstance(function.value, ast.Name) or function.value.id != "mo":
        return None
    return inspect.cleandoc(text).strip()


def _literal(node: ast.expr) -> str | None:
    """The value of a string, or of an f-string that fills nothing in."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return "".join(texts) if len(texts) == len(parts) else None


def _spellings(text: str) -> Iterator[str]:
    indented = "\n".join(f"    {line}" if line.strip() else line for line in text.split("\n"))
    for prefix in ("r", "", "f", "rf"):
        for quote in ('"""', "'''"):
            yield f"mo.md({prefix}{quote}\n{text}\n{quote})"
            yield f"mo.md({prefix}{quote}{text}{quote})"
            yield f"mo.md(\n    {prefix}{quote}\n{indented}\n    {quote}\n)"
            yield f"mo.md({prefix}{quote}\n{indented}\n    {quote})"
        yield f'mo.md({prefix}"{text}")'
        yield f"mo.md({prefix}'{text}')"
        yield f'mo.md(\n    {prefix}"{text}"\n)'
