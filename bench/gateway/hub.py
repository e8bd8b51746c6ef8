"""The process that is measured: ``python -m bench.gateway.hub VARIANT SESSION_SOCKET`` prints its port.

VARIANT: "protocol" and "asgi" are the product's gateway in its two forms, "httpx" is the usual proxy of an
application, "authz" answers nginx's ``auth_request`` as a route of an application does.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import hmac
import socket
import sys
from typing import Any

import uvicorn

from mograder.hub.gateway.asgi import GatewayApp
from mograder.hub.gateway.model import Activity, Refusal, RequestHead, Route, Save, Target
from mograder.hub.gateway.options import Limits, Options
from mograder.hub.gateway.protocol import protocol_class

SECRET = b"measured, not kept"
PREFIX = "/edit/user/alice/A1/"


def cookie() -> str:
    """Return the cookie of the person who is measured."""
    return "hub=alice." + hmac.new(SECRET, b"alice", hashlib.sha256).hexdigest()


@functools.lru_cache(maxsize=4096)
def person(value: bytes) -> str | None:
    name, _, mac = value.partition(b".")
    good = hmac.new(SECRET, name, hashlib.sha256).hexdigest().encode()
    return name.decode() if hmac.compare_digest(mac, good) else None


def viewer(headers: Any) -> str | None:
    for name, value in headers:
        if name == b"cookie":
            for part in value.split(b";"):
                key, _, content = part.strip().partition(b"=")
                if key == b"hub":
                    return person(content)
    return None


class Door:
    """Signed cookie, one session."""

    def __init__(self, session: str) -> None:
        self.target = Target(session, PREFIX, "measured", "A1.py")

    def admit(self, route: Route, head: RequestHead) -> Target | Refusal:
        return self.target if viewer(head.headers) == route.user else Refusal(403)

    def refused(self, route: Route, head: RequestHead, refusal: Refusal) -> None: ...

    def activity(self, session_id: str, kind: Activity) -> None: ...

    def save(self, session_id: str, stage: Save) -> None: ...

    def upstream_lost(self, session_id: str) -> None: ...


async def hub(scope: Any, receive: Any, send: Any) -> None:
    """Say yes to who is signed in, and nothing else."""
    status = 200 if viewer(scope["headers"]) else 401
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def settings(variant: str, session: str) -> dict[str, Any]:
    options = Options(limits=Limits(connections_per_session=4000))
    if variant == "httpx":
        from bench.gateway.httpx_proxy import proxy

        return {"app": proxy(hub, session, viewer), "http": "httptools"}
    if variant == "authz":
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import Response
        from starlette.routing import Route as Path

        async def authz(request: Request) -> Response:
            status = 204 if viewer(request.scope["headers"]) else 401
            return Response(status_code=status, headers={"x-session-socket": session})

        return {"app": Starlette(routes=[Path("/authz", authz)]), "http": "httptools"}
    if variant == "asgi":
        return {"app": GatewayApp(hub, Door(session), options), "http": "httptools"}
    return {"app": hub, "http": protocol_class(Door(session), options)}


def main(variant: str, session: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    config = uvicorn.Config(
        **settings(variant, session),
        loop="uvloop",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
