"""A small hub for the tests: a door, an application, and the gateway between browser and sessions.

``python -m tests.gateway.hub_server VARIANT DIRECTORY SECONDS PORT`` with VARIANT "protocol", "asgi" or "weak" (without
policies) serves on loopback and prints its port. The cookie ``hub`` names who asks. SECONDS (if not 0) shortens every
time-out; PORT 0 takes a free one.
"""

from __future__ import annotations

import importlib.util
import json
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import uvicorn

from mograder.hub.gateway.answers import HUB_SECURITY
from mograder.hub.gateway.assets import Assets
from mograder.hub.gateway.granted import Granted
from mograder.hub.gateway.model import Activity, Grant, Refusal, RequestHead, Route, Save, Target
from mograder.hub.gateway.options import Limits, Options

COOKIE = b"hub"
Message = MutableMapping[str, Any]


class TestDoor:
    """Admits owners and "prof" to the sessions in ``directory``, and remembers what it is told."""

    __test__ = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.events: list[list[str]] = []
        self.granted = Granted()

    def admit(self, route: Route, head: RequestHead) -> Target | Refusal:
        who = viewer(head.headers)
        if who is None:
            return Refusal(303, b"", ((b"location", b"/login"),)) if not head.is_websocket else Refusal(401)
        if who not in (route.user, "prof"):
            return Refusal(403, b"Not yours.")
        name = {"t1": "http", "w1": "ws", "dead": "dead", "nb": "nb"}.get(route.item)
        if name is None:
            return Refusal(404, b"<p>start page</p>", ((b"content-type", b"text/html"),))
        prefix = f"/{route.kind}/user/{route.user}/{route.item}/"
        notebook = "nb.py" if route.item == "nb" else f"/w/{route.item}.py"  # one is real
        where, session_id = str(self.directory / f"{name}.sock"), f"{route.user}-{route.item}"
        return Target(where, prefix, session_id, notebook, grant=Grant(who))

    def refused(self, route: Route, head: RequestHead, refusal: Refusal) -> None:
        self.events.append(["refused", str(refusal.status)])

    def activity(self, session_id: str, kind: Activity) -> None:
        self.events.append(["activity", session_id, kind])

    def save(self, session_id: str, stage: Save) -> None:
        self.events.append(["save", session_id, stage])

    def upstream_lost(self, session_id: str) -> None:
        self.events.append(["lost", session_id])


def viewer(headers: Any) -> str | None:
    for name, value in headers:
        if name == b"cookie":
            for part in value.split(b";"):
                key, _, content = part.strip().partition(b"=")
                if key == COOKIE:
                    return str(content.decode("latin-1"))
    return None


class HubApp:
    """The hub's own application: who am I, what was reported, what headers came, an echoing WebSocket."""

    def __init__(self, door: TestDoor) -> None:
        self.door = door
        self.assets = Assets(door.directory / "assets")

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "websocket":
            await self.echo(receive, send)
            return
        if scope["path"].startswith("/_marimo/"):
            spec = importlib.util.find_spec("marimo")
            assert spec is not None and spec.origin is not None
            self.assets.store.add(metadata.version("marimo"), Path(spec.origin).parent / "_static")
            await self.assets({**scope, "root_path": "/_marimo"}, receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/hub/events":
            body: Any = list(self.door.events)
            self.door.events.clear()
        elif scope["path"].startswith("/hub/end/"):
            gone = scope["path"].rpartition("/")[2]
            self.door.granted.end(lambda grant: grant.user == gone)
            body = [grant.user for grant in self.door.granted.grants]
        elif scope["path"] == "/hub/headers":
            body = [[k.decode("latin-1"), v.decode("latin-1")] for k, v in scope["headers"]]
        else:
            body = {"user": viewer(scope["headers"]), "path": scope["path"]}
        data = json.dumps(body).encode()
        fields = [(b"content-length", b"%d" % len(data)), *HUB_SECURITY]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else data})

    async def echo(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text")})


def options(seconds: float | None) -> Options:
    if seconds is None:
        return Options(limits=Limits(body=1 << 30))
    return Options(
        limits=Limits(
            head_seconds=seconds,
            connect_seconds=seconds,
            answer_seconds=seconds,
            stalled_seconds=seconds,
            linger_seconds=seconds,
            body=1 << 20,
            connections_per_session=8,
        )
    )


def settings(variant: str, door: TestDoor, chosen: Options) -> dict[str, Any]:
    from mograder.hub.gateway.asgi import GatewayApp
    from mograder.hub.gateway.protocol import protocol_class

    app = HubApp(door)
    chosen = replace(chosen, granted=door.granted)
    if variant == "weak":
        chosen = replace(chosen, shared_origin=False)
    if variant != "asgi":
        return {"app": app, "http": protocol_class(door, chosen)}
    return {"app": GatewayApp(app, door, chosen), "http": "httptools"}


def main(variant: str, directory: Path, seconds: float | None, port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    config = uvicorn.Config(
        **settings(variant, TestDoor(directory), options(seconds)),
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="info" if variant == "asgi" else "warning",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=2,
        loop="uvloop" if variant == "protocol" and seconds is None else "asyncio",  # both must do
    )
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]) or None, int(sys.argv[4]))
