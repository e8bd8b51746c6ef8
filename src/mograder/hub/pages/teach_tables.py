"""The instructors' tables: people, tokens, audit log, health. Each can be searched, and taken away as CSV or JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from mograder.errors import Malformed, NotFound
from mograder.hub import checkup, trial
from mograder.hub.api.access import Work, requires
from mograder.hub.api.respond import attachment, wants_page
from mograder.hub.coursework import Coursework
from mograder.hub.identity.ledger import Ledger
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.pages import teach_views as views
from mograder.hub.pages import words
from mograder.hub.pages.common import OnDesk, moment, page, root
from mograder.hub.pages.language import N_, gettext, tell
from mograder.hub.pages.render import render
from mograder.hub.pages.views import path
from mograder.hub.store.state import TokenRecord
from mograder.hub.teaching import audit_search, tabular
from mograder.hub.teaching.desk import Desk
from mograder.hub.teaching.people import everybody
from mograder.sentences import Sentence

router = APIRouter(include_in_schema=False)

SHOWN = 200
"""Rows on one page; an export has them all."""

_AUDIT = (
    N_("When"),
    N_("Who"),
    N_("Role"),
    N_("Via"),
    N_("From"),
    N_("Did"),
    N_("Action"),
    N_("Owner"),
    N_("Item"),
    N_("Status"),
    N_("Outcome"),
    N_("Rule"),
)
"""The columns of `audit_search.COLUMNS`."""

_AUDIT_WORDS = {
    "Role": words.ROLES,
    "Via": words.ENTRANCES,
    "Action": words.ACTIONS,
    "Outcome": words.OUTCOMES,
}

MOST_ENTRIES = 100_000
"""Of the audit log in one export."""

_GOOD = "in force"

_TIMES = frozenset(("When", "Last seen", "Made", "Ends", "Last used"))
"""Columns that hold a time as ISO 8601 writes it."""

_Words = Mapping[str, Mapping[str, str]]

_NO_WORDS: _Words = {}

_TONES = {
    "ok": "good",
    "warn": "warn",
    "fail": "bad",
    "done": "good",
    "refused": "warn",
    "failed": "bad",
    "no": "bad",
    _GOOD: "good",
    "revoked": "bad",
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
        gettext("There is no list of names: whoever your login lets through may enter.")
        if roster is None
        else gettext("allowed_users.txt lets %(number)s people in; instructors always may.")
        % {"number": len(roster)}
    )
    table = _Table(
        "people",
        N_("People"),
        gettext("%(rules)s Roles are set in mograder.toml.") % {"rules": rules},
        (N_("Name"), N_("Role"), N_("May enter"), N_("Last seen"), N_("Begun"), N_("Checks passed")),
        gettext("Nobody is on the list and nobody has been here."),
        link=lambda row: path("teach", "student", row[0]),
        words={"Role": words.ROLES, "May enter": words.YES_OR_NO},
    )
    return table.answer(request, who, rows, q, format)


@router.get("/teach/tokens")
async def bearer_tokens(
    request: Request,
    who: Identity = requires(Action.TEACH),
    q: str = "",
    format: str = "",
    done: str = "",
) -> Response:
    """Which bearer tokens there are. None is made here: it would let whoever teaches act as anybody."""
    ledger: Ledger = request.app.state.ledger
    now = datetime.now(UTC)
    rows = [_token_row(token, now) for token in await asyncio.to_thread(ledger.all)]
    table = _Table(
        "tokens",
        N_("Tokens"),
        gettext("Programs sign in with these. They are made on the server: mograder hub generate-token."),
        (N_("Number"), N_("Person"), N_("Role"), N_("State"), N_("Made"), N_("Ends"), N_("Last used")),
        gettext("Nobody has made a token."),
        link=lambda row: path("teach", "tokens", row[0], "revoke") if row[3] == _GOOD else None,
        said=gettext("It is revoked: nobody can use it any more.") if done == "revoked" else None,
        words={"Role": words.ROLES, "State": words.TOKENS},
    )
    return table.answer(request, who, rows, q, format)


@router.get("/teach/tokens/{number}/revoke")
async def ask_to_revoke(request: Request, number: str, who: Identity = requires(Action.TEACH)) -> Response:
    """Asks first: there is no way back."""
    ledger: Ledger = request.app.state.ledger
    known = {token.id: token for token in await asyncio.to_thread(ledger.all)}
    if number not in known:
        raise NotFound("There is no token with this number.")
    view = views.Confirm(
        page(request, who),
        gettext("Revoke token %(number)s of %(name)s?") % {"number": number, "name": known[number].user},
        gettext(
            "Programs that use it are refused from now on. This can not be undone; a new token can be made."
        ),
        gettext("Revoke it"),
        path("teach", "tokens", number, "revoke"),
        section="tokens",
        back="teach/tokens",
    )
    return HTMLResponse(render(view))


@router.post("/teach/tokens/{number}/revoke")
async def revoke(request: Request, number: str, who: Identity = requires(Action.TEACH)) -> Response:
    """End a token."""
    ledger: Ledger = request.app.state.ledger
    await asyncio.to_thread(ledger.revoke, number)
    await request.app.state.standing.recheck()
    if not wants_page(request):
        return JSONResponse({"status": "ok"})
    return RedirectResponse(f"{root(request)}teach/tokens?done=revoked", status_code=303)


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
        said = [*map(str, entry.values()), *_translated(audit_search.row(entry), _AUDIT, _AUDIT_WORDS)]
        text = "\n".join(said).casefold()
        return all(word in text for word in wanted)

    most = MOST_ENTRIES if format else 5 * SHOWN
    found = await asyncio.to_thread(audit_search.entries, desk.audit, most, matches)
    table = _Table(
        "audit",
        N_("Audit log"),
        gettext("Every change, every refusal with its rule, every look at somebody's work; newest first."),
        _AUDIT,
        gettext("Nothing was done yet."),
        words=_AUDIT_WORDS,
    )
    return table.answer(request, who, [audit_search.row(entry) for entry in found], q, format, searched=True)


@router.get("/teach/health")
async def health(
    request: Request,
    who: Identity = requires(Action.TEACH),
    work: Coursework = Work,
    desk: Desk = OnDesk,
    q: str = "",
    format: str = "",
) -> Response:
    """What ``mograder hub check`` finds, but for the port, which this hub holds; and how warm each item is."""
    found = await asyncio.to_thread(checkup.examine, desk.settings, desk.settings.secret)
    warm = [trial.warmth(item, words) for item, words in await work.warmth()]
    rows = [
        (probe.name, probe.level, probe.detail, probe.remedy)
        for probe in (*found.probes, *warm)
        if probe.name != "port"
    ]
    bad = [row for row in rows if row[1] == "fail"]
    lead = (
        gettext("%(bad)s of %(all)s things fail.") % {"bad": len(bad), "all": len(rows)}
        if bad
        else gettext("Everything that this hub needs is there.")
    )
    table = _Table(
        "health",
        N_("Health"),
        gettext("%(lead)s Isolation: %(verdict)s.")
        % {"lead": lead, "verdict": gettext(words.VERDICTS_ON_ISOLATION[found.verdict])},
        (N_("What"), N_("State"), N_("Detail"), N_("What to do")),
        gettext("Nothing was found."),
        words={"What": words.PROBES, "State": words.LEVELS},
    )
    return table.answer(request, who, rows, q, format)


def _token_row(token: TokenRecord, now: datetime) -> tuple[str, ...]:
    times = (token.created, token.expires, token.last_used)
    state = "revoked" if token.revoked is not None else "ended" if moment(token.expires) <= now else _GOOD
    said = ("" if when is None else moment(when).isoformat(" ", "minutes") for when in times)
    return (token.id, token.user, token.role, state, *said)


class _Table:
    """A table that answers as a page, as CSV or as JSON.

    ``words`` are those of a column that a page says in its reader's language; an export stays as it is.
    """

    def __init__(
        self,
        section: views.Section,
        title: str,
        lead: str,
        columns: tuple[str, ...],
        empty: str,
        link: Callable[[Sequence[str]], str | None] | None = None,
        said: str | None = None,
        words: _Words = _NO_WORDS,
    ) -> None:
        self._words = words
        self._said = said
        self._section = section
        self._title = title
        self._lead = lead
        self._columns = columns
        self._empty = empty
        self._link = link

    def answer(
        self,
        request: Request,
        who: Identity,
        rows: Sequence[Sequence[str]],
        q: str,
        format: str,
        *,
        searched: bool = False,
    ) -> Response:
        if not searched:  # for the words as they are kept, and as they are shown
            columns, words = self._columns, self._words
            rows = tabular.search(rows, q, lambda row: [*row, *_translated(row, columns, words)])
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
            self._said,
        )
        return HTMLResponse(render(view))

    def _cells(self, row: Sequence[str]) -> tuple[views.Cell, ...]:
        link = None if self._link is None else self._link(row)
        cells = zip(self._columns, row, strict=True)
        return tuple(
            self._cell(column, text, None if at else link) for at, (column, text) in enumerate(cells)
        )

    def _cell(self, column: str, text: str, url: str | None) -> views.Cell:
        if isinstance(text, Sentence):
            return views.Cell(tell(text), url, ours=True)
        if column in _TIMES and (said := _clock(text)):
            return views.Cell(said, url, moment=text)
        words = self._words.get(column, {})
        if text not in words:
            return views.Cell(text, url)
        return views.Cell(gettext(words[text]), url, _TONES.get(text, ""), ours=True)


def _clock(text: str) -> str:
    """A time in two lines, the date and the hour, in the words that a search finds; empty if it is none."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return f"{when:%Y-%m-%d}\n{when:{'%H:%M:%S' if text.count(':') > 2 else '%H:%M'}} {when:%Z}".rstrip()


def _translated(row: Sequence[str], columns: Sequence[str], words: _Words) -> list[str]:
    """The cells of ``row`` that are words of ours, in the language of this request."""
    said = [tell(text) for text in row if isinstance(text, Sentence)]
    pairs = zip(columns, row, strict=True)
    return said + [gettext(words[column][text]) for column, text in pairs if text in words.get(column, {})]
