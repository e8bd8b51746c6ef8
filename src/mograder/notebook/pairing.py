"""Which cell of one version of a notebook became which cell of another, for a merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mograder.notebook.alignment import align
from mograder.notebook.cells import Cell
from mograder.notebook.checks import Machinery
from mograder.notebook.fingerprints import fingerprint, markdown, possible_fingerprints


@dataclass(frozen=True)
class Slot:
    """One cell through three versions, as indices; None where a version does not have it."""

    base: int | None
    ours: int | None
    theirs: int | None


def slots(
    base: Sequence[Cell], ours: Sequence[Cell], theirs: Sequence[Cell], names: Machinery
) -> tuple[Slot, ...]:
    """Every cell of the three versions, each once. What both sides added is one slot if it is alike."""
    mine, new = pair(base, ours, names), pair(base, theirs, names)
    found = [Slot(index, mine.get(index), new.get(index)) for index in range(len(base))]
    own = [index for index in range(len(ours)) if index not in mine.values()]
    added = [index for index in range(len(theirs)) if index not in new.values()]
    both = pair([theirs[index] for index in added], [ours[index] for index in own], names, by_place=False)
    twice = {added[new_index]: own[own_index] for new_index, own_index in both.items()}
    found += [Slot(None, twice.get(index), index) for index in added]
    found += [Slot(None, index, None) for index in own if index not in twice.values()]
    return tuple(found)


def pair(
    old: Sequence[Cell], new: Sequence[Cell], names: Machinery, *, by_place: bool = True
) -> dict[int, int]:
    """Where each cell of ``old`` is in ``new``. By what it says; what is left, ``by_place`` between its neighbours."""
    aligned = align(tuple(new), tuple(old), names)
    pairs = _setups_together(aligned.same | aligned.changed, old, new)
    if by_place:
        pairs = _by_place(pairs, len(old), len(new))
    # No other cell becomes a setup cell: one side would keep what it made of it, the other add its own.
    return {a: b for a, b in pairs.items() if (old[a].kind == "setup") == (new[b].kind == "setup")}


def unedited(old: Cell, new: Cell) -> bool:
    """Whether both hold the same, as a person sees it: marimo's ways to write a cell do not count, comments do."""
    if old.disabled != new.disabled or (old.kind == new.kind == "cell" and old.name != new.name):
        return False
    if fingerprint(old.code) in possible_fingerprints(new):
        return True
    text = markdown(old)
    return text is not None and text == markdown(new)


def _setups_together(pairs: dict[int, int], old: Sequence[Cell], new: Sequence[Cell]) -> dict[int, int]:
    """A notebook has one setup cell: whatever is in them, the two are the same cell."""
    before, after = _setup(old), _setup(new)
    if before is None or after is None:
        return pairs
    return {a: b for a, b in pairs.items() if a != before and b != after} | {before: after}


def _setup(cells: Sequence[Cell]) -> int | None:
    return next((index for index, cell in enumerate(cells) if cell.kind == "setup"), None)


def _by_place(pairs: dict[int, int], old: int, new: int) -> dict[int, int]:
    """Pair runs of cells that were rewritten: as many in either version, between the same neighbours."""
    found, taken = dict(pairs), set(pairs.values())
    first = 0
    while first < old:
        last = first
        while last < old and last not in pairs:
            last += 1
        before = pairs.get(first - 1, -1 if first == 0 else None)
        after = pairs.get(last, new if last == old else None)
        if last > first and before is not None and after is not None:
            place = range(before + 1, after)
            if len(place) == last - first and taken.isdisjoint(place):
                found |= dict(zip(range(first, last), place, strict=True))
        first = last + 1
    return found
