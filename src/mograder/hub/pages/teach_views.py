"""What each of the instructors' pages shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mograder.hub.pages.views import Check, Dashboard, Page, Tally, path
from mograder.hub.teaching.radar import CheckStanding, Cluster

Section = Literal["course", "radar", "people", "tokens", "audit", "health", "preview"]


@dataclass(frozen=True)
class CourseItem:
    """A published item. ``ready``: its packages are there; ``problem`` says why they could not be had, if they could
    not. ``open_now`` counts the running notebooks of it."""

    name: str
    title: str
    kind: Literal["assignment", "lecture"]
    visibility: str
    ready: bool
    begun: int
    open_now: int
    problem: str = ""


@dataclass(frozen=True)
class Running:
    """Somebody's notebook that is up. ``memory`` is in bytes; ``cores`` are the processor cores that it keeps busy;
    both are None if they can not be measured."""

    user: str
    item: str
    kind: Literal["edit", "run"]
    started: datetime
    last_seen: datetime
    memory: int | None = None
    cores: float | None = None

    @property
    def stop(self) -> str:
        """The page that asks before it is stopped."""
        return path("teach", "stop", self.kind, self.user, self.item)

    @property
    def help(self) -> str | None:
        """The page that shows its notebook; a lecture is the same for all."""
        return path("teach", "help", self.user, self.item) if self.kind == "edit" else None


@dataclass(frozen=True)
class Published:
    """One line of the publish log."""

    when: datetime
    who: str
    item: str
    outcome: str


@dataclass(frozen=True)
class Sent:
    """A message that is still shown. ``readers`` have put it away."""

    id: int
    author: str
    when: datetime
    text: str
    readers: int


@dataclass(frozen=True)
class Course:
    """The course at a glance. ``online`` are people seen in the last minutes who have no notebook open."""

    page: Page
    now: datetime
    items: tuple[CourseItem, ...] = ()
    running: tuple[Running, ...] = ()
    online: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    messages: tuple[Sent, ...] = ()
    said: str | None = None
    section: Section = "course"


@dataclass(frozen=True)
class Confirm:
    """Asks before something that can not be undone. ``url`` is posted to."""

    page: Page
    title: str
    text: str
    label: str
    url: str
    section: Section = "course"
    back: str = "teach"


@dataclass(frozen=True)
class Radar:
    """How a class does with an assignment; nobody is named unless ``names`` says so."""

    page: Page
    now: datetime
    assignments: tuple[str, ...] = ()
    item: str | None = None
    begun: int = 0
    checked: int = 0
    checks: tuple[CheckStanding, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    names: bool = False
    section: Section = "radar"


@dataclass(frozen=True)
class Cell:
    """One cell of a table. ``url`` is relative to the hub's root; ``tone`` is good, warn or bad; ``ours``: it is a
    word of the hub's, not of anybody's making; ``moment``: ``text`` tells this time (ISO 8601)."""

    text: str
    url: str | None = None
    tone: str = ""
    ours: bool = False
    moment: str = ""


@dataclass(frozen=True)
class Listing:
    """A table that can be searched and taken away. ``total`` counts what the search found, shown or not."""

    page: Page
    section: Section
    title: str
    lead: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int
    q: str
    url: str
    empty: str
    said: str | None = None


@dataclass(frozen=True)
class StudentItem:
    """An assignment of a student, as an instructor sees it."""

    name: str
    title: str
    state: str
    checks: Tally | None
    active: bool


@dataclass(frozen=True)
class Student:
    """One person's assignments."""

    page: Page
    owner: str
    items: tuple[StudentItem, ...] = ()
    section: Section = "people"


@dataclass(frozen=True)
class CellSource:
    """A cell of a notebook as text."""

    name: str
    code: str
    kind: str


@dataclass(frozen=True)
class Help:
    """A student's notebook to read. ``checks`` are of the last validation, ``checked_now`` if of this very text."""

    page: Page
    owner: str
    item: str
    cells: tuple[CellSource, ...] = ()
    trouble: str | None = None
    checks: tuple[Check, ...] = ()
    cell_errors: tuple[str, ...] = ()
    has_report: bool = False
    active: bool = False
    section: Section = "people"


@dataclass(frozen=True)
class Preview:
    """The dashboard as a student sees it at ``at`` (local time, as a form writes it)."""

    page: Page
    shown: Dashboard
    at: str
    when: str
    section: Section = "preview"


TeachView = Course | Confirm | Radar | Listing | Student | Help | Preview
