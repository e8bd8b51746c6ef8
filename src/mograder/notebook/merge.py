"""Brings a new release into a student's notebook, cell by cell, and keeps what the student wrote.

Three versions are compared: the release that the student began with (*base*), the student's notebook (*ours*) and
the new release (*theirs*). A cell that one side alone changed is taken from that side. A cell that both changed is a
conflict, and the student chooses. The script header follows the release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mograder.notebook.cells import Cell
from mograder.notebook.checks import Machinery, is_grading_cell, machinery
from mograder.notebook.pairing import Slot, slots, unedited
from mograder.notebook.pieces import app_source, join, newline, pieces, with_app
from mograder.notebook.read import Notebook, parse_text


class Choice(StrEnum):
    """What becomes of a cell that both sides changed."""

    MINE = "mine"
    NEW = "new"
    BOTH = "both"


@dataclass(frozen=True)
class Conflict:
    """A cell that both sides changed. ``mine`` and ``new`` are its code, None if that side removed it.

    ``key`` names it in the choices; ``suggested`` is what happens without a choice.
    """

    key: str
    mine: str | None
    new: str | None
    suggested: Choice
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Merge:
    """The merged notebook's ``text``, the conflicts in the order of the file, and how many cells did what."""

    text: str
    conflicts: tuple[Conflict, ...] = ()
    followed: int = 0
    added: int = 0
    removed: int = 0
    kept: int = 0


def merge(
    base: Notebook | None, ours: Notebook, theirs: Notebook, choices: Mapping[str, Choice] | None = None
) -> Merge:
    """Merge. Without a ``base`` (nobody knows with which release it began) every difference is a conflict.

    The student's own cells stay, beside the cell that they followed. Pure. Raises NotANotebook if the pieces do not
    make a notebook together.
    """
    if base is not None and theirs.text == base.text:
        return Merge(ours.text)
    return _Merging(base, ours, theirs, choices or {}).result()


