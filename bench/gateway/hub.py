"""The process that is measured: ``python -m bench.gateway.hub VARIANT COURSE SOCKET`` prints its port and a cookie.

VARIANT: "protocol" and "asgi" are the product's gateway in its two forms, in front of the whole hub; "httpx" is the
usual proxy of an application, "authz" answers nginx's ``auth_request`` as a route of an application does. Who may pass
is decided by the product's own door in all of them, for the cookie of a person who is logged in.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import uvicorn

from mograder.course import Course
from mograder.hub.app import Hub, build
from mograder.hub.gateway.asgi import GatewayApp
from mograder.hub.gateway.attach import attach
from mograder.hub.gateway.model import Headers, RequestHead, Target
from mograder.hub.gateway.options import Limits
from mograder.hub.gateway.options import Options as GatewayOptions
from mograder.hub.gateway.routing import Place, Router
from mograder.hub.identity.gate import COOKIE
from mograder.hub.identity.model import Role
from mograder.hub.server import gateway_options
from mograder.hub.settings import Options, combine, make_directories
from mograder.hub.store.state import SessionTable
from mograder.sessions.model import Handle, LaunchSpec, Session, SessionKey, State, Use

PREFIX = "/edit/user/alice/A1/"
# One person asks as fast as they are answered here. Everything is counted as always, and nothing refused.
CONFIG = """[hub]
session_requests_per_minute = 1000000000
websockets_per_user = 100000
"""


class Running:
    """A launcher whose one session, in C, runs already: implements `mograder.sessions.launchers.base.Launcher`."""

    name = "bench"

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def shutdown(self) -> None: ...

    def prepare(self, workspace: Path, user: str) -> None: ...

    async def warm(self, environment: str, python: Path, notebook: Path) -> None: ...

    def promise(self, spec: LaunchSpec) -> Handle:
        raise NotImplementedError

    async def launch(self, spec: LaunchSpec) -> Handle:
        raise NotImplementedError

    async def stop(self, handle: Handle) -> None: ...

    async def end_others(self, known: Iterable[Handle]) -> None: ...

    def alive(self, handle: Handle) -> bool:
        return True

    async def wait(self, handle: Handle) -> str:
        await asyncio.Event().wait()
        return ""

    async def measure(self, handles: Iterable[Handle]) -> list[Use | None]:
        return [None for _ in handles]


def hub(course: Path, session: str) -> tuple[Hub, str]:
    """Return a hub over ``course`` that has one session, and the cookie of the session's owner."""
    course.mkdir(parents=True, exist_ok=True)
    (course / "mograder.toml").write_text(CONFIG)
    (course / "allowed_users.txt").write_text("alice\n")
    settings = combine(Course.load(course), Options(), "s" * 40)
    make_directories(settings)
    made = build(settings, Running())
    key, now = SessionKey("edit", "alice", "A1"), time.time()
    home = settings.state_dir / "sessions" / "bench"
    home.mkdir(parents=True)
    row = Session(
        "bench",
        key,
        State.READY,
        Path(session),
        home,
        now,
        now,
        notebook="A1.py",
        handle=Handle(os.getpid(), 0.0),
    )
    SessionTable(made.engine).save(row)
    return made, f"{COOKIE}={made.app.state.logins.begin('alice', Role.STUDENT, 'proxy')}"


def options(made: Hub) -> GatewayOptions:
    """The product's, but that one person and one session may have all connections."""
    chosen = gateway_options(made)
    limits = Limits(connections_per_session=4000, connections_per_user=4000, connections_per_address=10_000)
    return dataclasses.replace(chosen, limits=limits)


class Decision:
    """What a route that answers ``auth_request`` calls: the product's router and door."""

    def __init__(self, made: Hub) -> None:
        self._door = made.door
        self._router = Router(gateway_options(made).legal_name)

    def __call__(self, method: str, target: bytes, headers: Headers, client: str) -> Target | None:
        place = self._router.find(target)
        if not isinstance(place, Place):
            return None
        admitted = self._door.admit(place.route, RequestHead(method, target, headers, client, "http", False))
        return admitted if isinstance(admitted, Target) else None


def authz(made: Hub) -> Any:
    """Return the application that nginx asks. Its last route is everything else of the hub's, its lifespan included."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    decide = Decision(made)

    async def answer(request: Request) -> Response:
        headers, client = request.scope["headers"], request.client
        asked = request.headers["x-original-uri"].encode("latin-1")
        target = decide(request.headers["x-original-method"], asked, headers, client.host if client else "")
        if target is None:
            return Response(status_code=401)
        return Response(status_code=204, headers={"x-session-socket": target.socket_path})

    return Starlette(
        routes=[Route("/authz", answer)], lifespan=lambda _: made.app.router.lifespan_context(made.app)
    )


def with_nothing(app: Any) -> Any:
    """Return ``app`` with one path that is answered with nothing at all: what every answer through uvicorn costs."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != "/hub/nothing":
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return answer


def settings(variant: str, made: Hub, session: str) -> dict[str, Any]:
    if variant == "authz":
        return {"app": authz(made), "http": "httptools"}
    if variant == "httpx":
        from bench.gateway.httpx_proxy import proxy

        return {"app": proxy(made.app, session, Decision(made)), "http": "httptools"}
    app = with_nothing(made.app)
    if variant == "asgi":
        return {"app": GatewayApp(app, made.door, options(made)), "http": "httptools"}
    attached = attach(app, made.door, options(made))
    assert attached.trouble is None
    return {"app": attached.app, **attached.settings}


class Server(uvicorn.Server):
    """Collects garbage as the product's server does, and says when it is ready."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        print(self.ready, flush=True)


def main(variant: str, course: str, session: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    made, cookie = hub(Path(course), session)
    chosen = {"proxy_headers": False, "server_header": False, **settings(variant, made, session)}
    config = uvicorn.Config(
        **chosen, loop="uvloop", log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = Server(config)
    server.ready = f"{listener.getsockname()[1]} {cookie}"
    server.run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
