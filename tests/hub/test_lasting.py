"""``mograder.hub.lasting``: an answer that goes on ends with what let its reader in, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mograder.hub.gateway.granted import Granted
from mograder.hub.gateway.model import NOBODY, Grant
from mograder.hub.lasting import Lasting
from mograder.hub.middleware import Message, Receive, Scope, Send

ALICE, BOB = Grant("alice", login="1"), Grant("bob", login="2")
EVENTS, FILE = b"text/event-stream; charset=utf-8", b"application/zip"


class World:
    """One request to an application that says ``pieces`` and then goes on for ever."""

    def __init__(self, kind: bytes, pieces: int = 1, method: str = "GET", grant: Grant = ALICE) -> None:
        self.granted = Granted()
        self.kind, self.pieces = kind, pieces
        self.scope: Scope = {"type": "http", "method": method, "state": {"grant": grant}}
        self.sent: list[Message] = []
        self.tidied = False
        self.waits = asyncio.Event()
        self.go_on = asyncio.Event()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            fields = [(b"content-type", self.kind)]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            for _ in range(self.pieces):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            self.waits.set()
            await self.go_on.wait()
            await send({"type": "http.response.body", "body": b"last"})
        finally:
            self.tidied = True

    async def until(self, then: Callable[[], None]) -> bool:
        """Ask, do ``then`` while the answer goes on; whether it has ended soon after."""

        async def send(message: Message) -> None:
            self.sent.append(message)

        async def receive() -> Message:
            raise AssertionError

        asking = asyncio.ensure_future(Lasting(self.app, self.granted)(self.scope, receive, send))
        await self.waits.wait()
        then()
        done, _ = await asyncio.wait([asking], timeout=0.05)
        if not done:
            self.go_on.set()
        await asking
        assert self.granted.grants == []
        return bool(done)

    def end(self, *grants: Grant) -> bool:
        def twice() -> None:
            for _ in range(2):
                self.granted.end(lambda one: one in grants)

        return asyncio.run(self.until(twice))


@pytest.mark.parametrize("pieces", [0, 3])
def test_a_stream_of_events_ends_as_if_it_had_no_more(pieces: int) -> None:
    world = World(EVENTS, pieces)
    assert world.end(ALICE)
    assert world.tidied
    assert world.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_a_file_is_torn_and_does_not_look_whole() -> None:
    world = World(FILE)
    assert world.end(ALICE)
    assert world.tidied
    assert world.sent[-1]["more_body"]


@pytest.mark.parametrize("kind", [EVENTS, FILE])
def test_somebody_elses_end_ends_nothing(kind: bytes) -> None:
    world = World(kind)
    assert not world.end(BOB)
    assert world.sent[-1]["body"] == b"last"


def test_a_change_that_is_under_way_is_told_to_its_end() -> None:
    world = World(EVENTS, method="POST")
    assert not world.end(ALICE)
    assert world.sent[-1]["body"] == b"last"


def test_what_nobody_was_let_in_for_goes_on() -> None:
    assert not World(EVENTS, grant=NOBODY).end(NOBODY)


def test_a_time_out_of_the_applications_own_is_its_own() -> None:
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    async def ask() -> None:
        await Lasting(late, Granted())(World(EVENTS).scope, None, None)  # type: ignore[arg-type]  # unused

    with pytest.raises(TimeoutError):
        asyncio.run(ask())


@pytest.mark.parametrize("kind", [EVENTS, FILE])
def test_what_ended_before_the_first_piece_was_there_ends_the_answer_too(kind: bytes) -> None:
    world = World(kind)
    world.granted = Granted(holds=lambda _: False)
    assert asyncio.run(world.until(lambda: None))
    assert world.tidied
