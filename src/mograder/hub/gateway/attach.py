"""Puts the gateway in front of the hub's application, in the form that the installed uvicorn can carry."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from mograder.hub.gateway.asgi import App, GatewayApp, Message, Receive, Send
from mograder.hub.gateway.model import Activity, Door, Refusal, RequestHead, Route, Save
from mograder.hub.gateway.options import Options
from mograder.hub.gateway.protocol import HubProtocol, protocol_class

_log = logging.getLogger(__name__)
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Attached:
    """What to give to ``uvicorn.Config``: ``Config(attached.app, **attached.settings)``.

    ``trouble`` says why the gateway runs as plain ASGI; None if it runs inside uvicorn's protocol.
    """

    app: App
    settings: dict[str, Any]
    trouble: str | None


def attach(app: App, door: Door, options: Options | None = None) -> Attached:
    """Return ``app`` with the gateway in front of it.

    The fast form reaches into uvicorn. Whether it fits the installed uvicorn is tried out, on a connection that
    never leaves this process; if it does not, the same rules are served as plain ASGI, with a warning.
    """
    common: dict[str, Any] = {"proxy_headers": False, "server_header": False, "ws": "auto"}
    trouble = protocol_trouble()
    if trouble is None:
        return Attached(app, {"http": protocol_class(door, options), **common}, None)
    _log.warning("The gateway does not fit this uvicorn (%s). It works as plain ASGI, and slower.", trouble)
    return Attached(GatewayApp(app, door, options), {"http": "httptools", **common}, trouble)


def protocol_trouble() -> str | None:
    """Return what is wrong with `HubProtocol` in the installed uvicorn, or None."""
    try:
        with ThreadPoolExecutor(1) as thread:  # the caller may be on an event loop
            statuses = thread.submit(lambda: asyncio.run(_try_out())).result()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        return repr(error)
    return None if statuses == _EXPECTED else f"it answers {statuses} where {_EXPECTED} is right"


class _Closed:
    """A door that lets nobody in."""

    def admit(self, route: Route, head: RequestHead) -> Refusal:
        return Refusal(451)

    def refused(self, route: Route, head: RequestHead, refusal: Refusal) -> None: ...

    def activity(self, session_id: str, kind: Activity) -> None: ...

    def save(self, session_id: str, stage: Save) -> None: ...

    def upstream_lost(self, session_id: str) -> None: ...


async def _hub(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


_SESSION = b"GET /edit/user/a/b/ HTTP/1.1\r\nHost: h\r\n\r\n"
_HUB = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
_CONVERSATION = _SESSION + _HUB + _SESSION + _HUB + b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"
_EXPECTED = ["451", "299", "451", "299", "400"]


async def _try_out() -> list[str]:
    """Let a `HubProtocol` answer pipelined requests for session and hub; return the statuses."""
    kind: type[HubProtocol] = protocol_class(_Closed())
    config = Config(_hub, http=kind, log_config=None, lifespan="off", proxy_headers=False)
    config.load()
    ours, its = socket.socketpair()
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(
        lambda: kind(config=config, server_state=ServerState(), app_state={}), its
    )
    reader, writer = await asyncio.open_connection(sock=ours)
    writer.write(_CONVERSATION)
    async with asyncio.timeout(_SECONDS):
        heard = await reader.read()
    writer.close()
    return [status.decode() for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]
