"""What the author of an assignment should know before students get it: no errors, but surprises."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mograder.notebook.cells import Cell
from mograder.notebook.checks import Machinery, check_calls, machinery
from mograder.notebook.fingerprints import is_editable
from mograder.notebook.markers import SOLUTION, Block, find_blocks
from mograder.notebook.read import Notebook
from mograder.notebook.text import printable
from mograder.notebook.written import RESPONSE, is_written_response


def advice(notebook: Notebook) -> list[str]:
    """Sentences about the source notebook of an assignment, each with ``file:line``.

    Raises:
        MarkerError: as `find_blocks` does.
    """
    blocks = find_blocks(notebook)
    names = machinery(notebook)
    return [
        *_nothing_to_do(notebook, blocks),
        *(sentence for cell in notebook.cells for sentence in _mixed(notebook, cell, names)),
        *_doubled_labels(notebook, names),
        *_lost_response(notebook, blocks),
    ]


def _nothing_to_do(notebook: Notebook, blocks: tuple[Block, ...]) -> Iterator[str]:
    solutions = any(block.kind == SOLUTION for block in blocks)
    if not solutions and not any(is_editable(cell) for cell in notebook.cells):
        yield f"{notebook.name}: no cell is for the students: there is no SOLUTION block."


def _mixed(notebook: Notebook, cell: Cell, names: Machinery) -> Iterator[str]:
    calls = check_calls(cell, names)
    if calls and is_editable(cell):
        yield (
            f"{notebook.name}:{calls[0].lineno}: this check is in a cell that students edit, so they can change "
            "it; put it into a cell of its own."
        )


def _doubled_labels(notebook: Notebook, names: Machinery) -> Iterator[str]:
    """One cell may report a label in each branch of an ``if``; two cells would count twice."""
    first: dict[str, Cell] = {}
    for cell in notebook.cells:
        for call in check_calls(cell, names):
            if call.label is not None and first.setdefault(call.label, cell) is not cell:
                label = printable(call.label)
                yield f'{notebook.name}:{call.lineno}: another cell has a check with the label "{label}" already.'


def _lost_response(notebook: Notebook, blocks: tuple[Block, ...]) -> Iterator[str]:
    written = [cell for cell in notebook.cells if is_written_response(cell, blocks)]
    for cell in notebook.cells if written else ():
        for node in (node for top in cell.body for node in ast.walk(top)):
            if isinstance(node, ast.Name) and node.id == RESPONSE and cell not in written:
                yield (
                    f"{notebook.name}:{node.lineno}: `{RESPONSE}` does not exist in the release: its cell becomes "
                    "a text cell."
                )
