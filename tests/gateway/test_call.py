"""Sessions that die, dawdle, lie or do not read: what the browser gets, what the hub hears, what it costs."""

from __future__ import annotations

import pytest

from tests.gateway.client import Hub, Torn, eventually

NONSENSE = [b"dupcl", b"samecl", b"clte", b"r101", b"r999", b"hugehead", b"nonsense", b"bareheader"]


@pytest.mark.parametrize("path", NONSENSE)
def test_an_answer_that_breaks_http_becomes_502(hub: Hub, path: bytes) -> None:
    reply = hub.get(path)
    assert (reply.status, reply.body) == (502, b"The session's answer makes no sense.")


@pytest.mark.parametrize("path", [b"die", b"diechunk"])
def test_a_torn_answer_never_ends_cleanly(hub: Hub, path: bytes) -> None:
    hub.events()
    with pytest.raises(Torn) as torn:
        hub.get(path)
    assert not torn.value.got.endswith(b"0\r\n\r\n")
    assert ["lost", "alice-t1"] in hub.events()


def test_a_session_that_hangs_up_at_once_is_lost(hub: Hub) -> None:
    hub.events()
    assert hub.get(b"dienohead").status == 502
    assert ["lost", "alice-t1"] in hub.events()


def test_a_session_that_is_not_there_is_lost(hub: Hub) -> None:
    hub.events()
    reply = hub.get(b"/edit/user/alice/dead/")
    assert (reply.status, reply.body) == (502, b"The session does not answer.")
    assert ["lost", "alice-dead"] in hub.events()


def test_a_kept_connection_that_the_session_closed_is_replaced(hub: Hub) -> None:
    for _ in range(10):
        assert hub.get(b"close").body == b"closing"
        assert hub.get(b"ok").body == b"ok"


def test_connections_to_a_session_are_reused(hub: Hub) -> None:
    hub.get(b"ok")
    before = hub.descriptors()
    for _ in range(20):
        hub.get(b"ok")
    assert hub.descriptors() <= before + 1


def test_idle_connections_are_closed(spliced: Hub) -> None:
    spliced.get(b"ok")
    assert spliced.session(b"idle")["connections"] > 0
    assert eventually(lambda: spliced.session(b"idle")["connections"] == 0, seconds=8)


def test_a_session_that_does_not_answer_times_out(hasty: Hub) -> None:
    assert hasty.get(b"hang").status == 504


def test_a_client_that_does_not_send_its_body_times_out(hasty: Hub) -> None:
    with hasty.connect() as connection:
        connection.send(hasty.head(b"up", b"POST", b"Content-Length: 100\r\n") + b"half")
        assert connection.reply().status == 408


def test_a_client_that_does_not_read_is_dropped(hasty: Hub) -> None:
    with hasty.connect(receive_buffer=65536) as connection:
        connection.send(hasty.head(b"push?n=500000000"))
        assert eventually(lambda: hasty.session(b"pushed")["ended"] == "broken off", seconds=8)


def test_one_session_can_not_use_up_the_hubs_connections(hasty: Hub) -> None:
    """Eight at once in this hub; the ninth is told so."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        held = [stack.enter_context(hasty.connect()) for _ in range(8)]
        for connection in held:
            connection.send(hasty.head(b"held")).until(b"first\n\n")
        assert hasty.get(b"ok").status == 503
        hasty.session(b"release")
        for connection in held:
            connection.rest_of_chunks()
    assert hasty.get(b"ok").status == 200


def test_an_answer_that_goes_on_ends_with_what_let_its_reader_in(hub: Hub) -> None:
    with hub.connect() as connection, hub.connect() as stays:
        connection.send(hub.head(b"held")).until(b"first\n\n")
        assert eventually(lambda: hub.get(b"/hub/end/nobody").json() == ["alice"])
        stays.send(hub.head(b"held", b"POST", b"Content-Length: 0\r\n")).until(b"first\n\n")
        assert hub.get(b"/hub/end/alice").status == 200
        with pytest.raises(Torn):
            connection.rest_of_chunks()
        hub.session(b"release")
        assert stays.rest_of_chunks() == b"last\n\n"  # a change is carried out, and told to its end
    assert eventually(lambda: hub.get(b"/hub/end/nobody").json() == [])


MEBIBYTE = 1 << 20


FLAT = 4 * MEBIBYTE
"""What the memory of a hub may grow by, once it has done the same before."""


def test_memory_stays_flat_while_a_client_does_not_read(hub: Hub) -> None:
    hub.get(b"push?n=5000000")
    before = hub.rss()
    with hub.connect(receive_buffer=65536) as connection:
        connection.send(hub.head(b"push?n=500000000"))
        assert settled(hub)
        assert hub.session(b"pushed")["ended"] is None
        assert hub.rss() - before < FLAT
        connection.reset()
    assert eventually(lambda: hub.session(b"pushed")["ended"] == "broken off")


def test_memory_stays_flat_while_a_pipelining_client_does_not_read(spliced: Hub) -> None:
    spliced.get(b"push?n=5000000")
    before = spliced.rss()
    with spliced.connect(receive_buffer=65536) as connection:
        connection.send(
            spliced.head(b"push?n=500000000") + spliced.head(b"push?n=500000000") + spliced.head(b"ok")
        )
        assert settled(spliced)
        assert spliced.session(b"pushed")["ended"] is None
        assert spliced.rss() - before < FLAT
        connection.reset()


def test_memory_stays_flat_while_a_session_does_not_read(hub: Hub) -> None:
    hub.ask(hub.post(b"up", b"A" * 5_000_000))
    before, sent = hub.rss(), 0
    with hub.connect(seconds=1) as connection:
        connection.send(hub.head(b"hang", b"POST", b"Content-Length: 500000000\r\n"))
        with pytest.raises(TimeoutError):
            while True:
                sent += connection.socket.send(b"A" * 65536)
        assert hub.rss() - before < FLAT
        assert sent < 32 * MEBIBYTE


def settled(hub: Hub) -> bool:
    """Wait until a pushing session has been stopped by back-pressure: two looks find the same count."""
    counts = [-1]

    def looks_still() -> bool:
        counts.append(hub.session(b"pushed")["bytes"])
        return counts[-1] > 0 and len(counts) > 10 and len(set(counts[-10:])) == 1

    return eventually(looks_still)
