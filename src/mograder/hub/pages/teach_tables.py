"""The instructors' tables: people, audit log, health. Each can be searched, and taken away as CSV or JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from mograder.errors import Malformed
from mograder.hub import checkup
from mograder.hub.api.access import requires
from mograder.hub.api.respond import attachment
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.pages import teach_views as views
from mograder.hub.pages.common import OnDesk, moment, page
from mograder.hub.pages.render import render
from mograder.hub.pages.views import path
from mograder.hub.teaching import audit_search, tabular
from mograder.hub.teaching.desk import Desk
from mograder.hub.teaching.people import everybody

router = APIRouter(include_in_schema=False)

SHOWN = 200
"""Rows on one page; an export has them all."""

MOST_ENTRIES = 100_000
"""Of the audit log in one export."""

_TONES = {
    "ok": "good",
    "warn": "warn",
    "fail": "bad",
    "done": "good",
    "refused": "warn",
    "failed": "bad",
    "no": "bad",
}


@router.get("/teach/people")
async def people(
    request: Request,
    who: Identity = requires(Action.TEACH),
    desk: Desk = OnDesk,
    q: str = "",
    format: str = "",
) -> Response:
    """Roster and roles, and how far everybody is."""
    progress = await asyncio.to_thread(desk.attempts.progress)
    roster = await asyncio.to_thread(desk.roster.names)
    found = everybody(roster, desk.settings.hub.instructors, desk.logins.latest(), progress)
    rows = [
        (
            person.user,
            person.role,
            "yes" if person.admitted else "no",
            "" if person.last_seen is None else moment(person.last_seen).isoformat(" ", "minutes"),
            str(person.begun),
            str(person.passed),
        )
        for person in found
    ]
    rules = (
        "There is no list of names: whoever your login lets through may enter."
        if roster is None
        else f"allowed_users.txt lets {len(roster)} people in; instructors always may."
    )
    table = _Table(
        "people",
        "People",
        f"{rules} Roles are set in mograder.toml.",
        ("Name", "Role", "May enter", "Last seen", "Begun", "Checks passed"),
        "Nobody is on the list and nobody has been here.",
        link=lambda row: path("teach", "student", row[0]),
    )
    return table.answer(request, who, tabular.search(rows, q), q, format)


@router.get("/teach/audit")
async def audit(
    request: Request,
    who: Identity = requires(Action.TEACH),
    desk: Desk = OnDesk,
    q: str = "",
    format: str = "",
) -> Response:
    """Who did what, newest first."""
    wanted = q.casefold().split()

    def matches(entry: dict[str, object]) -> bool:
        text = "\n".join(str(value) for value in entry.values()).casefold()
        return all(word in text for word in wanted)

    most = MOST_ENTRIES if format else 5 * SHOWN
    found = await asyncio.to_thread(audit_search.entries, desk.audit, most, matches)
    columns = tuple(column.capitalize() for column in audit_search.COLUMNS)
    table = _Table(
        "audit",
        "Audit log",
        "Every change, every refusal with its rule, every look at somebody's work; newest first.",
        columns,
        "Nothing was done yet.",
    )
    return table.answer(request, who, [audit_search.row(entry) for entry in found], q, format)


@router.get("/teach/health")
async def health(
    request: Request,
    who: Identity = requires(Action.TEACH),
    desk: Desk = OnDesk,
    q: str = "",
    format: str = "",
) -> Response:
    """What ``mograder hub check`` finds, but for the port, which this hub holds."""
    found = await asyncio.to_thread(checkup.examine, desk.settings, desk.settings.secret)
    rows = [
        (probe.name, probe.level, probe.detail, probe.remedy)
        for probe in found.probes
        if probe.name != "port"
    ]
    bad = [row for row in rows if row[1] == "fail"]
    lead = f"{len(bad)} of {len(rows)} things fail." if bad else "Everything that this hub needs is there."
    table = _Table(
        "health",
        "Health",
        f"{lead} Isolation: {found.verdict}.",
        ("What", "State", "Detail", "What to do"),
        "Nothing was found.",
    )
    return table.answer(request, who, tabular.search(rows, q), q, format)


class _Table:
    """A table that answers as a page, as CSV or as JSON."""

    def __init__(
        self,
        section: views.Section,
        title: str,
        lead: str,
        columns: tuple[str, ...],
        empty: str,
        link: Callable[[Sequence[str]], str] | None = None,
    ) -> None:
        self._section = section
        self._title = title
        self._lead = lead
        self._columns = columns
        self._empty = empty
        self._link = link

    def answer(
        self, request: Request, who: Identity, rows: Sequence[Sequence[str]], q: str, format: str
    ) -> Response:
        if format == "csv":
            return attachment(tabular.to_csv(self._columns, rows), f"{self._section}.csv", "text/csv")
        if format == "json":
            return attachment(
                tabular.to_json(self._columns, rows), f"{self._section}.json", "application/json"
            )
        if format:
            raise Malformed("There are two formats: csv and json.")
        view = views.Listing(
            page(request, who),
            self._section,
            self._title,
            self._lead,
            self._columns,
            tuple(self._cells(row) for row in rows[:SHOWN]),
            len(rows),
            q[:200],
            f"teach/{self._section}",
            self._empty,
        )
        return HTMLResponse(render(view))

    def _cells(self, row: Sequence[str]) -> tuple[views.Cell, ...]:
        first = views.Cell(row[0], None if self._link is None else self._link(row))
        return (first, *(views.Cell(cell, tone=_TONES.get(cell, "")) for cell in row[1:]))
