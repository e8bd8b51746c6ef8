"""Valid, mutilated and vanishing connections in random pieces: right answers, no log line, nothing left behind."""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import dataclass

import pytest

from tests.gateway.client import Connection, Hub, Torn, eventually, frame, masked

ROUNDS = 2000
MEBIBYTE = 1 << 20


@dataclass
class Case:
    """A request and the answer that must come: a status, and a body (None: any)."""

    request: bytes
    status: tuple[int, ...] = (200,)
    body: bytes | None = None
    head_only: bool = False


def chunked(dice: random.Random, data: bytes) -> bytes:
    out, at = b"", 0
    while at < len(data):
        piece = data[at : at + dice.randint(1, 9000)]
        out += b"%x\r\n%b\r\n" % (len(piece), piece)
        at += len(piece)
    return out + b"0\r\n\r\n"


def draw(hub: Hub, dice: random.Random) -> Case:
    """Draw one valid request."""
    kind = dice.choice(["get", "get", "head", "post", "chunks", "sized", "stream", "refused", "hub"])
    if kind == "get":
        return Case(hub.head(b"ok"), body=b"ok")
    if kind == "head":
        return Case(hub.head(b"ok", b"HEAD"), body=b"", head_only=True)
    if kind == "post":
        size = dice.choice([1, 100, 70_000, 300_000])
        return Case(hub.post(b"up", b"A" * size), body=b"%d" % size)
    if kind == "chunks":
        size = dice.randint(1, 50_000)
        head = hub.head(b"up", b"POST", b"Transfer-Encoding: chunked\r\n")
        if hub.variant == "asgi":
            return Case(hub.post(b"up", b"B" * size), body=b"%d" % size)
        return Case(head + chunked(dice, b"B" * size), body=b"%d" % size)
    if kind in ("sized", "stream"):
        size = dice.choice([1, 65_536, 700_000])
        return Case(
            hub.head(b"%b?n=%d" % (kind.encode(), size)), body=(b"s" if kind == "sized" else b"c") * size
        )
    if kind == "hub":
        return Case(hub.head(b"/hub/whoami"))
    target = dice.choice([b"/edit/user/bob/t1/x", b"/edit/user/alice/nosuch/x", b"/edit/user/alice/dead/x"])
    return Case(hub.head(target), status=(403, 404, 502))


def pieces(dice: random.Random, data: bytes) -> list[bytes]:
    small = [1, 2, 3, 7, 50] if len(data) < 3000 else []
    out, at = [], 0
    while at < len(data):
        step = dice.choice([*small, 1000, 65_536, 1_000_000])
        out.append(data[at : at + step])
        at += step
    return out


def send_in_pieces(connection: Connection, parts: list[bytes]) -> threading.Thread:
    def send() -> None:
        for part in parts:
            connection.send(part)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def valid(hub: Hub, dice: random.Random) -> None:
    cases = [draw(hub, dice) for _ in range(dice.randint(1, 5))]
    with hub.connect() as connection:
        sender = send_in_pieces(connection, pieces(dice, b"".join(case.request for case in cases)))
        for case in cases:
            reply = connection.reply(head_only=case.head_only)
            assert reply.status in case.status, (reply.status, case.request[:60])
            assert case.body is None or reply.body == case.body, case.request[:60]
        sender.join()


def mutilated(hub: Hub, dice: random.Random) -> None:
    data = bytearray(b"".join(draw(hub, dice).request for _ in range(3))[:20_000])
    for _ in range(dice.randint(1, 6)):
        at, kind = dice.randrange(len(data)), dice.random()
        if kind < 0.4:
            data[at] = dice.randrange(256)
        elif kind < 0.7:
            del data[at : at + dice.randint(1, 30)]
        else:
            data[at:at] = dice.randbytes(dice.randint(1, 20))
        data = data or bytearray(b"x")
    with hub.connect(seconds=0.02) as connection:
        with contextlib.suppress(OSError):
            connection.send(bytes(data)).rest()
        if dice.random() < 0.3:
            connection.reset()


def websocket(hub: Hub, dice: random.Random) -> None:
    with hub.connect() as connection:
        connection.send(hub.upgrade())
        if dice.random() < 0.3:
            return  # vanishes during the handshake
        connection.until(b"\r\n\r\n")
        payload = b"z" * dice.choice([0, 5, 125, 126, 70_000])
        for part in pieces(dice, masked(payload, 2)):
            connection.send(part)
        expected = frame(payload, 2)
        assert connection.take(len(expected)) == expected
        if dice.random() < 0.3:
            connection.reset()


@pytest.mark.timeout(120)
def test_two_thousand_random_connections_get_right_answers_and_leave_nothing_behind(hub: Hub) -> None:
    rounds = ROUNDS if hub.variant == "protocol" else ROUNDS // 10
    valid(hub, random.Random(0))
    descriptors, memory, logged = hub.descriptors(), hub.rss(), hub.log.read_text()
    for number in range(rounds):
        dice = random.Random(number)
        try:
            (valid, valid, mutilated, websocket)[number % 4](hub, dice)
        except (AssertionError, Torn, OSError) as error:
            raise AssertionError(f"round {number} of {hub.variant}: {error!r}") from error
    assert eventually(lambda: hub.descriptors() <= descriptors + 4, seconds=10)
    assert hub.rss() - memory < 24 * MEBIBYTE
    if hub.variant == "protocol":
        assert hub.log.read_text() == logged
