"""Moving a cell's code to the left margin, the way marimo does."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from mograder.notebook.text import indent_of


def string_lines(node: ast.stmt, first: int) -> frozenset[int]:
    """Indices, counted from line ``first`` of the file, of the lines of ``node`` that begin in a string."""
    inside: set[int] = set()
    stack: list[ast.AST] = [node]
    while stack:
        child = stack.pop()
        if isinstance(child, ast.JoinedStr | ast.Constant):
            # Not into an f-string: each of its pieces would claim the lines of the whole.
            inside.update(range(child.lineno + 1 - first, (child.end_lineno or child.lineno) + 1 - first))
        else:
            stack.extend(ast.iter_child_nodes(child))
    return frozenset(inside)


def dedent(lines: Iterable[str], inside_string: frozenset[int]) -> str:
    """``lines`` without the indentation of the first line of code; line ends become line feeds.

    The inside of a string moves along, unless some line of it has too little room: then it all stays.
    """
    bare = [line.rstrip("\r\n") for line in lines]
    code = (line for index, line in enumerate(bare) if line.strip() and index not in inside_string)
    shift = indent_of(next(code, ""))
    staying = frozenset(_cramped(bare, inside_string, len(shift)))
    moved = []
    for index, line in enumerate(bare):
        if index not in inside_string:
            moved.append(line.removeprefix(shift))
        elif index in staying:
            moved.append(line)
        else:
            moved.append(line[min(_blanks(line), len(shift)) :])
    return "\n".join(moved)


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _cramped(lines: list[str], inside: frozenset[int], room: int) -> Iterator[int]:
    """The lines of each string that has a line which starts before column ``room``."""
    block: list[int] = []
    for index in range(len(lines) + 1):
        if index in inside and index < len(lines):
            block.append(index)
        elif block:
            if any(lines[number].strip() and _blanks(lines[number]) < room for number in block):
                yield from block
            block = []
