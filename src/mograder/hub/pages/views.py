"""What each page shows: everything that its template needs, and nothing that it must ask for.

Every address in a view is relative to the hub's root, as in the JSON answers, and already percent-encoded;
`Page.root` leads from the page to that root. Times are aware: a page shows them in the zone that they carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from urllib.parse import quote

from mograder.errors import MograderError, SessionFailed, UnsafeNotebook
from mograder.hub.pages import words
from mograder.hub.pages.language import N_, gettext


def path(*parts: str) -> str:
    """An address below the hub's root: ``path("edit", "A1")`` is ``edit/A1``."""
    return "/".join(quote(part, safe="") for part in parts)


def relative_root(request_path: str) -> str:
    """What leads from ``request_path`` (as the hub sees it, ``/edit/A1``) to the hub's root: ``../``."""
    return "../" * (request_path.count("/") - 1)


@dataclass(frozen=True)
class Note:
    """A message of an instructor to everybody."""

    id: int
    author: str
    when: datetime
    text: str


@dataclass(frozen=True)
class Look:
    """An instructor looked at the work of the person whose page this is."""

    visitor: str
    item: str
    when: datetime


@dataclass(frozen=True)
class Page:
    """What every page has: for whom it is, and where it stands.

    ``user`` is empty if nobody is signed in. ``mode_notice`` is said on top of every page (development mode, no
    sandbox). ``csrf`` travels in each form as ``csrf`` and in each script's request as ``X-CSRF-Token``.
    ``sign_out`` is the address that a sign-out form posts to, if there is one. ``messages`` were not put away yet;
    ``visits`` are those of the last weeks. ``theme`` is "" for what the machine says. ``brand_css``, ``logo`` and
    ``notice`` are the course's own. ``news`` is the word of what is on the page (`mograder.hub.news`): a script looks
    again when the hub says another one; empty: it does not.
    """

    course_title: str
    user: str
    role: Literal["student", "instructor"]
    mode_notice: str | None = None
    root: str = ""
    csrf: str = ""
    sign_out: str | None = None
    messages: tuple[Note, ...] = ()
    visits: tuple[Look, ...] = ()
    theme: Literal["", "light", "dark"] = ""
    brand_css: str | None = None
    logo: str | None = None
    notice: str = ""
    news: str = ""

    def to(self, url: str) -> str:
        """``url``, which is relative to the hub's root, as this page must write it."""
        return f"{self.root}{url}" or "./"


@dataclass(frozen=True)
class Flash:
    """What the action before this page did, for a browser without scripts."""

    text: str
    kind: Literal["done", "failed"] = "done"


class Tally(NamedTuple):
    """How many checks pass, of how many; ``str()`` says it in the language of the request."""

    passed: int
    total: int

    def __str__(self) -> str:
        return gettext("%(passed)s of %(total)s") % self._asdict()


@dataclass(frozen=True)
class ItemRow:
    """An assignment of the person who looks.

    ``file_status`` is the contract's word. ``exported_before`` says that some version was exported already.
    ``check_current`` says whether ``last_check`` is true of the copy as it is now.
    ``disk`` is ``"980 of 1024 MB"`` when that is nearly all there is.
    ``visible`` is false for an item that only instructors see.
    """

    name: str
    title: str
    file_status: str
    session_active: bool
    has_release: bool
    due: datetime | None = None
    last_check: Tally | None = None
    update_available: bool = False
    visible: bool = True
    exported_before: bool = False
    disk: str = ""
    check_current: bool = True

    @property
    def state(self) -> str:
        """The key of this row's state in `words.STATES`."""
        return words.state(self.file_status, self.exported_before)

    @property
    def can_reset(self) -> bool:
        """Whether there is a copy, and something to put in its place."""
        return self.has_release and self.file_status != "not_started"

    def is_late(self, now: datetime) -> bool:
        """Whether it should have been exported by now."""
        return self.due is not None and self.due < now and self.file_status != "exported"

    @property
    def all_pass(self) -> bool:
        """Whether the last validation found nothing left to do."""
        return self.last_check is not None and self.last_check.passed == self.last_check.total > 0

    @property
    def next_action(self) -> Literal["download", "edit", "validate", "export", "none"]:
        """The one thing to do next: it is the row's primary button."""
        if self.file_status == "not_started":
            return "download" if self.has_release else "none"
        if self.file_status == "modified" and self.all_pass and not self.session_active:
            return "export" if self.check_current else "validate"
        return "edit"


@dataclass(frozen=True)
class LectureRow:
    """A lecture that can be run."""

    name: str
    title: str
    session_active: bool = False
    visible: bool = True


