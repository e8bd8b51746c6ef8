"""Large answers: whole, bounded in memory, torn only visibly, and nothing is left behind, wherever one side stops."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tests.gateway.client import Connection, Hub, Torn, eventually
from tests.gateway.conftest import hub_process
from tests.gateway.test_call import FLAT, settled


def drained(connection: Connection, size: int) -> bytes:
    """Read so many bytes, sooner than the hub gets tired of an idle connection."""
    got = bytearray(connection.buffer)
    while len(got) < size:
        got += connection.socket.recv(1 << 20)
    connection.buffer = bytes(got[size:])
    return bytes(got[:size])


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
