"""Cells for a written answer: the model answer becomes a text cell that students edit."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from mograder.errors import MarkerError
from mograder.notebook.bindings import bound_names
from mograder.notebook.cells import Cell
from mograder.notebook.fingerprints import WRITTEN
from mograder.notebook.markers import SOLUTION, Block
from mograder.notebook.read import Notebook
from mograder.notebook.text import Edit, Positions, newline_of

RESPONSE = "response_text"
_PROMPT = "*Write your answer here.*"


def is_written_response(cell: Cell, blocks: Iterable[Block]) -> bool:
    """Whether ``cell`` assigns its model answer to ``response_text`` in a solution block."""
    solutions = [block for block in blocks if block.cell is cell and block.kind == SOLUTION]
    lines = [line for name, line in bound_names(cell.body) if name == RESPONSE]
    return cell.kind == "cell" and any(block.holds(line) for block in solutions for line in lines)


def written_cells(notebook: Notebook, blocks: tuple[Block, ...]) -> dict[Block, Edit]:
    """For each block in a written-answer cell, the edit that makes the cell ``written_analysis[_n]``.

    Raises:
        MarkerError: such a cell also defines something that other cells use, or the notebook has no ``mo``.
    """
    edits: dict[Block, Edit] = {}
    positions = Positions(notebook.text)
    names = _free_names(notebook, blocks)
    for cell in notebook.cells:
        if not is_written_response(cell, blocks):
            continue
        own = [block for block in blocks if block.cell is cell]
        _check(notebook, cell, own[0])
        start, end = positions.line_start(cell.head_line), positions.line_start(cell.last_line + 1)
        edit = Edit(start, end, _written_cell(notebook, names.pop(0)))
        edits |= dict.fromkeys(own, edit)
    return edits


def _check(notebook: Notebook, cell: Cell, block: Block) -> None:
    others = [name for name in cell.returns if name != RESPONSE]
    if others:
        raise MarkerError(
            f"{notebook.name}:{block.begin}: a written answer needs a cell of its own, "
            f"but this one also defines {', '.join(others)} for other cells."
        )
    if _home_of_mo(notebook) is None:
        raise MarkerError(
            f"{notebook.name}:{block.begin}: a written answer becomes a text cell, "
            "which needs `import marimo as mo` in some cell."
        )


def _home_of_mo(notebook: Notebook) -> Cell | None:
    """The cell with ``import marimo as mo``."""
    for cell in notebook.cells:
        for node in cell.body:
            imported = node.names if isinstance(node, ast.Import) else []
            if any(alias.name == "marimo" and alias.asname == "mo" for alias in imported):
                return cell
    return None


def _free_names(notebook: Notebook, blocks: tuple[Block, ...]) -> list[str]:
    """``written_analysis``, ``written_analysis_2``, …: as many as there are cells, none of them taken."""
    taken = {cell.name for cell in notebook.cells if not is_written_response(cell, blocks)}
    numbered = [WRITTEN, *(f"{WRITTEN}_{number}" for number in range(2, 2 * len(notebook.cells) + 2))]
    return [name for name in numbered if name not in taken]


def _written_cell(notebook: Notebook, name: str) -> str:
    home = _home_of_mo(notebook)
    argument = "" if home and home.kind == "setup" else "mo"
    newline = newline_of(notebook.text)
    lines = (f"def {name}({argument}):", '    mo.md(r"""', f"    {_PROMPT}", '    """)', "    return")
    return "".join(line + newline for line in lines)