@dataclass(frozen=True)
class SessionRow:
    """A running notebook. ``url`` opens it again; ``kind`` is ``edit`` for assignments, ``run`` for lectures.

    ``idle_left``: the seconds until it is stopped, when that is soon because nobody is at work in it.
    """

    username: str
    item: str
    kind: Literal["edit", "run"]
    url: str
    last_seen: datetime
    idle_left: int | None = None

    @property
    def stop(self) -> str:
        """The address that stops it."""
        return path(f"stop-{self.kind}", self.username, self.item)


@dataclass(frozen=True)
class Dashboard:
    """The first page: what is due and what is running. An instructor's ``sessions`` are everybody's."""

    page: Page
    now: datetime
    assignments: tuple[ItemRow, ...] = ()
    lectures: tuple[LectureRow, ...] = ()
    sessions: tuple[SessionRow, ...] = ()
    flash: Flash | None = None

    @property
    def has_work(self) -> bool:
        """Whether there is anything of one's own to take home."""
        return any(row.file_status != "not_started" for row in self.assignments)

    @property
    def next_due(self) -> ItemRow | None:
        """The assignment that is due next and not exported yet."""
        ahead = [(row.due, row) for row in self.assignments if row.due and row.due > self.now]
        unfinished = [(due, row) for due, row in ahead if row.file_status != "exported"]
        return min(unfinished, key=lambda pair: pair[0])[1] if unfinished else None


@dataclass(frozen=True)
class Step:
    """One step of a start."""

    text: str
    state: Literal["waiting", "running", "done", "failed"] = "running"


@dataclass(frozen=True)
class Start:
    """A session on its way up.

    ``start_url`` is POSTed to; ``target_url`` is where the notebook will be. ``queue_place`` counts from 1,
    ``estimate`` is in seconds. ``error`` ends it; ``log_tail`` holds the last lines of the session's output.
    ``stopped``: nothing was begun yet, ``error`` says why the session before it ended.
    """

    page: Page
    item: str
    kind: Literal["edit", "run"]
    start_url: str
    target_url: str
    steps: tuple[Step, ...] = ()
    error: str | None = None
    log_tail: str = ""
    queue_place: int | None = None
    estimate: float | None = None
    stopped: bool = False

    @property
    def failure(self) -> str:
        """The heading over ``error``."""
        return N_("Stopped:") if self.stopped else N_("Could not open")

    @property
    def events(self) -> str:
        """The address of the start's server-sent events."""
        return path("events", self.kind, self.page.user, self.item)

    @property
    def under_way(self) -> bool:
        """Whether it was begun and has not failed."""
        return self.error is None and (bool(self.steps) or self.queue_place is not None)


@dataclass(frozen=True)
class Check:
    """One check of a validation; ``status`` is the contract's: success, partial, danger or warn."""

    label: str
    status: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """What a validation of ``owner``'s notebook found. ``report_url`` is the notebook with its outputs."""

    page: Page
    owner: str
    item: str
    checks: tuple[Check, ...] = ()
    cell_errors: tuple[str, ...] = ()
    export_error: str | None = None
    integrity_warnings: tuple[str, ...] = ()
    report_url: str | None = None

    @property
    def passed(self) -> int:
        """How many checks pass."""
        return sum(check.status == "success" for check in self.checks)


@dataclass(frozen=True)
class WayOn:
    """Where to go from here; ``url`` is relative to the hub's root."""

    url: str
    label: str


HOME = WayOn("", N_("Back to the course"))


@dataclass(frozen=True)
class Problem:
    """Something that can not be shown or done, and the way on."""

    page: Page
    status: int
    sentence: str
    title: str = ""
    tip: str | None = None
    way_on: WayOn = HOME
    sign_in: str = ""  # the login's address; "" if it is not known or would be no help
    findings: tuple[str, ...] = ()
    log_tail: str = ""
    again: bool = False  # asking for the same page once more is the way on, and the first page is none

    @classmethod
    def of(cls, page: Page, error: MograderError, way_on: WayOn = HOME) -> Problem:
        """The page for an error of ours."""
        findings = tuple(error.findings) if isinstance(error, UnsafeNotebook) else ()
        log_tail = error.log_tail if isinstance(error, SessionFailed) else ""
        return cls(
            page,
            error.status,
            error.message,
            tip=error.tip,
            way_on=way_on,
            findings=findings,
            log_tail=log_tail,
        )

    @property
    def heading(self) -> str:
        """The title, or the usual one of the status."""
        return self.title or words.problem_title(self.status)


@dataclass(frozen=True)
class SignOut:
    """Asks whether to end this login, or says that it has ended (``done``).

    ``onward`` is where the login proxy's own login is ended, "" if that is not known.
    """

    page: Page
    done: bool = False
    onward: str = ""


View = Dashboard | Start | CheckReport | Problem | SignOut
