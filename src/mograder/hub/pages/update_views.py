"""What the page of an update shows."""

from __future__ import annotations

from dataclasses import dataclass

from mograder.hub.pages.language import N_
from mograder.hub.pages.views import Flash, Page

_WORDS = {
    "mine": N_("Keep mine"),
    "new": N_("Take the new one"),
    "both": N_("Keep both, one after the other"),
}


@dataclass(frozen=True)
class Side:
    """One way to decide about a part."""

    value: str
    is_suggested: bool

    @property
    def label(self) -> str:
        """What its button says."""
        return _WORDS[self.value]


@dataclass(frozen=True)
class Part:
    """A cell that both sides changed; None: that side removed it."""

    key: str
    mine: str | None
    new: str | None
    sides: tuple[Side, ...]


@dataclass(frozen=True)
class Update:
    """An update of ``owner``'s copy before it is made (``seal``), or that there is none."""

    page: Page
    owner: str
    item: str
    available: bool = False
    seal: str = ""
    facts: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    editor_open: bool = False
    can_undo: bool = False
    flash: Flash | None = None
