"""Every route states its action."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount

from mograder.course import Course
from mograder.hub.app import build
from mograder.hub.identity.policy import Action
from mograder.hub.routers import routes
from mograder.hub.settings import Options, combine
from mograder.sessions.launchers.process import ProcessLauncher

PUBLIC = {"/static/{version}/{name}"}


def actions(route: APIRoute) -> list[Action]:
    return [
        action
        for d in route.dependant.dependencies
        if (action := getattr(d.call, "action", None)) is not None
    ]


def test_the_hub_has_no_other_routes(tmp_path: Path) -> None:
    (tmp_path / "mograder.toml").write_text("")
    hub = build(combine(Course.load(tmp_path), Options(dev=True), ""), ProcessLauncher())
    hub.engine.dispose()
    found = []
    for route in hub.app.router.routes:
        if hasattr(route, "original_router"):
            found += route.original_router.routes
        elif not isinstance(route, Mount):
            found.append(route)
    described = {"/openapi.json"}
    assert {r.path for r in found} - described == {r.path for r in routes()}


def test_every_route_states_exactly_one_action() -> None:
    found = routes()
    assert len(found) > 20
    for route in found:
        if route.path not in PUBLIC:
            assert len(actions(route)) == 1, route.path


def test_what_names_a_user_is_never_open_to_everybody() -> None:
    for route in routes():
        if "{user}" in route.path:
            assert actions(route)[0] not in (Action.PUBLIC, Action.USE_HUB), route.path


@pytest.mark.parametrize("method", ["GET"])
def test_no_get_route_changes_anything(method: str) -> None:
    for route in routes():
        if method in route.methods:
            assert actions(route)[:1] not in ([Action.CHANGE_WORK], [Action.CONTROL_SESSION]), route.path


def test_what_routes_depend_on_is_at_hand_without_a_thread() -> None:
    for route in routes():
        for dependency in route.dependant.dependencies:
            assert asyncio.iscoroutinefunction(dependency.call), route.path
