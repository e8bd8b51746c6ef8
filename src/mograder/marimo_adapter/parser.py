"""marimo's own parser: the cells that it finds in a notebook's text. Nothing is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ParsedCell:
    """A cell as marimo's editor would show it; ``options`` are those of its decorator."""

    name: str
    code: str
    options: dict[str, Any]


def cells(text: str) -> list[ParsedCell]:
    """The cells of ``text`` in its order; none if it is no notebook.

    Raises whatever the installed marimo raises for a text that it can not read, an older one also ``ImportError``.
    """
    from marimo._ast import parse

    notebook = parse.parse_notebook(text)
    return [] if notebook is None else [_cell(found) for found in notebook.cells]


def _cell(found: Any) -> ParsedCell:
    options = dict(found.options)
    name = options.pop("name", None) or getattr(found, "name", "")
    return ParsedCell(str(name), found.code, options)
