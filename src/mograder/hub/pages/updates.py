"""Getting an update of an assignment: a page that says what would happen, the deed, and the way back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from mograder.errors import Malformed
from mograder.hub.api.access import Work, requires
from mograder.hub.api.respond import wants_page
from mograder.hub.coursework import Coursework
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.pages import update_views as views
from mograder.hub.pages.common import page, root
from mograder.hub.pages.language import N_, gettext, ngettext
from mograder.hub.pages.render import render
from mograder.hub.pages.views import Flash, path
from mograder.hub.updates import Offer
from mograder.notebook.merge import Choice

router = APIRouter(include_in_schema=False)

_CHOICE = "choice-"
_SAID = {
    "updated": N_("You have the new version now. What you had is kept."),
    "undone": N_("Your copy is as it was before the update. What it was until now is kept."),
}


@router.get("/update/{user}/{assignment}")
async def look(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.VIEW_WORK),
    work: Coursework = Work,
    done: str = "",
) -> Response:
    """What an update would do; nothing is changed."""
    offer = await work.update_offer(user, assignment)
    if not wants_page(request):
        return JSONResponse(_as_json(offer))
    state = await work.item(user, assignment)
    view = views.Update(
        page(request, who),
        user,
        assignment,
        available=offer.merge is not None,
        seal=offer.seal,
        facts=tuple(_facts(offer)),
        parts=_parts(offer),
        editor_open=state.session_active,
        can_undo=offer.can_undo,
        flash=Flash(gettext(_SAID[done])) if done in _SAID else None,
    )
    return HTMLResponse(render(view))


@router.post("/update/{user}/{assignment}")
async def update(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Bring the copy to the published version; a form's ``seal`` and ``choice-N`` are from the page."""
    form = await request.form()
    offer = await work.update(user, assignment, _choices(form), str(form.get("seal") or ""))
    if not wants_page(request):
        return JSONResponse({"status": "ok", **_as_json(offer)})
    return _back(request, user, assignment, "updated")


@router.post("/undo-update/{user}/{assignment}")
async def undo(
    request: Request,
    user: str,
    assignment: str,
    who: Identity = requires(Action.CHANGE_WORK),
    work: Coursework = Work,
) -> Response:
    """Make the copy what it was before."""
    await work.undo_update(user, assignment)
    if not wants_page(request):
        return JSONResponse({"status": "ok"})
    return _back(request, user, assignment, "undone")


def _back(request: Request, user: str, item: str, said: str) -> Response:
    return RedirectResponse(f"{root(request)}{path('update', user, item)}?done={said}", status_code=303)


def _choices(form: FormData) -> dict[str, Choice]:
    found = {}
    for name, value in form.multi_items():
        if name.startswith(_CHOICE):
            try:
                found[name.removeprefix(_CHOICE)] = Choice(str(value))
            except ValueError as error:
                raise Malformed("A part is kept as mine, new or both; nothing was updated.") from error
    return found


def _parts(offer: Offer) -> tuple[views.Part, ...]:
    conflicts = () if offer.merge is None else offer.merge.conflicts
    return tuple(
        views.Part(
            conflict.key,
            conflict.mine,
            conflict.new,
            tuple(views.Side(choice.value, choice is conflict.suggested) for choice in conflict.choices),
        )
        for conflict in conflicts
    )


def _facts(offer: Offer) -> list[str]:
    merge = offer.merge
    if merge is None:
        return []
    counted = (
        (
            merge.followed,
            ngettext(
                "%(num)s cell that you did not change becomes the new one.",
                "%(num)s cells that you did not change become the new ones.",
                merge.followed,
            ),
        ),
        (merge.added, ngettext("%(num)s new cell is added.", "%(num)s new cells are added.", merge.added)),
        (
            merge.removed,
            ngettext(
                "%(num)s cell that you did not change is not part of it any more and goes.",
                "%(num)s cells that you did not change are not part of it any more and go.",
                merge.removed,
            ),
        ),
        (
            merge.kept,
            ngettext(
                "%(num)s cell of yours stays as it is.",
                "%(num)s cells of yours stay as they are.",
                merge.kept,
            ),
        ),
    )
    facts = [text % {"num": number} for number, text in counted if number]
    named = (
        (offer.added, gettext("New files: %(names)s.")),
        (offer.replaced, gettext("Files that become the new ones: %(names)s.")),
        (
            offer.kept,
            gettext(
                "Files that you changed stay yours: %(names)s. Rename yours and download again to get the new ones."
            ),
        ),
    )
    return facts + [text % {"names": ", ".join(names)} for names, text in named if names]


def _as_json(offer: Offer) -> dict[str, Any]:
    merge = offer.merge
    return {
        "update_available": merge is not None,
        "seal": offer.seal,
        "conflicts": [
            {"key": c.key, "mine": c.mine, "new": c.new, "suggested": c.suggested, "choices": list(c.choices)}
            for c in (() if merge is None else merge.conflicts)
        ],
        "files": {"added": offer.added, "replaced": offer.replaced, "kept": offer.kept},
        "can_undo": offer.can_undo,
    }
