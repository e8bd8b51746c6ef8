"""From the source of an assignment to what students get: solutions and hidden tests taken out."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from mograder.errors import MarkerError
from mograder.notebook import metadata
from mograder.notebook.bindings import bound_names
from mograder.notebook.cells import Cell
from mograder.notebook.fingerprints import fingerprints
from mograder.notebook.markers import (
    HIDDEN_TESTS,
    HIDDEN_TESTS_TAKEN,
    SOLUTION,
    YOUR_CODE,
    Block,
    find_blocks,
)
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.text import Edit, Positions, apply_edits, indent_of, newline_of, parse_python
from mograder.notebook.written import is_written_response, written_cells


def release(source: str, name: str) -> str:
    """The release of the assignment ``name`` whose source notebook is ``source``.

    Outside the marked places and the header every character stays.

    Raises:
        NotANotebook: the source is not a marimo notebook.
        MarkerError: its markers do not pair up, or taking a block out leaves no Python.
        Malformed: its header is not one.
    """
    notebook = parse_text(source, f"{name}.py")
    blocks = find_blocks(notebook)
    text = _without(notebook, blocks, blocks)
    hidden = any(
        block.kind == HIDDEN_TESTS and not is_written_response(block.cell, blocks) for block in blocks
    )
    header = {
        metadata.ASSIGNMENT: name,
        metadata.HIDDEN_TESTS: True if hidden else None,
        metadata.CELL_HASHES: ",".join(fingerprints(parse_text(text, notebook.name).cells)),
    }
    return metadata.write(text, header, notebook.name)


def without_block(notebook: Notebook, block: Block) -> str:
    """The text of the source ``notebook`` with this one of its blocks taken out as a release does it.

    Raises:
        MarkerError: as `release` does.
    """
    return _without(notebook, find_blocks(notebook), (block,))


def _without(notebook: Notebook, blocks: tuple[Block, ...], taken: tuple[Block, ...]) -> str:
    edits = {block: _edits(notebook, blocks, block) for block in taken}
    edits |= {block: [edit] for block, edit in written_cells(notebook, blocks).items() if block in edits}
    text = apply_edits(notebook.text, (edit for each in edits.values() for edit in each))
    if not _parses(text):
        raise _culprit(notebook, edits)
    return text


def _edits(notebook: Notebook, blocks: tuple[Block, ...], block: Block) -> list[Edit]:
    positions, newline = Positions(notebook.text), newline_of(notebook.text)
    start, end = positions.line_start(block.begin), positions.line_start(block.end + 1)
    indent = _code_indent(positions.lines, block)
    if block.kind == HIDDEN_TESTS:
        kept = [indent_of(positions.lines[block.begin - 1]) + HIDDEN_TESTS_TAKEN]
        kept += [f"{indent}pass"] if _empties_a_suite(notebook, block) else []
        return [Edit(start, end, "".join(line + newline for line in kept))]
    first = _enclosing_line(block)
    sentinels = [f"{name} = ...{newline}" for name in _names_only_blocks_bind(blocks, block)]
    answer = f"{indent}{YOUR_CODE}{newline}{indent}pass{newline}"
    if first is None:
        return [Edit(start, end, "".join([*(indent + line for line in sentinels), answer]))]
    outer, at = indent_of(positions.lines[first - 1]), positions.line_start(first)
    return [Edit(at, at, "".join(outer + line for line in sentinels)), Edit(start, end, answer)]


def _code_indent(lines: list[str], block: Block) -> str:
    """The indentation of the block's first line of code; of its marker, if it holds none."""
    inside = (line for line in lines[block.begin : block.end - 1] if line.strip() and line.strip()[0] != "#")
    return indent_of(next(inside, lines[block.begin - 1]))


def _enclosing_line(block: Block) -> int | None:
    """First line of the statement of the cell that the block is a part of; None if it is not inside one."""
    for node in block.cell.body:
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        if first < block.begin and block.end <= (node.end_lineno or first):
            return first
    return None


def _names_only_blocks_bind(blocks: Iterable[Block], block: Block) -> list[str]:
    """The names that other cells get, that only the blocks bind, and ``block`` is the first to."""
    cell = block.cell
    solutions = [other for other in blocks if other.kind == SOLUTION and other.cell is cell]
    first_in: dict[str, Block | None] = {}
    for name, line in bound_names(cell.body):
        inside = next((other for other in solutions if other.holds(line)), None)
        if inside is None:
            first_in[name] = None
        else:
            first_in.setdefault(name, inside)
    return [name for name in _wanted_elsewhere(cell, first_in) if first_in.get(name) is block]


def _wanted_elsewhere(cell: Cell, bound: Iterable[str]) -> list[str]:
    if cell.kind == "cell":
        return list(cell.returns)
    # The setup cell has no `return`: all that it binds is for everybody.
    return [name for name in bound if not name.startswith("_")] if cell.kind == "setup" else []


def _empties_a_suite(notebook: Notebook, block: Block) -> bool:
    """Whether some ``if``, ``def`` or the like around the block has no other statement."""
    around = (node for node in notebook.tree.body if node.lineno <= block.begin <= (node.end_lineno or 0))
    for node in ast.walk(next(around, ast.Pass())):
        if block.holds(getattr(node, "lineno", block.begin)):
            continue
        for suite in (getattr(node, part, None) for part in ("body", "orelse", "finalbody")):
            if isinstance(suite, list) and suite and all(block.holds(child.lineno) for child in suite):
                return True
    return False


def _parses(text: str) -> bool:
    try:
        parse_python(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _culprit(notebook: Notebook, edits: dict[Block, list[Edit]]) -> MarkerError:
    """An error that names the block that can not be taken out, found by taking out one at a time."""
    alone = (block for block, each in edits.items() if not _parses(apply_edits(notebook.text, each)))
    block = next(alone, next(iter(edits)))
    return MarkerError(
        f"{notebook.name}:{block.begin}: without the {block.kind} block of lines {block.begin}-{block.end} "
        "the rest is not Python; put the markers around whole statements."
    )
