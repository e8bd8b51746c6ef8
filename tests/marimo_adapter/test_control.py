"""Messages between a warm process and its owner."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator

import pytest

from mograder.errors import Malformed
from mograder.marimo_adapter import control
from mograder.marimo_adapter.options import ExportSpec, ServeSpec

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def sent(pair: Pair, order: control.Order) -> control.Order:
    control.send(pair[0], order.message("k"), order.descriptors()[1])
    message, descriptors = control.receive(pair[1])
    assert message is not None
    return control.order(message, descriptors)


def test_an_order_arrives_whole_with_its_descriptors(pair: Pair) -> None:
    first, second, listener, log = (os.open("/dev/null", os.O_RDONLY) for _ in range(4))
    order = control.Order(
        spec=ServeSpec("edit", "A1.py", "/edit/a"),
        cwd="/w",
        env={"HOME": "/h"},
        listener=listener,
        log=log,
        cgroups=[first, second],
        rlimits={"NOFILE": (64, 128)},
        program=b"\x00\x01",
        uid=7,
        gid=8,
        nice=5,
    )
    got = sent(pair, order)
    assert (got.spec, got.cwd, got.env, got.program) == (order.spec, "/w", {"HOME": "/h"}, b"\x00\x01")
    assert (got.uid, got.gid, got.nice, got.umask) == (7, 8, 5, 0o077)
    assert got.limits() == {resource.RLIMIT_NOFILE: (64, 128)}
    numbers = [got.listener, got.log, *got.cgroups]
    assert len(set(numbers)) == 4
    assert not {listener, log, first, second} & set(numbers)
    for number in (first, second, listener, log, *numbers):
        assert number is not None
        os.close(number)


def test_an_order_for_an_export_is_told_from_one_for_a_server(pair: Pair) -> None:
    got = sent(pair, control.Order(spec=ExportSpec("A1.py", "o.html"), cwd="/", env={}))
    assert got.task == "export"
    assert got.listener is None


def test_the_end_of_the_other_side_is_told(pair: Pair) -> None:
    pair[0].close()
    assert control.receive(pair[1]) == (None, [])


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff"])
def test_what_is_no_message_is_refused(pair: Pair, data: bytes) -> None:
    pair[0].send(data)
    with pytest.raises(Malformed):
        control.receive(pair[1])


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"do": "serve", "id": "", "spec": "{}", "program": "", "descriptors": []},
        {
            "do": "export",
            "id": "",
            "spec": '{"notebook":"a.py","output":"o"}',
            "program": "",
            "descriptors": ["log"],
        },
        {
            "do": "export",
            "id": "",
            "spec": '{"notebook":"a.py","output":"o"}',
            "program": "",
            "descriptors": [],
            "x": 1,
        },
    ],
)
def test_an_order_that_makes_no_sense_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        control.order(message, [])


def test_a_limit_that_this_system_does_not_have_is_named() -> None:
    order = control.Order(spec=ExportSpec("A1.py", "o.html"), cwd="/", env={}, rlimits={"WARP": (1, 1)})
    with pytest.raises(Malformed, match="WARP"):
        order.limits()
