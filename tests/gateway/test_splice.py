"""WebSockets through the gateway: every feature end to end, nothing that is not a WebSocket, bounded memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.gateway.client import PREFIX, Connection, Hub, eventually, frame, masked
from tests.gateway.conftest import hub_process

MEBIBYTE = 1 << 20
WS = "/edit/user/alice/w1/ws"


def dial(hub: Hub, path: str = WS, **settings: Any) -> connect:
    headers = {
        "Cookie": "hub=alice; sso=SECRET",
        "Authorization": "Bearer SECRET",
        "X-Forwarded-User": "SECRET",
    }
    settings.setdefault("subprotocols", ["v9", "marimo"])
    settings.setdefault("origin", hub.origin.decode())
    return connect(
        f"ws://127.0.0.1:{hub.port}{path}",
        additional_headers=settings.pop("headers", headers),
        max_size=None,
        ping_interval=None,
        **settings,
    )


def run(hub: Hub, talk: Callable[[ClientConnection], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), dial(hub, **settings) as socket:
            await talk(socket)

    asyncio.run(main())


async def state(hub: Hub) -> dict[str, Any]:
    async with dial(hub) as socket:
        await socket.send("CMD state")
        return dict(json.loads(await socket.recv()))


@pytest.mark.parametrize(
    "message",
    ["héllo", b"\0\xff" * 1000, "", "x" * 3_000_000, os.urandom(9_000_000)],
    ids=["text", "binary", "empty", "3 MB", "9 MB"],
)
def test_messages_come_back_as_they_went(hub: Hub, message: str | bytes) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send(message)
        assert await socket.recv() == message

    run(hub, talk)


def test_a_message_of_20_megabytes_passes(spliced: Hub) -> None:
    big = os.urandom(20_000_000)

    async def talk(socket: ClientConnection) -> None:
        await socket.send(big)
        assert await socket.recv() == big

    run(spliced, talk)


def test_a_message_in_fragments_arrives_whole(hub: Hub) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send(iter(["ab"] * 5))
        assert await socket.recv() == "ab" * 5

    run(hub, talk)


def test_the_subprotocol_is_the_sessions_choice(hub: Hub) -> None:
    async def talk(socket: ClientConnection) -> None:
        assert socket.subprotocol == "marimo"

    run(hub, talk)


def test_compression_is_agreed_between_browser_and_session(spliced: Hub) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send("CMD state")
        assert "PerMessageDeflate" in json.loads(await socket.recv())["extensions"]
        assert [type(e).__name__ for e in socket.protocol.extensions] == ["PerMessageDeflate"]

    run(spliced, talk)


def test_nothing_of_the_hubs_crosses_in_a_handshake(hub: Hub) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send("CMD state")
        headers = json.loads(await socket.recv())["headers"]
        assert "SECRET" not in str(headers) and "hub=" not in str(headers)
        assert ["origin", hub.origin.decode()] in [[k.lower(), v] for k, v in headers]

    run(hub, talk)


def test_pings_of_both_sides_are_answered_by_the_other(spliced: Hub) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send("CMD ping")
        assert await socket.recv() == "ponged"
        await (await socket.ping(b"abc"))

    run(spliced, talk)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 4001])
def test_a_sessions_goodbye_reaches_the_browser(hub: Hub, code: int) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send(f"CMD close {code}")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (code, "bye")

    run(hub, talk)


def test_a_browsers_goodbye_reaches_the_session(hub: Hub) -> None:
    async def main() -> None:
        async with dial(hub) as socket:
            await socket.close(4007, "cli")
        assert (await state(hub))["last_close"] == [4007, "cli"]

    asyncio.run(main())


def test_a_session_that_dies_is_noticed_at_once(hub: Hub) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send("CMD abort")
        async with asyncio.timeout(2):
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert socket.close_code in (1006, 1011)

    run(hub, talk)


def test_a_browser_that_vanishes_is_noticed_by_the_session(hub: Hub) -> None:
    async def main() -> None:
        socket = await dial(hub)
        await socket.send("x")
        await socket.recv()
        socket.transport.abort()
        async with asyncio.timeout(5):
            while (await state(hub)).get("last_close", [0])[0] not in (1000, 1001, 1005, 1006, 1011):
                pass

    asyncio.run(main())


REFUSED = {
    "nobody": ({"headers": {}}, 401),
    "another student": ({"path": "/edit/user/bob/w1/ws"}, 403),
    "another site": ({"origin": "http://evil.example"}, 403),
    "no origin": ({"origin": None}, 403),
    "the null origin": ({"origin": "null"}, 403),
    "no such session": ({"path": "/edit/user/alice/zz/ws"}, 404),
    "a session that is gone": ({"path": "/edit/user/alice/dead/ws"}, 502),
    "the terminal": ({"path": "/edit/user/alice/w1/terminal/ws"}, 403),
    "a language server": ({"path": "/edit/user/alice/w1/lsp/x"}, 403),
    "another file": ({"path": WS + "?file=/etc/passwd"}, 403),
    "the page's own address": ({"path": "/edit/user/alice/w1/"}, 403),
}


@pytest.mark.parametrize("who", REFUSED)
def test_a_handshake_that_may_not_pass_is_refused_with_its_status(hub: Hub, who: str) -> None:
    settings, status = REFUSED[who]

    async def main() -> None:
        with pytest.raises((InvalidStatus, Exception)) as refused:
            async with dial(hub, **dict(settings)):
                pytest.fail("was let in")
        assert isinstance(refused.value, InvalidStatus), refused.value
        assert refused.value.response.status_code == status

    asyncio.run(main())


def test_a_second_tab_of_the_owners_is_welcome(hub: Hub) -> None:
    async def main() -> None:
        async with dial(hub) as one, dial(hub) as two:
            await one.send("1")
            await two.send("2")
            assert (await one.recv(), await two.recv()) == ("1", "2")

    asyncio.run(main())


SMUGGLED = b"GET " + PREFIX + b"headers?SMUGGLED HTTP/1.1\r\nHost: x\r\nX-Remote-User: prof\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status"), [("refused", 403), ("ignored", 502), ("forged", 502), ("huge", 502)]
)
def test_a_session_that_does_not_switch_gets_no_tunnel(hub: Hub, answer: str, status: int) -> None:
    hub.seen()
    with hub.connect() as connection:
        got = connection.send(hub.upgrade(PREFIX + b"ws?as=" + answer.encode()) + SMUGGLED).rest()
    assert got.startswith(b"HTTP/1.1 %d " % status), got[:60]
    assert got.count(b"HTTP/1.1 ") == 1
    assert not any("SMUGGLED" in head for head in hub.seen())


def test_a_session_that_hangs_up_during_the_handshake_is_a_502(spliced: Hub) -> None:
    with spliced.connect() as connection:
        assert connection.send(spliced.upgrade(PREFIX + b"ws?as=gone")).reply().status == 502


def test_a_session_that_is_silent_during_the_handshake_is_a_504(hasty: Hub) -> None:
    with hasty.connect() as connection:
        assert connection.send(hasty.upgrade(PREFIX + b"ws?as=silent")).reply().status == 504


@pytest.mark.parametrize(
    ("handshake", "status"),
    [
        ({"version": b"7777"}, 426),
        ({"key": b"short"}, 400),
        ({"extra": b"Sec-WebSocket-Version: 13\r\n"}, 426),
        ({"extra": b"Content-Length: 5\r\n"}, 400),
        ({"upgrade": b"h2c"}, 501),
        ({"method": b"POST"}, 405),
    ],
    ids=["version", "key", "two versions", "a body", "h2c", "POST"],
)
def test_a_handshake_that_is_none_opens_nothing(
    spliced: Hub, handshake: dict[str, bytes], status: int
) -> None:
    spliced.seen()
    with spliced.connect() as connection:
        got = connection.send(spliced.upgrade(PREFIX + b"ws", **handshake) + b"AAAAA" + SMUGGLED).rest()
    assert got.startswith(b"HTTP/1.1 %d " % status), got[:60]
    assert not any("SMUGGLED" in head or "h2c" in head for head in spliced.seen())


def test_a_websocket_can_not_follow_an_unanswered_request(spliced: Hub) -> None:
    with spliced.connect() as connection:
        connection.send(spliced.head(b"sized?n=1000") + spliced.upgrade())
        assert [connection.reply().status for _ in range(2)] == [200, 400]
        assert connection.ended()


def test_a_websocket_may_follow_an_answered_request(spliced: Hub) -> None:
    with spliced.connect() as connection:
        assert connection.send(spliced.head(b"ok")).reply().status == 200
        opened(connection.send(spliced.upgrade()))


def test_the_hubs_own_websockets_still_work(hub: Hub) -> None:
    async def talk(socket: ClientConnection) -> None:
        await socket.send("own")
        assert await socket.recv() == "own"

    run(hub, talk, path="/hub/ws", subprotocols=None)


def opened(connection: Connection) -> Connection:
    """Read the answer to a handshake and check that it is the right one."""
    head = connection.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    return connection


def test_frames_sent_along_with_the_handshake_are_not_lost(spliced: Hub) -> None:
    with spliced.connect() as connection:
        opened(connection.send(spliced.upgrade() + masked(b"early")))
        assert connection.take(7) == frame(b"early")


def test_bytes_arrive_however_they_are_cut(spliced: Hub) -> None:
    with spliced.connect() as connection:
        opened(connection.send(spliced.upgrade()))
        for byte in masked(b"in pieces"):
            connection.send(bytes([byte]))
        assert connection.take(11) == frame(b"in pieces")


def test_a_browser_that_has_finished_sending_still_hears_the_session(spliced: Hub) -> None:
    import socket

    with spliced.connect() as connection:
        opened(connection.send(spliced.upgrade(PREFIX + b"ws?as=late")))
        connection.send(masked(b"last words"))
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.rest() == frame(masked(b"last words"), 2)


def test_memory_stays_flat_while_a_browser_does_not_read(spliced: Hub) -> None:
    asyncio.run(state(spliced))
    before = spliced.rss()
    with spliced.connect(receive_buffer=65536) as connection:
        connection.send(spliced.upgrade())
        connection.until(b"\r\n\r\n")
        connection.send(masked(b"CMD push 500000000"))
        counts: list[int] = []

        def stopped() -> bool:
            counts.append(asyncio.run(state(spliced)).get("pushed", 0))
            return counts[-1] > 0 and len(counts) > 5 and len(set(counts[-5:])) == 1

        assert eventually(stopped)
        assert counts[-1] < 64 * MEBIBYTE
        assert spliced.rss() - before < 4 * MEBIBYTE
        connection.reset()
    assert eventually(lambda: asyncio.run(state(spliced)).get("push_ended") == "broken off")


def test_a_browser_that_never_reads_is_dropped(hasty: Hub) -> None:
    with hasty.connect(receive_buffer=65536) as connection:
        connection.send(hasty.upgrade())
        connection.until(b"\r\n\r\n")
        connection.send(masked(b"CMD push 500000000"))
        assert eventually(lambda: asyncio.run(state(hasty)).get("push_ended") == "broken off", seconds=8)


STOPPED = (0, -signal.SIGTERM)  # uvicorn ends by the signal that stopped it


def activities(hub: Hub, session: str = "alice-w1") -> list[str]:
    return [event[2] for event in hub.events() if event[:2] == ["activity", session]]


def test_the_hub_hears_of_every_websocket_that_opens_and_ends(hub: Hub) -> None:
    hub.events()

    async def talk(socket: ClientConnection) -> None:
        await socket.send("x")
        await socket.recv()

    run(hub, talk)
    heard = activities(hub)
    assert heard[0] == "opened" and heard.count("opened") == 1
    assert "closed" in heard or eventually(lambda: "closed" in activities(hub))


def test_a_heartbeat_is_no_input_and_no_output(spliced: Hub) -> None:
    """marimo pings every second, and a browser answers: an idle tab must look idle."""
    with spliced.connect() as connection:
        opened(connection.send(spliced.upgrade()))
        assert eventually(lambda: not activities(spliced))  # what earlier tests did is reported by now
        for payload in (b"", b"\x01\x02\x03\x04", b"x" * 125):
            connection.send(masked(payload, 9))
            connection.take(len(frame(payload, 10)))
            connection.send(masked(payload, 10))
        heard = activities(spliced)
        assert set(heard) <= {"heartbeat"}
        connection.send(masked(b"hello"))
        connection.take(7)
        assert {"input", "output"} <= set(activities(spliced))


def test_whose_leave_ends_is_parted_with_and_others_go_on(hub: Hub) -> None:
    async def main() -> None:
        profs = {"Cookie": "hub=prof"}
        async with (
            asyncio.timeout(30),
            dial(hub) as alices,
            dial(hub) as hers_too,
            dial(hub, headers=profs) as other,
        ):
            assert hub.get(b"/hub/end/alice").status == 200
            for socket in (alices, hers_too):
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
                assert socket.close_code == 1008
            await other.send("still here")
            assert await other.recv() == "still here"
        async with asyncio.timeout(10), dial(hub) as again:
            await again.send("CMD state")
            await again.recv()

    asyncio.run(main())
    assert eventually(lambda: hub.get(b"/hub/end/nobody").json() == [])


def test_a_half_written_frame_ends_first_and_nothing_more_is_heard(spliced: Hub) -> None:
    with spliced.connect() as connection:
        opened(connection.send(spliced.upgrade() + masked(b"CMD half")))
        assert connection.take(7) == b"\x81\x0ahalf-"
        assert spliced.get(b"/hub/end/alice").status == 200
        connection.send(masked(b"CMD close 4001"))  # by whom it does not matter: nobody hears it
        spliced.session(b"release")
        assert connection.rest() == b"whole" + b"\x88\x02\x03\xf0"  # 1008, policy violation


@pytest.fixture
def leaving(sessions: Path) -> Any:
    with hub_process("protocol", sessions) as running:
        yield running


def test_a_stopping_hub_says_that_it_will_be_back(leaving: Hub) -> None:
    with leaving.connect() as connection:
        opened(connection.send(leaving.upgrade() + masked(b"x")))
        assert connection.take(3) == frame(b"x")
        leaving.process.send_signal(signal.SIGTERM)
        assert connection.rest() == b"\x88\x02\x03\xf4"  # 1012, service restart
    assert leaving.process.wait(3) in STOPPED


def test_a_stopping_hub_lets_a_half_written_frame_end_first(leaving: Hub) -> None:
    with leaving.connect() as connection:
        opened(connection.send(leaving.upgrade() + masked(b"CMD half")))
        assert connection.take(7) == b"\x81\x0ahalf-"
        leaving.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: not listens(leaving))
        leaving.session(b"release")
        assert connection.rest() == b"whole" + b"\x88\x02\x03\xf4"
    assert leaving.process.wait(3) in STOPPED


def listens(hub: Hub) -> bool:
    try:
        with hub.connect():
            return True
    except OSError:
        return False


def test_a_stopping_hub_finishes_the_answers_it_began(leaving: Hub) -> None:
    with leaving.connect() as connection:
        connection.send(leaving.head(b"held")).until(b"first\n\n")
        leaving.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: not listens(leaving))
        leaving.session(b"release")
        assert connection.rest_of_chunks() == b"last\n\n"
        assert connection.ended()
    assert leaving.process.wait(3) in STOPPED
