"""Which cells use what other cells define, directly or through others."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from mograder.notebook.bindings import public_names
from mograder.notebook.cells import Cell
from mograder.notebook.markers import SOLUTION, find_blocks
from mograder.notebook.read import Notebook


def resting_on(cells: Sequence[Cell], roots: Collection[int]) -> frozenset[int]:
    """The numbers of the cells that use something of the cells ``roots``, and of those themselves.

    A name counts as used wherever it is read, also where a function of the cell's has its own of that name:
    rather one cell too many than one too few.
    """
    given = [public_names(cell.body) for cell in cells]
    used = [_read_names(cell) for cell in cells]
    found, waiting = set(roots), list(roots)
    while waiting:
        names = given[waiting.pop()]
        new = {number for number, reads in enumerate(used) if reads & names} - found
        found |= new
        waiting += new
    return frozenset(found)


def resting_on_solutions(source: Notebook) -> frozenset[int]:
    """The numbers of the cells of ``source`` that can be different in the work of a student.

    Raises:
        MarkerError: as `find_blocks` does.
    """
    solutions = [block.cell for block in find_blocks(source) if block.kind == SOLUTION]
    roots = {number for number, cell in enumerate(source.cells) if any(cell is own for own in solutions)}
    return resting_on(source.cells, roots)


def _read_names(cell: Cell) -> frozenset[str]:
    nodes = (node for top in cell.body for node in ast.walk(top))
    return frozenset(
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )
