"""Small mistakes put into the solutions of a source notebook, one at a time: what its checks should notice."""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mograder.errors import MarkerError
from mograder.notebook.markers import SOLUTION, Block, find_blocks
from mograder.notebook.read import Notebook
from mograder.notebook.release import without_block
from mograder.notebook.text import Edit, Positions, apply_edits, parse_python, printable
from mograder.notebook.written import is_written_response

_COMPARISONS = {
    ast.Lt: ("<", ">="),
    ast.GtE: (">=", "<"),
    ast.Gt: (">", "<="),
    ast.LtE: ("<=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}
_ARITHMETIC = {
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: (r"\*\*", "*"),
}
_TEMPLATES = tuple(getattr(ast, name) for name in ("JoinedStr", "TemplateStr") if hasattr(ast, name))


@dataclass(frozen=True)
class Mutant:
    """The source with one mistake: ``what`` was done in line ``lineno`` of the block that begins in ``block``."""

    lineno: int
    what: str
    block: int
    text: str = field(repr=False)


def mutants(source: Notebook, limit: int) -> list[Mutant]:
    """At most ``limit`` mutants, in the order of their lines: every block has its turn before one has a second.

    The first of each block is the block taken out as students get it. Each is Python and another program than
    the source; whether it also does something else is not known. Written answers are left alone.

    Raises:
        MarkerError: as `find_blocks` does.
    """
    blocks = find_blocks(source)
    own = [
        block for block in blocks if block.kind == SOLUTION and not is_written_response(block.cell, blocks)
    ]
    turns = itertools.zip_longest(*(_of_block(source, block) for block in own))
    found = (mutant for turn in turns for mutant in turn if mutant is not None)
    return sorted(itertools.islice(found, limit), key=lambda mutant: (mutant.lineno, mutant.what))


def _of_block(source: Notebook, block: Block) -> Iterator[Mutant]:
    """The mutants of one block, made as they are asked for: the block taken out, then by turns of each kind."""
    original = ast.dump(source.tree)
    for lineno, what, change in (_removal(source, block), *_mistakes(source, block)):
        try:
            text = change()
            tree = parse_python(text)
        except (SyntaxError, ValueError, MarkerError):
            continue  # `case 1:` can not become `case (1 + 1):`
        if ast.dump(tree) != original:
            yield Mutant(lineno, what, block.begin, text)


_Change = tuple[int, str, Callable[[], str]]


def _removal(source: Notebook, block: Block) -> _Change:
    return block.begin, "the solution is taken out", lambda: without_block(source, block)


def _mistakes(source: Notebook, block: Block) -> Iterator[_Change]:
    positions = Positions(source.text)
    nodes = list(_nodes(block))
    makers = (_return, _comparison, _number, _arithmetic)
    by_kind = [[found for node in nodes if (found := make(node, positions))] for make in makers]
    for turn in itertools.zip_longest(*by_kind):
        for found in turn:
            if found is not None:
                edit, lineno, what = found
                yield lineno, what, _applied(source.text, edit)


def _applied(text: str, edit: Edit) -> Callable[[], str]:
    return lambda: apply_edits(text, [edit])


def _nodes(block: Block) -> Iterator[ast.AST]:
    """What is in the block, in the order of its lines; nothing in f-strings: positions in them are not exact."""
    found: list[ast.expr | ast.stmt] = []
    stack: list[ast.AST] = list(block.cell.body)
    while stack:
        node = stack.pop()
        if isinstance(node, _TEMPLATES):
            continue
        if isinstance(node, ast.expr | ast.stmt) and block.holds(node.lineno):
            found.append(node)
        stack += ast.iter_child_nodes(node)
    yield from sorted(found, key=lambda node: (node.lineno, node.col_offset))


_Found = tuple[Edit, int, str] | None


def _return(node: ast.AST, positions: Positions) -> _Found:
    if not isinstance(node, ast.Return) or node.value is None:
        return None
    return Edit(*positions.span(node.value), "None"), node.lineno, "it returns None"


def _number(node: ast.AST, positions: Positions) -> _Found:
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
        return None
    if isinstance(node.value, float) and not math.isfinite(node.value):
        return None
    start, end = positions.span(node)
    written = positions.text[start:end]
    other = f"({written} + 1)" if isinstance(node.value, int) else f"({written} * 2 + 1)"
    return Edit(start, end, other), node.lineno, f"{printable(written, 30)} becomes {printable(other, 40)}"


def _comparison(node: ast.AST, positions: Positions) -> _Found:
    if not isinstance(node, ast.Compare):
        return None
    return _operator(node.left, node.comparators[0], _COMPARISONS[type(node.ops[0])], positions)


def _arithmetic(node: ast.AST, positions: Positions) -> _Found:
    if not isinstance(node, ast.BinOp) or type(node.op) not in _ARITHMETIC:
        return None
    return _operator(node.left, node.right, _ARITHMETIC[type(node.op)], positions)


def _operator(left: ast.expr, right: ast.expr, words: tuple[str, str], positions: Positions) -> _Found:
    """Another operator in place of the one between two operands, which may stand in parentheses."""
    start, end = positions.span(left)[1], positions.span(right)[0]
    match = re.search(words[0], positions.text[start:end])
    if match is None:
        return None
    what = f"`{printable(match[0])}` becomes `{words[1]}`"
    return Edit(start + match.start(), start + match.end(), words[1]), left.end_lineno or left.lineno, what
