"""What differs between two versions of a notebook: cell by cell, and line by line inside a cell."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mograder.errors import NotANotebook
from mograder.notebook.bindings import public_names
from mograder.notebook.cells import UNNAMED, Cell
from mograder.notebook.fingerprints import markdown
from mograder.notebook.read import parse_text
from mograder.notebook.text import unix_newlines

ALIKE = 0.4
"""The part of their lines that two cells must share to be taken for one cell that was edited."""

CONTEXT = 3
"""Equal lines shown above and below a change."""

MAX_LINES = 4000
"""Of the changes that are shown: who needs more downloads both versions."""

MAX_WIDTH = 500
"""Characters of a line that are compared and shown."""

_WORDS = re.compile(r"\w+|\s+|.")

Piece = tuple[str, bool]
"""A part of a line, and whether the other version has something else there."""


@dataclass(frozen=True)
class Line:
    """A line of the comparison: equal on both sides, or on one alone, or each side with its own text.

    A side without a number has no such line. With ``skipped`` it stands for so many equal lines.
    """

    old_number: int | None = None
    old: tuple[Piece, ...] = ()
    new_number: int | None = None
    new: tuple[Piece, ...] = ()
    skipped: int = 0

    @property
    def kind(self) -> Literal["same", "changed", "added", "removed", "skipped"]:
        """What happened to it on the way from old to new."""
        if self.skipped:
            return "skipped"
        if self.old_number is None:
            return "added"
        if self.new_number is None:
            return "removed"
        return "same" if self.old == self.new else "changed"


@dataclass(frozen=True)
class CellChange:
    """A cell in both versions, or in one. ``old`` and ``new`` are its places there, from 0; None: it is not there."""

    kind: Literal["same", "changed", "moved", "added", "removed"]
    old: int | None
    new: int | None
    name: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Difference:
    """All cells, in the order of the new version. ``by_cell`` is false if one of the two is no notebook:
    then the whole file is the only cell. ``cut`` says that there is more than is shown.
    """

    cells: tuple[CellChange, ...]
    by_cell: bool
    cut: bool = False


def compare(old: str, new: str) -> Difference:
    """How the text ``old`` became ``new``. Slow for hostile text: to be run where nobody waits."""
    by_cell = True
    try:
        before, after = parse_text(old).cells, parse_text(new).cells
    except NotANotebook:
        by_cell, before, after = False, (_whole(old),), (_whole(new),)
    changes = tuple(_change(before, after, *pair) for pair in pair_cells(before, after))
    return _cut(changes, by_cell)


def pair_cells(old: Sequence[Cell], new: Sequence[Cell]) -> list[tuple[int | None, int | None]]:
    """Which cell of ``old`` is which of ``new``, in the order of ``new``; what is gone stands where it was.

    Equal code first, wherever it stands; then, of what is left, the same name; then a variable that both define
    (it has one cell in marimo); then most lines in common.
    """
    partner = _equal(old, new)
    _by_trait(old, new, partner, lambda cell: frozenset({cell.name} - {UNNAMED}))
    _by_trait(old, new, partner, lambda cell: public_names(cell.body))
    _by_likeness(old, new, partner)
    return _in_order(len(old), len(new), partner)


def _equal(old: Sequence[Cell], new: Sequence[Cell]) -> dict[int, int]:
    """Runs that kept their order first, so that the third of five empty cells stays the third."""
    codes = [cell.code for cell in old], [cell.code for cell in new]
    matcher = difflib.SequenceMatcher(None, *codes, autojunk=False)
    partner = {
        block.a + step: block.b + step
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    }
    waiting: dict[str, list[int]] = defaultdict(list)
    for index in _free(new, partner.values()):
        waiting[new[index].code].append(index)
    for index in _free(old, partner):
        if found := waiting.get(old[index].code):
            partner[index] = found.pop(0)
    return partner


def _by_trait(
    old: Sequence[Cell],
    new: Sequence[Cell],
    partner: dict[int, int],
    traits: Callable[[Cell], frozenset[str]],
) -> None:
    having = {trait: index for index in _free(new, partner.values()) for trait in traits(new[index])}
    for index in _free(old, partner):
        found = {having[trait] for trait in traits(old[index]) if trait in having} - set(partner.values())
        if found:
            partner[index] = min(found)


def _by_likeness(old: Sequence[Cell], new: Sequence[Cell], partner: dict[int, int]) -> None:
    ours, theirs = _free(old, partner), _free(new, partner.values())
    lines = {index: _line_set(new[index]) for index in theirs}
    candidates = []
    for mine in ours:
        own = _line_set(old[mine])
        for other, its in lines.items():
            if (likeness := len(own & its) / max(len(own | its), 1)) >= ALIKE:
                candidates.append((-likeness, abs(mine - other), mine, other))
    for _, _, mine, other in sorted(candidates):
        if mine not in partner and other not in partner.values():
            partner[mine] = other
    _alone_between(len(old), len(new), partner)


def _alone_between(old: int, new: int, partner: dict[int, int]) -> None:
    """A single cell between two that are paired is that cell, edited, however much of it was."""
    ends = sorted({**partner, -1: -1, old: new}.items())
    for (a, b), (c, d) in itertools.pairwise(ends):
        if c - a == 2 and d - b == 2 and b + 1 not in partner.values():
            partner[a + 1] = b + 1


def _in_order(old: int, new: int, partner: dict[int, int]) -> list[tuple[int | None, int | None]]:
    origin = {theirs: ours for ours, theirs in partner.items()}
    gone: dict[int, list[int]] = defaultdict(
        list
    )  # by the last cell before them that is still there; -1: none
    last = -1
    for index in range(old):
        if index in partner:
            last = partner[index]
        else:
            gone[last].append(index)
    pairs: list[tuple[int | None, int | None]] = [(index, None) for index in gone[-1]]
    for index in range(new):
        pairs.append((origin.get(index), index))
        pairs += [(lost, None) for lost in gone[index]]
    return pairs


def _free(cells: Sequence[Cell], used: Iterable[int]) -> list[int]:
    taken = set(used)
    return [index for index in range(len(cells)) if index not in taken]


def _line_set(cell: Cell) -> frozenset[str]:
    return frozenset(line.strip() for line in shown_code(cell).split("\n") if line.strip())


def shown_code(cell: Cell) -> str:
    """What a person takes the cell for: the text of a text cell, the code of any other."""
    return markdown(cell) or cell.code


def _change(old: Sequence[Cell], new: Sequence[Cell], before: int | None, after: int | None) -> CellChange:
    if before is None or after is None:
        cell = new[after] if after is not None else old[before or 0]
        texts = ("", shown_code(cell)) if before is None else (shown_code(cell), "")
        return CellChange(
            "added" if before is None else "removed", before, after, cell.name, lines_of(*texts)
        )
    name = new[after].name
    if old[before].code == new[after].code:
        return CellChange("same", before, after, name)
    texts = shown_code(old[before]), shown_code(new[after])
    if texts[0] == texts[1]:  # the same words, in other quotes
        texts = old[before].code, new[after].code
    return CellChange("changed", before, after, name, lines_of(*texts))


def lines_of(old: str, new: str) -> tuple[Line, ...]:
    """The lines of two texts beside each other; long equal stretches are folded."""
    before, after = _lines(old), _lines(new)
    found: list[Line] = []
    codes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for position, (tag, a, b, c, d) in enumerate(codes):
        if tag == "equal":
            equal = [
                Line(a + n + 1, _plain(before[a + n]), c + n + 1, _plain(before[a + n])) for n in range(b - a)
            ]
            found += _folded(equal, first=position == 0, last=position == len(codes) - 1)
        else:
            pairs = itertools.zip_longest(range(a, b), range(c, d))
            found += (_pair(before, after, mine, other) for mine, other in pairs)
    return tuple(found)


def _lines(text: str) -> list[str]:
    lines = unix_newlines(text).split("\n") if text else []
    return [f"{line[:MAX_WIDTH]}…" if len(line) > MAX_WIDTH else line for line in lines]


def _folded(lines: list[Line], *, first: bool, last: bool) -> list[Line]:
    head, tail = 0 if first else CONTEXT, 0 if last else CONTEXT
    hidden = len(lines) - head - tail
    if hidden < 2:
        return lines
    return [*lines[:head], Line(skipped=hidden), *lines[len(lines) - tail :]]


def _pair(before: list[str], after: list[str], mine: int | None, other: int | None) -> Line:
    if mine is None or other is None:
        old = () if mine is None else _plain(before[mine])
        new = () if other is None else _plain(after[other])
    else:
        old, new = _pieces(before[mine], after[other])
    return Line(None if mine is None else mine + 1, old, None if other is None else other + 1, new)


def _plain(text: str) -> tuple[Piece, ...]:
    return ((text, False),) if text else ()


def _pieces(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both lines with what differs marked, word by word; all of both if they have little in common."""
    words = _WORDS.findall(old), _WORDS.findall(new)
    matcher = difflib.SequenceMatcher(None, *words, autojunk=False)
    if matcher.ratio() < ALIKE:
        return _all_marked(old), _all_marked(new)
    codes = matcher.get_opcodes()
    return (
        tuple(_marked(words[0], ((tag, a, b) for tag, a, b, _, _ in codes))),
        tuple(_marked(words[1], ((tag, c, d) for tag, _, _, c, d in codes))),
    )


