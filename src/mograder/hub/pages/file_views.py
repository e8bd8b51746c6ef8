"""What the page about the files beside a notebook shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mograder.hub.pages.language import gettext
from mograder.hub.pages.version_views import VersionRow
from mograder.hub.pages.views import Flash, Page


@dataclass(frozen=True)
class FileRow:
    """A file beside the notebook; ``size`` is in bytes. ``linked``: its name can be written in an address."""

    path: str
    size: int
    when: datetime
    linked: bool = True


@dataclass(frozen=True)
class KeptFile:
    """An earlier file that was replaced or deleted."""

    file: str
    version: VersionRow


@dataclass(frozen=True)
class Files:
    """The files beside ``owner``'s notebook. ``used`` and ``quota`` are in bytes; so is ``at_once``, what one upload
    may hold. ``undo`` is the version that takes back what was just deleted."""

    page: Page
    owner: str
    item: str
    now: datetime
    used: int
    quota: int
    at_once: int
    files: tuple[FileRow, ...] = ()
    kept: tuple[KeptFile, ...] = ()
    flash: Flash | None = None
    undo: str = ""

    @property
    def filled(self) -> str:
        """``12 of 1024 MB``."""
        return filled(self.used, self.quota)

    @property
    def nearly_full(self) -> bool:
        """Whether it is time to say so."""
        return self.used >= 0.8 * self.quota


def filled(used: int, quota: int) -> str:
    """How much of the disk space is taken, as ``12 of 1024 MB``: rounded up, so that it never says too little."""
    return gettext("%(used)s of %(quota)s MB") % {"used": -(-used // (1 << 20)), "quota": quota >> 20}


FileView = Files
