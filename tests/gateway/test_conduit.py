"""Large answers, whose bytes go past the event loop's transports: whole, bounded, torn only visibly."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mograder.hub.gateway.conduit import BUFFER, Conduit, open_conduit
from tests.gateway.client import Connection, Hub, Torn, eventually
from tests.gateway.conftest import hub_process
from tests.gateway.test_call import FLAT, settled

MEBIBYTE = 1 << 20


class Owner:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.moves = 0
        self.news = asyncio.Event()

    def _tell(self, what: str) -> None:
        self.told.append(what)
        self.news.set()

    def conduit_moves(self) -> None:
        self.moves += 1

    def conduit_done(self, *, alone: bool) -> None:
        self._tell("done" if alone else "done, not alone")

    def conduit_torn(self) -> None:
        self._tell("torn")

    def conduit_cut(self) -> None:
        self._tell("cut")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


Session = Callable[[socket.socket, threading.Event], None]


def carry(size: int, session: Session, browser: Callable[[socket.socket], object]) -> list[str]:
    """Let ``session`` and ``browser`` talk through a conduit of ``size`` bytes; what its owner was told.

    The session also gets an event that says when that is.
    """
    theirs, source = socket.socketpair()
    sink, ours = socket.socketpair()
    told = threading.Event()

    async def main() -> list[str]:
        owner = Owner()
        conduit = Conduit(owner, source, sink, size, memoryview(bytearray(BUFFER)))
        threads = [
            threading.Thread(target=session, args=(theirs, told)),
            threading.Thread(target=browser, args=(ours,)),
        ]
        for thread in threads:
            thread.start()
        async with asyncio.timeout(20):
            await owner.news.wait()
        told.set()
        conduit.close()  # once more does no harm
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        return owner.told

    with theirs, ours:
        heard = asyncio.run(main())
    assert source.fileno() == sink.fileno() == -1
    return heard


def sends(data: bytes) -> Session:
    def send(end: socket.socket, _told: threading.Event) -> None:
        end.sendall(data)
        end.close()

    return send


def reads(size: int, into: list[bytes]) -> Callable[[socket.socket], None]:
    def read(end: socket.socket) -> None:
        got = b""
        while len(got) < size and (piece := end.recv(1 << 20)):
            got += piece
        into.append(got)

    return read


def holds(data: bytes) -> Session:
    def send(end: socket.socket, told: threading.Event) -> None:
        end.sendall(data)
        told.wait(20)

    return send


@pytest.mark.parametrize("size", [1, BUFFER, BUFFER + 1, 5 * MEBIBYTE])
def test_all_is_moved_and_not_a_byte_more(size: int) -> None:
    data, got = os.urandom(size), list[bytes]()
    assert carry(size, holds(data), reads(size, got)) == ["done"]
    assert got == [data]


def test_what_waits_behind_the_body_is_left_where_it_is_and_said() -> None:
    data, got = os.urandom(MEBIBYTE), list[bytes]()
    session = holds(data + b"HTTP/1.1 200 OK\r\n")
    assert carry(MEBIBYTE, session, reads(MEBIBYTE, got)) == ["done, not alone"]
    assert got == [data]


def test_a_session_that_ends_too_early_is_torn() -> None:
    got = list[bytes]()
    assert carry(2 * MEBIBYTE, sends(b"a" * MEBIBYTE), reads(MEBIBYTE, got)) == ["torn"]


def test_a_browser_that_vanishes_is_noticed() -> None:
    def session(end: socket.socket, _told: threading.Event) -> None:
        with pytest.raises(OSError):
            while True:
                end.sendall(b"a" * MEBIBYTE)

    def browser(end: socket.socket) -> None:
        end.recv(1000)
        end.close()

    assert carry(1 << 40, session, browser) == ["cut"]


def test_without_descriptors_there_is_no_conduit_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plugged(asyncio.Transport):
        def __init__(self, **extra: object) -> None:
            super().__init__(extra)

    async def main() -> None:
        a, b = socket.socketpair()
        with a, b:
            whole, buffer = (Plugged(socket=a), Plugged(socket=b)), memoryview(bytearray(10))
            before = descriptors()
            assert open_conduit(Owner(), whole[0], Plugged(socket=b, sslcontext=object()), 1, buffer) is None
            assert open_conduit(Owner(), whole[0], Plugged(), 1, buffer) is None
            real, left = os.dup, [1]

            def scarce(descriptor: int) -> int:
                if not left:
                    raise OSError(24, "Too many open files")
                left.pop()
                return real(descriptor)

            monkeypatch.setattr(os, "dup", scarce)
            assert open_conduit(Owner(), *whole, 1, buffer) is None
            assert open_conduit(Owner(), *whole, 1, buffer) is None
            monkeypatch.setattr(os, "dup", real)
            conduit = open_conduit(Owner(), *whole, 1, buffer)
            assert conduit is not None and descriptors() == before + 2
            conduit.close()
            assert descriptors() == before

    asyncio.run(main())


def drained(connection: Connection, size: int) -> bytes:
    """Read so many bytes, sooner than the hub gets tired of an idle connection."""
    got = bytearray(connection.buffer)
    while len(got) < size:
        got += connection.socket.recv(1 << 20)
    connection.buffer = bytes(got[size:])
    return bytes(got[:size])


# In the whole gateway: ``spliced`` runs on uvloop, ``hasty`` on asyncio with all time-outs at one second.


@pytest.mark.parametrize("size", [300_000, 5_000_000, 50_000_000])
def test_a_large_answer_arrives_whole_and_the_connection_goes_on(hub: Hub, size: int) -> None:
    with hub.connect() as connection:
        for _ in range(3):
            connection.send(hub.head(b"sized?n=%d" % size)).until(b"\r\n\r\n")
            assert b"s" * size == drained(connection, size)
            assert connection.send(hub.head(b"ok")).reply().body == b"ok"


def test_pipelined_requests_behind_a_large_answer_are_answered_in_order(hub: Hub) -> None:
    sizes = [5_000_000, 3, 400_000, 2_000_000, 0]
    with hub.connect() as connection:
        connection.send(b"".join(hub.head(b"sized?n=%d" % size) for size in sizes) + hub.head(b"/hub/whoami"))
        assert [len(connection.reply().body) for _ in sizes] == sizes
        assert connection.reply().status == 200


def test_large_answers_without_keep_alive_end_with_the_connection(spliced: Hub) -> None:
    for extra, version in ((b"Connection: close\r\n", b"1.1"), (b"", b"1.0")):
        with spliced.connect() as connection:
            connection.send(spliced.head(b"sized?n=5000000", extra=extra, version=version))
            assert len(connection.reply().body) == 5_000_000
            assert connection.ended()


def test_head_of_something_large_has_no_body(hub: Hub) -> None:
    with hub.connect() as connection:
        reply = connection.send(hub.head(b"sized?n=5000000", b"HEAD")).reply(head_only=True)
        assert reply.one("content-length") == "5000000"
        assert connection.send(hub.head(b"ok")).reply().body == b"ok"


def test_other_connections_are_served_while_many_large_answers_flow(spliced: Hub) -> None:
    readers = []
    for _ in range(8):

        def read() -> None:
            with spliced.connect(seconds=60) as connection:
                assert len(connection.send(spliced.head(b"sized?n=20000000")).reply().body) == 20_000_000

        readers.append(threading.Thread(target=read))
    for thread in readers:
        thread.start()
    answered = 0
    while any(thread.is_alive() for thread in readers):
        assert spliced.get(b"/hub/whoami").status == 200
        answered += 1
    assert answered > 3


def test_a_large_answer_that_is_torn_never_ends_cleanly(hub: Hub) -> None:
    hub.events()
    with hub.connect() as connection, pytest.raises(Torn):
        connection.send(hub.head(b"dielate?n=5000000")).reply()
    assert ["lost", "alice-t1"] in hub.events()
    assert hub.get(b"ok").body == b"ok"


def test_a_second_answer_behind_a_large_one_reaches_nobody(hub: Hub) -> None:
    with hub.connect() as connection:
        for _ in range(5):
            assert connection.send(hub.head(b"twice?n=3000000")).reply().body == b"t" * 3_000_000
            assert connection.send(hub.head(b"ok")).reply().body == b"ok"


def test_browsers_that_leave_at_any_point_of_a_large_answer_leave_nothing_behind(spliced: Hub) -> None:
    spliced.get(b"sized?n=5000000")
    before = spliced.descriptors()
    for taken in (0, 100, 70_000, 300_000, 1_000_000, 4_000_000):
        for goodbye in ("close", "reset"):
            with spliced.connect(receive_buffer=65536) as connection:
                connection.send(spliced.head(b"sized?n=5000000")).take(taken)
                if goodbye == "reset":
                    connection.reset()
    assert eventually(lambda: spliced.descriptors() <= before + 2, seconds=12)
    assert spliced.get(b"sized?n=5000000").body == b"s" * 5_000_000


def test_a_browser_that_leaves_a_large_answer_stops_the_session(spliced: Hub) -> None:
    with spliced.connect() as connection:
        connection.send(spliced.head(b"push?n=500000000")).take(10_000_000)
        connection.reset()
    assert eventually(lambda: spliced.session(b"pushed")["ended"] == "broken off")


def test_memory_stays_flat_while_a_large_answer_is_read_slowly(hub: Hub) -> None:
    hub.get(b"push?n=5000000")
    before = highest = hub.rss()
    with hub.connect(receive_buffer=65536) as connection:
        connection.send(hub.head(b"push?n=500000000")).until(b"\r\n\r\n")
        for _ in range(40):
            connection.take(500_000)
            connection.buffer = b""
            highest = max(highest, hub.rss())
        assert settled(hub)
        assert max(highest, hub.rss()) - before < FLAT
        connection.reset()
    assert eventually(lambda: hub.session(b"pushed")["ended"] == "broken off")


def test_a_large_answer_that_nobody_reads_is_given_up(hasty: Hub) -> None:
    with hasty.connect(receive_buffer=65536) as connection:
        connection.send(hasty.head(b"push?n=500000000")).take(3_000_000)
        assert eventually(lambda: hasty.session(b"pushed")["ended"] == "broken off", seconds=8)


def test_half_a_connection_still_gets_its_large_answer(spliced: Hub) -> None:
    with spliced.connect() as connection:
        connection.send(spliced.head(b"sized?n=30000000"))
        connection.socket.shutdown(socket.SHUT_WR)
        assert len(connection.reply().body) == 30_000_000
        assert connection.ended()


def test_a_hub_that_stops_amid_a_large_answer_ends_soon_and_tears_it(sessions: Path) -> None:
    with hub_process("protocol", sessions) as leaving, leaving.connect(receive_buffer=65536) as connection:
        connection.send(leaving.head(b"push?n=500000000")).take(3_000_000)
        leaving.process.terminate()
        leaving.process.wait(15)
        assert len(connection.rest()) < 400_000_000
    assert eventually(lambda: leaving.session(b"pushed")["ended"] == "broken off")


def test_a_hub_that_stops_lets_a_large_answer_arrive(sessions: Path) -> None:
    with hub_process("protocol", sessions) as leaving, leaving.connect() as connection:
        connection.send(leaving.head(b"sized?n=30000000")).until(b"\r\n\r\n")
        leaving.process.terminate()
        assert len(drained(connection, 30_000_000)) == 30_000_000
        assert connection.ended()