def _all_marked(line: str) -> tuple[Piece, ...]:
    text = line.lstrip()
    return tuple(piece for piece in ((line[: len(line) - len(text)], False), (text, True)) if piece[0])


def _marked(words: list[str], spans: Iterator[tuple[str, int, int]]) -> Iterator[Piece]:
    for tag, start, end in spans:
        if start < end:
            yield "".join(words[start:end]), tag != "equal"


def _cut(changes: tuple[CellChange, ...], by_cell: bool) -> Difference:
    kept: list[CellChange] = []
    total = 0
    for change in changes:
        total += len(change.lines)
        if total > MAX_LINES:
            return Difference(tuple(kept), by_cell, cut=True)
        kept.append(change)
    return Difference(_moved(kept), by_cell)


def _moved(changes: list[CellChange]) -> tuple[CellChange, ...]:
    """Equal cells that another one which kept its order has passed."""
    order = [change.old for change in changes if change.old is not None and change.new is not None]
    kept = set(_increasing(order))
    return tuple(
        CellChange("moved", change.old, change.new, change.name)
        if change.kind == "same" and change.old not in kept
        else change
        for change in changes
    )


def _increasing(numbers: list[int]) -> list[int]:
    """The longest increasing run of ``numbers``: what kept its order (the numbers are all different)."""
    matcher = difflib.SequenceMatcher(None, numbers, sorted(numbers), autojunk=False)
    return [numbers[block.a + step] for block in matcher.get_matching_blocks() for step in range(block.size)]


def _whole(text: str) -> Cell:
    return Cell("the file", "unparsable", unix_newlines(text), 1, 1, 1, 1, 1)