class _Merging:
    def __init__(
        self, base: Notebook | None, ours: Notebook, theirs: Notebook, choices: Mapping[str, Choice]
    ) -> None:
        self._base, self._ours, self._theirs = base, ours, theirs
        self._choices = choices
        self._mine, self._new = pieces(ours).cells, pieces(theirs).cells
        self._conflicts: list[Conflict] = []
        self._counts = {"followed": 0, "added": 0, "removed": 0, "kept": 0}

    def result(self) -> Merge:
        """Everything together."""
        old = () if self._base is None else self._base.cells
        found = slots(old, self._ours.cells, self._theirs.cells, self._names())
        order = _order(found, lambda slot: any(cell and cell.kind == "setup" for cell in self._cells(slot)))
        texts = [text for slot in order for text in self._resolved(slot)]
        if self._base is not None and self._ours.text == self._base.text:
            text = self._theirs.text
        else:
            text = join(self._head(), texts, pieces(self._theirs).tail, newline(self._theirs))
        parse_text(text, self._ours.name)
        return Merge(text, tuple(self._conflicts), **self._counts)

    def _names(self) -> Machinery:
        names = machinery(self._ours) | machinery(self._theirs)
        return names if self._base is None else names | machinery(self._base)

    def _head(self) -> str:
        """The release's, with the student's settings of the app if the release did not change them."""
        if self._base is None or app_source(self._theirs) != app_source(self._base):
            return pieces(self._theirs).head
        return with_app(self._theirs, app_source(self._ours))

    def _resolved(self, slot: Slot) -> Sequence[str]:
        """The text of a slot: no, one or two cells."""
        base, mine, new = self._cells(slot)
        if mine is None and new is None:
            return ()
        if base is None and (mine is None or new is None):
            return (
                self._count("added", [Choice.NEW], slot) if mine is None else [self._text(Choice.MINE, slot)]
            )
        if new is not None and base is not None and unedited(base, new):
            return self._release_unchanged(slot, base, mine)
        if mine is not None and base is not None and unedited(base, mine):
            return self._count(
                "removed" if new is None else "followed", [] if new is None else [Choice.NEW], slot
            )
        if mine is not None and new is None:
            return self._count("kept", [Choice.MINE], slot)
        if mine is not None and new is not None and unedited(mine, new):
            return [self._text(Choice.NEW, slot)]
        return self._conflict(slot, base, mine, new)

    def _release_unchanged(self, slot: Slot, base: Cell, mine: Cell | None) -> Sequence[str]:
        if mine is None:
            return ()  # the student removed it, and it stays removed
        if unedited(base, mine):
            return [self._text(Choice.NEW, slot)]
        return self._count("kept", [Choice.MINE], slot)

    def _conflict(self, slot: Slot, base: Cell | None, mine: Cell | None, new: Cell | None) -> Sequence[str]:
        known = [cell for cell in (base, mine, new) if cell is not None]
        possible = [Choice.MINE, Choice.NEW]
        if mine is not None and new is not None and "setup" not in (mine.kind, new.kind):
            possible.append(Choice.BOTH)
        conflict = Conflict(
            key=str(len(self._conflicts) + 1),
            mine=None if mine is None else mine.code,
            new=None if new is None else new.code,
            suggested=Choice.NEW if self._is_check(known) else Choice.MINE,
            choices=tuple(possible),
        )
        self._conflicts.append(conflict)
        chosen = self._choices.get(conflict.key, conflict.suggested)
        if (
            chosen not in conflict.choices
        ):  # a notebook has one setup cell, and what is removed is not kept twice
            chosen = conflict.suggested
        sides = [Choice.MINE, Choice.NEW] if chosen is Choice.BOTH else [chosen]
        there = {Choice.MINE: mine, Choice.NEW: new}
        return [self._text(side, slot) for side in sides if there[side] is not None]

    def _is_check(self, cells: Sequence[Cell]) -> bool:
        """The checks are the release's: whoever edited one did not mean to keep it."""
        return all(is_grading_cell(cell, self._names()) for cell in cells)

    def _count(self, word: str, sides: Sequence[Choice], slot: Slot) -> Sequence[str]:
        self._counts[word] += 1
        return [self._text(side, slot) for side in sides]

    def _text(self, side: Choice, slot: Slot) -> str:
        index, texts = (slot.ours, self._mine) if side is Choice.MINE else (slot.theirs, self._new)
        assert index is not None
        return texts[index]

    def _cells(self, slot: Slot) -> tuple[Cell | None, Cell | None, Cell | None]:
        def of(notebook: Notebook | None, index: int | None) -> Cell | None:
            return None if notebook is None or index is None else notebook.cells[index]

        return of(self._base, slot.base), of(self._ours, slot.ours), of(self._theirs, slot.theirs)


def _order(found: Sequence[Slot], is_setup: Callable[[Slot], bool]) -> list[Slot]:
    """The student's order, with what the release added in its place; the release's if it moved cells itself."""
    mine = sorted((slot for slot in found if slot.ours is not None), key=lambda slot: slot.ours or 0)
    new = sorted((slot for slot in found if slot.theirs is not None), key=lambda slot: slot.theirs or 0)
    places = [slot.base for slot in new if slot.base is not None]
    woven = _woven(mine, new) if places and places == sorted(places) else _woven(new, mine)
    # Python reads from the top: what the setup cell imports must be there for all others, so marimo wants it first.
    return sorted(woven, key=lambda slot: not is_setup(slot))


def _woven(order: Sequence[Slot], others: Sequence[Slot]) -> list[Slot]:
    """``order`` with each of ``others`` that is not in it behind the one that it follows among ``others``."""
    followers: dict[Slot | None, list[Slot]] = {}
    there, anchor = set(order), None
    for slot in others:
        if slot in there:
            anchor = slot
        else:
            followers.setdefault(anchor, []).append(slot)
    result = list(followers.get(None, []))
    for slot in order:
        result += [slot, *followers.get(slot, [])]
    return result
