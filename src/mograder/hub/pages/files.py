"""The route of the page about the files beside a notebook."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from mograder.errors import NotFound
from mograder.hub.api.access import Work, requires
from mograder.hub.api.files import belongings
from mograder.hub.belongings import Shelf
from mograder.hub.coursework import Coursework
from mograder.hub.files import Entry
from mograder.hub.identity.model import Identity
from mograder.hub.identity.policy import Action
from mograder.hub.pages import file_views as views
from mograder.hub.pages.common import page
from mograder.hub.pages.language import N_, gettext
from mograder.hub.pages.render import render
from mograder.hub.pages.version_views import VersionRow
from mograder.hub.pages.views import Flash

router = APIRouter(include_in_schema=False)

_SAID = {
    "stored": N_("The files are uploaded. Of what they replaced the earlier ones are kept below."),
    "deleted": N_("The file is deleted. It is kept below, under the earlier files."),
    "restored": N_("The file is back."),
}
_KEPT = 50


@router.get("/files/{user}/{item}")
async def files(
    request: Request,
    user: str,
    item: str,
    who: Identity = requires(Action.VIEW_WORK),
    work: Coursework = Work,
    done: str = "",
    undo: str = "",
) -> Response:
    """What lies beside a notebook, how much room there is, and earlier files."""
    mine = belongings(request)
    try:
        shelf = await mine.look(user, item)
    except NotFound:
        await work.published(item)
        shelf = Shelf((), 0, mine.quota, ())
    view = views.Files(
        page(request, who),
        user,
        item,
        datetime.now(UTC),
        shelf.used,
        shelf.quota,
        request.app.state.max_upload,
        tuple(_row(one) for one in shelf.files),
        tuple(
            views.KeptFile(one.file, VersionRow(one.id, one.when, one.reason, one.size))
            for one in shelf.kept[:_KEPT]
        ),
        Flash(gettext(_SAID[done])) if done in _SAID else None,
        undo if any(one.id == undo for one in shelf.kept) else "",
    )
    return HTMLResponse(render(view))


def _row(entry: Entry) -> views.FileRow:
    when = datetime.fromtimestamp(min(max(entry.modified, 0), 4_102_444_800), UTC).astimezone()
    shown = entry.path.encode("utf-8", "replace").decode()  # a name on disk may be no text at all
    return views.FileRow(shown, entry.size, when, linked=shown == entry.path)
