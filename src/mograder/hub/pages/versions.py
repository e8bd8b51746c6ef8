"""The routes of the history page and of the comparison."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from mograder.hub.api.access import Work, requires
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.pages import version_views as views
from mograder.hub.pages import words
from mograder.hub.pages.common import page
from mograder.hub.pages.language import N_, gettext
from mograder.hub.pages.render import render
from mograder.hub.pages.views import Flash, path
from mograder.hub.versions import COPY, RELEASE, KeptVersion, Versions
from mograder.sessions.model import SessionKey

router = APIRouter(include_in_schema=False)

PAGE = 50
"""Versions on one page of the history."""

CHOICES = 100
"""Versions that a comparison offers in a list; any other one is chosen in the history."""

_SAID = {
    "restored": N_("The older version is back. What it replaced is kept below."),
    "cell": N_("The cell is back as it was. Your copy before that is kept in the history."),
}


@router.get("/history/{user}/{item}")
async def history(
    request: Request,
    user: str,
    item: str,
    who: Identity = requires(Action.VIEW_WORK),
    work: Coursework = Work,
    before: str = "",
    done: str = "",
    undo: str = "",
    beside: str = "",
) -> Response:
    """Every version of a notebook, the newest first; with ``beside`` to choose one that is compared with that."""
    versions = Versions(work)
    kept, present = await versions.kept(user, item), await versions.present(user, item)
    current = "" if present is None else present.digest
    listed = [one for one in kept if not before or one.version.id < before]
    state = await work.item(user, item)
    view = views.History(
        page(request, who),
        user,
        item,
        datetime.now(UTC),
        tuple(_row(one, current) for one in listed[:PAGE]),
        present=None
        if present is None or before
        else views.VersionRow(COPY, present.when, "", present.size, True, present.passed, present.total),
        can_reset=state.has_release and present is not None,
        can_compare=present is not None,
        editor_open=_editor_open(work, user, item),
        flash=Flash(gettext(_SAID[done])) if done in _SAID else None,
        undo=_known(undo, kept),
        older=_older(user, item, listed, beside),
        beside=_sides(kept).get(beside),
    )
    return HTMLResponse(render(view))


@router.get("/compare/{user}/{item}")
async def compare(
    request: Request,
    user: str,
    item: str,
    who: Identity = requires(Action.VIEW_WORK),
    work: Coursework = Work,
    old: str = RELEASE,
    new: str = COPY,
    done: str = "",
    undo: str = "",
) -> Response:
    """Two versions beside each other, cell by cell."""
    versions = Versions(work)
    difference = await versions.compare(user, item, old, new)
    kept, present = await versions.kept(user, item), await versions.present(user, item)
    sides = _sides(kept)
    offered = [COPY, RELEASE, *(one.version.id for one in kept[:CHOICES])]
    view = views.Compare(
        page(request, who),
        user,
        item,
        sides[old],
        sides[new],
        tuple(sides[one] for one in dict.fromkeys([*offered, old, new])),
        difference.cells,
        difference.by_cell,
        difference.cut,
        expected=present.digest if present is not None and new == COPY and difference.by_cell else "",
        more=len(kept) > CHOICES,
        editor_open=_editor_open(work, user, item),
        flash=Flash(gettext(_SAID[done])) if done in _SAID else None,
        undo=_known(undo, kept),
    )
    return HTMLResponse(render(view))


def _row(one: KeptVersion, current: str) -> views.VersionRow:
    version = one.version
    same = current[:12] == version.digest
    return views.VersionRow(
        version.id, version.when, version.reason, version.size, same, one.passed, one.total
    )


def _sides(kept: list[KeptVersion]) -> dict[str, views.Side]:
    """Everything that can be compared, by its id."""
    named = {COPY: gettext("Your copy now"), RELEASE: gettext("The published version")}
    named |= {one.version.id: _label(one) for one in kept}
    return {key: views.Side(key, label) for key, label in named.items()}


def _label(one: KeptVersion) -> str:
    return f"{words.day(one.version.when.astimezone())} – {words.reason(one.version.reason)}"


def _known(undo: str, kept: list[KeptVersion]) -> str:
    """No link can offer to undo what never was."""
    return undo if any(one.version.id == undo for one in kept) else ""


def _older(user: str, item: str, listed: list[KeptVersion], beside: str) -> str:
    """The address of the next page, if there is one."""
    if len(listed) <= PAGE:
        return ""
    asked = {"before": listed[PAGE - 1].version.id} | ({"beside": beside} if beside else {})
    return f"{path('history', user, item)}?{urlencode(asked)}"


def _editor_open(work: Coursework, user: str, item: str) -> bool:
    session = work.sessions.get(SessionKey("edit", user, item))
    return session is not None and session.live
