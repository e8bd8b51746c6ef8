"""Carries a WebSocket between an ASGI server and a session, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin, Subprotocol

from mograder.errors import Malformed
from mograder.hub.gateway import answers
from mograder.hub.gateway.admission import Passage
from mograder.hub.gateway.answers import refuse
from mograder.hub.gateway.core import Gateway
from mograder.hub.gateway.model import Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LARGEST_MESSAGE = 64 << 20
_OURS = frozenset((b"host", b"origin", b"user-agent"))  # written by the client library
_UNSENDABLE = frozenset((1004, 1005, 1006, 1015))  # RFC 6455, 7.4.1


async def carry_socket(
    gateway: Gateway, decision: Passage | Refusal, scope: Message, receive: Receive, send: Send
) -> None:
    """Serve one WebSocket of an ASGI server."""
    await receive()  # websocket.connect
    if isinstance(decision, Refusal):
        await _refuse(decision, gateway.options.scheme, scope, send)
    elif not gateway.pool.enter(decision.target):
        busy = refuse(503, "This session has too many connections at once.")
        await _refuse(busy, decision.head.scheme, scope, send)
    else:
        try:
            await _carry(gateway, decision, scope, receive, send)
        finally:
            gateway.pool.leave(decision.target)


async def _carry(gateway: Gateway, passage: Passage, scope: Message, receive: Receive, send: Send) -> None:
    scheme = passage.head.scheme
    try:
        session = await _connect(gateway, passage, scope)
        fields = gateway.admission.answer_fields(passage, _headers(session))
    except InvalidStatus as error:
        status = error.response.status_code
        await _refuse(refuse(status if 400 <= status < 600 else 502), scheme, scope, send)
        return
    except (InvalidHandshake, Malformed):
        await _refuse(refuse(502), scheme, scope, send)
        return
    except (OSError, TimeoutError):
        await _refuse(gateway.admission.unreachable(passage), scheme, scope, send)
        return
    session_id = passage.target.session_id
    async with session:
        gateway.door.activity(session_id, "opened")
        try:
            kept = [pair for pair in fields if not pair[0].startswith(b"sec-websocket-")]
            await send({"type": "websocket.accept", "subprotocol": session.subprotocol, "headers": kept})
            await _pump_both(gateway, passage, session, receive, send)
        finally:
            gateway.door.activity(session_id, "closed")


async def _connect(gateway: Gateway, passage: Passage, scope: Message) -> ClientConnection:
    origin, agent = passage.head.header(b"origin"), passage.head.header(b"user-agent")
    fields = [
        (name.decode("ascii"), value.decode("latin-1"))
        for name, value in gateway.admission.request_fields(passage)
        if name not in _OURS and not name.startswith(b"sec-websocket-")
    ]
    return await unix_connect(
        passage.target.socket_path,
        f"ws://{passage.host.decode('ascii')}{passage.url.decode('latin-1')}",
        origin=Origin(origin.decode("latin-1")) if origin else None,
        subprotocols=[Subprotocol(name) for name in scope.get("subprotocols", ())] or None,
        additional_headers=fields,
        user_agent_header=agent.decode("latin-1") if agent else None,
        compression=None,
        ping_interval=None,
        max_size=_LARGEST_MESSAGE,
        max_queue=1,
        write_limit=gateway.limits.buffer,
        open_timeout=gateway.limits.connect_seconds,
        close_timeout=gateway.limits.linger_seconds,
    )


def _headers(session: ClientConnection) -> list[tuple[bytes, bytes]]:
    raw = session.response.headers.raw_items() if session.response else ()
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in raw]


async def _pump_both(
    gateway: Gateway, passage: Passage, session: ClientConnection, receive: Receive, send: Send
) -> None:
    """Carry messages until one side closes, or the person may not be here any more."""
    session_id, grant, revoked = passage.target.session_id, passage.target.grant, asyncio.Event()

    async def to_session() -> None:
        while (message := await receive())["type"] == "websocket.receive":
            gateway.report(session_id, "input", gateway.now())
            text = message.get("text")
            await session.send(message["bytes"] if text is None else text)
        code = message.get("code") or 1000
        await session.close(1000 if code in _UNSENDABLE else code, message.get("reason") or "")

    async def to_browser() -> None:
        async for data in session:
            gateway.report(session_id, "output", gateway.now())
            await send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})

    tasks = [asyncio.create_task(work) for work in (to_session(), to_browser(), _happens(revoked))]
    gateway.options.granted.enter(grant, revoked.set)
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gateway.options.granted.leave(grant, revoked.set)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, ConnectionClosed | OSError):
            raise result
    if tasks[2] in done:
        await send({"type": "websocket.close", "code": 1008})
    elif tasks[1] in done:  # the session ended it; the browser has not heard yet
        code = session.close_code or 1011
        code = 1011 if code == 1006 else 1000 if code in _UNSENDABLE else code
        await send({"type": "websocket.close", "code": code, "reason": session.close_reason or ""})


async def _happens(event: asyncio.Event) -> None:
    await event.wait()


async def _refuse(refusal: Refusal, scheme: str, scope: Message, send: Send) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send(
        {
            "type": "websocket.http.response.start",
            "status": refusal.status,
            "headers": answers.fields(refusal, scheme),
        }
    )
    await send({"type": "websocket.http.response.body", "body": refusal.body})
