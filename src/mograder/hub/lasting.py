"""Ends an answer that goes on and on when what let its reader in has ended: as with WebSockets, so with streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from mograder.hub.gateway.granted import Granted
from mograder.hub.gateway.model import NOBODY, Grant
from mograder.hub.middleware import App, Message, Receive, Scope, Send

_READING = frozenset(("GET", "HEAD"))


class Lasting:
    """Watches over answers that come in pieces. A change that is under way is carried out, and told to its end."""

    def __init__(self, app: App, granted: Granted) -> None:
        self._app = app
        self._granted = granted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        grant: Grant = scope.get("state", {}).get("grant", NOBODY)
        if scope["type"] != "http" or scope["method"] not in _READING or grant == NOBODY:
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as leave:
                end = partial(_at_once, leave, now)
                answer.on_more = lambda: self._granted.enter(grant, end)
                try:
                    await self._app(scope, receive, answer.send)
                finally:
                    self._granted.leave(grant, end)
        except TimeoutError:
            if not leave.expired():
                raise
            await answer.close()


def _at_once(leave: asyncio.Timeout, now: Callable[[], float]) -> None:
    if not leave.expired():
        leave.reschedule(now())


class _Answer:
    """An answer on its way. ``on_more`` is called when it turns out to be of events, or to have more than one piece."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_events = self._is_long = self._is_over = False
        self.on_more: Callable[[], None] = lambda: None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            self._is_events = bool(kinds) and kinds[0].startswith(b"text/event-stream")
            goes_on = self._is_events
        else:
            goes_on = message.get("more_body", False)
            self._is_over = not goes_on
        if goes_on and not self._is_long:
            self._is_long = True
            self.on_more()
        await self._send(message)

    async def close(self) -> None:
        """End a stream of events: its reader asks again, and hears why. All else is left torn, never as if whole."""
        if self._is_events and not self._is_over:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
