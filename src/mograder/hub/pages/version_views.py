"""What the pages about versions show: the history of a notebook, and a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mograder.hub.pages import words
from mograder.hub.pages.language import gettext
from mograder.hub.pages.views import Flash, Page
from mograder.notebook.difference import CellChange


@dataclass(frozen=True)
class VersionRow:
    """A version of a notebook. ``reason`` is the history's word; ``size`` is in bytes.

    ``passed`` of ``total`` checks went well, if it was validated. ``is_current``: the copy is the same now.
    """

    id: str
    when: datetime
    reason: str
    size: int
    is_current: bool = False
    passed: int | None = None
    total: int | None = None

    @property
    def result(self) -> str:
        """``3 of 5 checks pass``; empty if it was never validated."""
        return "" if self.passed is None or self.total is None else words.outcome(self.passed, self.total)


@dataclass(frozen=True)
class Side:
    """One of the two versions that are compared, or can be. ``id`` is as in `mograder.hub.versions`."""

    id: str
    label: str


@dataclass(frozen=True)
class History:
    """The versions of ``owner``'s notebook, newest first.

    ``beside`` is the version for which another one is looked for, to compare the two. ``present`` is the copy as it is
    now. ``undo`` is the version that takes back what was just restored. ``older`` is the address of the page with older
    ones.
    """

    page: Page
    owner: str
    item: str
    now: datetime
    versions: tuple[VersionRow, ...] = ()
    present: VersionRow | None = None
    can_reset: bool = True
    can_compare: bool = True
    editor_open: bool = False
    flash: Flash | None = None
    undo: str = ""
    older: str = ""
    beside: Side | None = None

    def comparable(self, row: VersionRow) -> bool:
        """Whether a row is another one than that with which it would be compared."""
        return row.id != self.beside.id if self.beside else self.can_compare and not row.is_current

    def pair(self, version: str) -> tuple[str, str]:
        """The ids of ``version`` and of the one that it is compared with (``copy``, if none is chosen), older first."""
        other = self.beside.id if self.beside else "copy"
        old, new = sorted((version, other), key=lambda one: (one != "release", one == "copy", one))
        return old, new


@dataclass(frozen=True)
class Compare:
    """What differs between two versions of ``owner``'s notebook.

    ``expected`` is the SHA-256 of the copy if that is the new side: then its cells can be restored. ``more``: there are
    versions that are not among the ``choices``.
    """

    page: Page
    owner: str
    item: str
    old: Side
    new: Side
    choices: tuple[Side, ...]
    cells: tuple[CellChange, ...] = ()
    by_cell: bool = True
    cut: bool = False
    expected: str = ""
    more: bool = False
    editor_open: bool = False
    flash: Flash | None = None
    undo: str = ""

    @property
    def summary(self) -> str:
        """``2 cells changed, 1 added; 14 are the same``."""
        counts = {kind: sum(cell.kind == kind for cell in self.cells) for kind in words.CHANGES}
        changed = [
            f"{count} {gettext(words.CHANGES[kind])}"
            for kind, count in counts.items()
            if count and kind != "same"
        ]
        if not changed:
            return gettext("no difference")
        return gettext("%(changes)s; %(number)s the same") % {
            "changes": ", ".join(changed),
            "number": counts["same"],
        }

    @property
    def stretches(self) -> list[CellChange | int]:
        """The cells that changed, and between them how many are the same."""
        found: list[CellChange | int] = []
        for cell in self.cells:
            if cell.kind != "same":
                found.append(cell)
            elif found and isinstance(found[-1], int):
                found[-1] += 1
            else:
                found.append(1)
        return found


VersionView = History | Compare
