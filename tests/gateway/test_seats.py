"""``mograder.hub.gateway.seats``: connections are counted before they have said a word."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mograder.hub.gateway.seats import Seats
from tests.support.hub import RunningHub, by_proxy, make_course, running

CROWD, PROXY = "127.0.0.3", "127.0.0.2"
CONFIG = f'[hub]\ntrusted_proxies = ["{PROXY}"]\nmax_connections = 60\nconnections_per_address = 20\n'


def test_an_address_has_so_many_and_the_hub_so_many() -> None:
    seats = Seats(5, 2)
    assert [seats.take("a", unbounded=False) is None for _ in range(3)] == [True, True, False]
    assert [seats.take("proxy", unbounded=True) is None for _ in range(4)] == [True, True, True, False]
    refusal = seats.take("b", unbounded=False)
    assert refusal is not None and refusal.status == 503
    seats.leave("a")
    assert seats.take("a", unbounded=False) is None
    assert seats.count == 5


def test_a_network_of_ipv6_addresses_sits_like_one() -> None:
    seats = Seats(5, 2)
    said = [seats.take(f"2001:db8:1:2::{number}", unbounded=False) for number in range(3)]
    assert [refusal is None for refusal in said] == [True, True, False]
    assert seats.take("2001:db8:1:3::1", unbounded=False) is None
    seats.leave("2001:db8:1:2::0")
    assert seats.take("2001:db8:1:2::ffff", unbounded=False) is None


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "seats", CONFIG)
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": "s" * 40}) as up:
        yield up


def connect(hub: RunningHub, source: str) -> socket.socket:
    parts = urlsplit(hub.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20, source_address=(source, 0))


def ask(hub: RunningHub, source: str) -> bytes:
    named = "".join(f"{name}: {value}\r\n" for name, value in by_proxy("ada").items())
    with connect(hub, source) as line:
        with contextlib.suppress(OSError):
            line.sendall(
                f"GET /assignments HTTP/1.1\r\nHost: hub\r\n{named}Connection: close\r\n\r\n".encode()
            )
        with contextlib.suppress(ConnectionError):
            return line.recv(12)
    return b""


def waited(hub: RunningHub, source: str, status: bytes) -> bool:
    end = time.monotonic() + 20
    while (last := ask(hub, source)) != b"HTTP/1.1 " + status and time.monotonic() < end:
        time.sleep(0.05)
    return last == b"HTTP/1.1 " + status


@pytest.mark.real
def test_a_crowd_from_one_address_keeps_nobody_else_out(hub: RunningHub) -> None:
    before = len(os.listdir(f"/proc/{hub.pid}/fd"))
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connect(hub, CROWD)) for _ in range(40)]
        assert crowd[-1].recv(12) == b"HTTP/1.1 429"
        assert ask(hub, PROXY) == b"HTTP/1.1 200"
        proxied = [stack.enter_context(connect(hub, PROXY)) for _ in range(45)]
        assert proxied[-1].recv(12) == b"HTTP/1.1 503"
    assert waited(hub, CROWD, b"401")
    assert waited(hub, PROXY, b"200")
    end = time.monotonic() + 20
    while len(os.listdir(f"/proc/{hub.pid}/fd")) > before + 10 and time.monotonic() < end:
        time.sleep(0.05)
    assert (
        len(os.listdir(f"/proc/{hub.pid}/fd")) <= before + 10
    )  # of 85; the hub itself opens a few meanwhile
