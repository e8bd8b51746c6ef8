"""Which cell of a student's notebook is which cell of the release, wherever it stands."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from mograder.notebook.bindings import public_names
from mograder.notebook.cells import UNNAMED, Cell
from mograder.notebook.checks import Machinery, check_calls
from mograder.notebook.fingerprints import is_editable, markdown
from mograder.notebook.text import parse_python

_ALIKE = 0.5


@dataclass(frozen=True)
class Alignment:
    """Indices of cells. ``same``: release -> student, equal in meaning; ``changed``: release -> student, edited."""

    same: dict[int, int]
    changed: dict[int, int]

    @property
    def unaltered(self) -> frozenset[int]:
        """The student's cells that are the release's own."""
        return frozenset(self.same.values())


def align(
    student: tuple[Cell, ...], release: tuple[Cell, ...], names: Machinery, source: tuple[Cell, ...] = ()
) -> Alignment:
    """Find each cell of ``release`` among those of ``student``.

    ``source`` are the same cells with their hidden tests: a cell may be the author's in either form.

    By meaning first (formatting, comments and order do not count), each cell once: a second copy is not the
    release's. What is left is paired by check label, by the names it defines (a name has one cell in marimo),
    by the cell's name, and at last by the lines in common.
    """
    same: dict[int, int] = {}
    changed: dict[int, int] = {}
    for cells in (release, source):
        ours = [index for index in range(len(cells)) if index not in same]
        same |= _pair(cells, student, ours, _left(student, same, changed, values=True))
    for key in (lambda cell: _labels(cell, names), _definitions, _own_name):
        ours, theirs = _left(release, same, changed), _left(student, same, changed, values=True)
        changed |= _pair_sharing(release, student, ours, theirs, key)
    ours, theirs = _left(release, same, changed), _left(student, same, changed, values=True)
    return Alignment(same, changed | _pair_alike(release, student, ours, theirs))


def meaning(cell: Cell) -> Hashable:
    """Equal for cells that do the same: the syntax tree without positions, or the text of a text cell."""
    text = markdown(cell)
    if text is not None:
        return ("text", text, cell.disabled)
    known = _known_code if len(cell.code) < _SHORT else _known_code.__wrapped__
    return (*known(cell.code), cell.disabled)


@functools.lru_cache(maxsize=4096)
def _known_code(code: str) -> tuple[str, Hashable]:
    """The meaning of code: most cells are read more than once, those of a release for every student."""
    try:
        tree = parse_python(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ("no code", code)
    return ("code", _digest(tree))


_SHORT = 10_000
"""Characters of code from which on it is not remembered."""


def _digest(tree: ast.AST) -> bytes:
    """A hash of the tree, made without recursion: a student's code may be nested deeply."""
    digest = hashlib.sha256()
    stack: list[object] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.AST):
            digest.update(f"{type(node).__name__}(".encode())
            stack.append(_CLOSE)
            stack += [getattr(node, field, None) for field in reversed(node._fields) if field not in _IGNORED]
        elif isinstance(node, list):
            digest.update(b"[")
            stack.append(_CLOSE)
            stack += reversed(node)
        else:
            digest.update(_plain(node))
    return digest.digest()


_CLOSE = object()
_IGNORED = ("ctx", "kind", "type_comment", "type_ignores")


def _plain(value: object) -> bytes:
    if value is _CLOSE:
        return b")"
    # hex: Python refuses to write out integers of thousands of digits.
    written = hex(value) if type(value) is int else repr(value)
    return f"{type(value).__name__}:{len(written)}:{written},".encode("utf-8", "surrogatepass")


def _pair(
    release: tuple[Cell, ...], student: tuple[Cell, ...], ours: Iterable[int], theirs: Iterable[int]
) -> dict[int, int]:
    waiting: dict[Hashable, list[int]] = defaultdict(list)
    for index in theirs:
        waiting[meaning(student[index])].append(index)
    pairs = {}
    for index in ours:
        if found := waiting.get(meaning(release[index])):
            pairs[index] = found.pop(0)
    return pairs


def _left(
    cells: tuple[Cell, ...], same: dict[int, int], changed: dict[int, int], *, values: bool = False
) -> list[int]:
    used = {*same.values(), *changed.values()} if values else {*same, *changed}
    return [index for index in range(len(cells)) if index not in used]


def _pair_sharing(
    release: tuple[Cell, ...],
    student: tuple[Cell, ...],
    ours: Iterable[int],
    theirs: Iterable[int],
    traits: Callable[[Cell], frozenset[str]],
) -> dict[int, int]:
    """Pair cells with a trait in common, those with most in common first come first served."""
    having: dict[str, list[int]] = defaultdict(list)
    for index in theirs:
        for trait in traits(student[index]):
            having[trait].append(index)
    pairs: dict[int, int] = {}
    for index in ours:
        shared: dict[int, int] = defaultdict(int)
        for trait in traits(release[index]):
            for candidate in having[trait]:
                shared[candidate] += 1
        free = [(-count, candidate) for candidate, count in shared.items() if candidate not in pairs.values()]
        if free:
            pairs[index] = min(free)[1]
    return pairs


def _labels(cell: Cell, names: Machinery) -> frozenset[str]:
    return frozenset(call.label for call in check_calls(cell, names) if call.label is not None)


def _definitions(cell: Cell) -> frozenset[str]:
    return public_names(cell.body)


def _own_name(cell: Cell) -> frozenset[str]:
    return frozenset({cell.name} - {UNNAMED, "setup"})


def _pair_alike(
    release: tuple[Cell, ...], student: tuple[Cell, ...], ours: Iterable[int], theirs: Iterable[int]
) -> dict[int, int]:
    """Pair cells that have at least half of their different lines in common."""
    lines = {index: _line_set(student[index]) for index in theirs}
    pairs: dict[int, int] = {}
    for index in ours:
        own = _line_set(release[index])
        likeness = [
            (len(own & other) / max(len(own | other), 1), -candidate)
            for candidate, other in lines.items()
            if candidate not in pairs.values()
        ]
        best = max(likeness, default=(0.0, 0))
        if best[0] >= _ALIKE and not is_editable(release[index]):
            pairs[index] = -best[1]
    return pairs


def _line_set(cell: Cell) -> frozenset[str]:
    return frozenset(line.strip() for line in (markdown(cell) or cell.code).split("\n") if line.strip())
