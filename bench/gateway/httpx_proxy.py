"""A proxy as applications usually have it: httpx for requests, the websockets package for WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed

HOP = {"connection", "keep-alive", "te", "trailers", "transfer-encoding", "upgrade", "host", "content-length"}


Decide = Callable[[str, bytes, Any, str], Any]


def proxy(hub: Any, session: str, decide: Decide) -> Starlette:
    """Return the application; ``hub`` answers what is not for the session, ``decide`` says who may pass to it."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=100)
    client = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=session, limits=limits), timeout=60)

    def may_pass(scope: Any) -> bool:
        target = scope["raw_path"]
        return decide(scope.get("method", "GET"), target, scope["headers"], scope["client"][0]) is not None

    async def carry(request: Request) -> Response:
        if not may_pass(request.scope):
            return Response(status_code=403)
        headers = {key: value for key, value in request.headers.items() if key not in HOP}
        answer = await client.request(
            request.method, f"http://session{request.url.path}", headers=headers, content=await request.body()
        )
        kept = {key: value for key, value in answer.headers.items() if key not in HOP}
        return Response(answer.content, answer.status_code, kept)

    async def relay(socket: WebSocket) -> None:
        if not may_pass(socket.scope):
            await socket.close(1008)
            return
        async with unix_connect(session, f"ws://session{socket.url.path}", max_size=None) as upstream:
            await socket.accept()

            async def up() -> None:
                while True:
                    message = await socket.receive()
                    if message["type"] == "websocket.disconnect":
                        return
                    text = message.get("text")
                    await upstream.send(message["bytes"] if text is None else text)

            async def down() -> None:
                async for message in upstream:
                    await (
                        socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message)
                    )

            tasks = [asyncio.create_task(up()), asyncio.create_task(down())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(
                    outcome, ConnectionClosed | WebSocketDisconnect
                ):
                    raise outcome

    path = "/edit/user/{user}/{item}/{rest:path}"
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]
    return Starlette(
        routes=[Route(path, carry, methods=methods), WebSocketRoute(path, relay), Mount("/", hub)],
        lifespan=lambda _: hub.router.lifespan_context(hub),
    )
