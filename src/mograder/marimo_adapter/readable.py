"""Whether a file can be run, or edited, as a marimo notebook; marimo's versions answer this in different ways."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

from mograder.errors import NotANotebook
from mograder.marimo_adapter import parser

#: Texts that are remembered: a warm process reads the published notebooks, of which most sessions open copies.
_TEXTS = 64


def check(path: Path) -> None:
    """Raise ``NotANotebook``, with file and line, unless ``path`` is Python with a marimo ``App`` in it.

    The file is parsed, never run.
    """
    try:
        makes_app = _has_app(path.read_bytes())
    except OSError as error:
        raise NotANotebook(f"{path.name} can not be read: {error.strerror}.") from error
    except SyntaxError as error:
        raise NotANotebook(
            f"{path.name}:{error.lineno or 1}: {error.msg}.", tip="correct the line and save again"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotANotebook(f"{path.name} can not be read as Python: {error}.") from error
    if not makes_app:
        raise NotANotebook(f"{path.name} is no marimo notebook: it makes no marimo.App.")


@functools.lru_cache(_TEXTS)
def _has_app(content: bytes) -> bool:
    """Whether Python with an ``App`` in it. Raises what ``ast.parse`` does; that is not remembered."""
    return any(_makes_app(node) for node in ast.walk(ast.parse(content)))


def check_editable(path: Path) -> None:
    """Raise ``NotANotebook`` unless marimo's editor would show every cell of ``path``.

    It opens some broken files as an empty notebook, and the page then saves that over the student's work. A file with
    a syntax error inside a cell is editable where the installed marimo keeps such cells.
    """
    try:
        check(path)
    except NotANotebook:
        if not _keeps_every_cell(path):
            raise


#: The lines with which marimo begins a cell.
_CELL = re.compile(
    r"^(@app\.(cell|function|class_definition)\b|app\._unparsable_cell\(|with app\.setup)", re.MULTILINE
)


def _keeps_every_cell(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
        return 0 < len(_CELL.findall(text)) <= len(parser.cells(text))
    except Exception:  # noqa: BLE001 - a marimo that has no such function, or refuses the file in its own way
        return False


def _makes_app(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func
    return (isinstance(name, ast.Attribute) and name.attr == "App") or (
        isinstance(name, ast.Name) and name.id == "App"
    )
