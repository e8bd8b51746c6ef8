"""All routes of the hub, and what an address among them names."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.routing import APIRoute

from mograder.hub.api import editor, files, handoff, teaching, versions
from mograder.hub.api import routes as api
from mograder.hub.pages import account, live, teach, teach_tables, teach_work, updates
from mograder.hub.pages import files as file_pages
from mograder.hub.pages import routes as pages
from mograder.hub.pages import versions as version_pages

ROUTERS = (
    api.router,
    teaching.router,
    editor.router,
    editor.lectures,
    handoff.router,
    versions.router,
    files.router,
    pages.router,
    live.router,
    version_pages.router,
    updates.router,
    account.router,
    file_pages.router,
    teach.router,
    teach_work.router,
    teach_tables.router,
)


def routes() -> list[APIRoute]:
    """Every route, in the order in which they are tried."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def named(path: str) -> Mapping[str, str] | None:
    """What a path names, decoded: ``user``, ``assignment`` and so on. None if no route has it."""
    for route in routes():
        if (found := route.path_regex.match(path)) is not None:
            return found.groupdict()
    return None
