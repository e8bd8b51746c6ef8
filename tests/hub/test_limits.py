"""Limits: generous to a class, closed to a flood, and bounded themselves."""

from __future__ import annotations

import pytest

from mograder.config import HubSection
from mograder.hub.identity.model import Identity, Role
from mograder.hub.limits import Buckets, Limits, address_of

ALICE = Identity("alice", Role.STUDENT, "proxy")
BOB = Identity("bob", Role.STUDENT, "proxy")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(clock: Clock | None = None, **keys: int) -> Limits:
    return Limits(HubSection.model_validate(keys), clock or Clock())


def test_a_minutes_worth_may_come_at_once_and_comes_back_evenly() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    assert [buckets.spend("a") for _ in range(60)] == [0.0] * 60
    assert buckets.spend("a") == pytest.approx(1.0)
    clock.now += 2
    assert [buckets.spend("a") == 0 for _ in range(3)] == [True, True, False]


def test_one_key_does_not_spend_anothers() -> None:
    buckets = Buckets(1, Clock())
    assert buckets.spend("a") == 0
    assert buckets.spend("a") > 0
    assert buckets.spend("b") == 0


def test_asking_how_long_takes_nothing() -> None:
    buckets = Buckets(1, Clock())
    assert [buckets.wait("a") for _ in range(5)] == [0.0] * 5
    assert buckets.spend("a") == 0


def test_keys_without_end_take_no_memory_without_end() -> None:
    buckets = Buckets(10, Clock())
    for number in range(50_000):
        buckets.spend(str(number))
    assert len(vars(buckets)["_left"]) <= 20_000


def test_a_person_who_asks_too_much_is_told_when_to_come_back() -> None:
    found = limits(requests_per_minute=10)
    assert [found.request(ALICE) for _ in range(10)] == [None] * 10
    overrun = found.request(ALICE)
    assert overrun is not None
    assert overrun.retry_after == 6
    assert "alice" in overrun.reason
    assert found.request(BOB) is None


def test_requests_under_way_are_bounded_and_make_room_when_they_end() -> None:
    found = limits(requests_at_once=4)
    for _ in range(4):
        assert found.request(ALICE) is None
        found.begin(ALICE)
    assert found.request(ALICE) is not None
    assert found.request(BOB) is None
    found.end(ALICE)
    assert found.request(ALICE) is None


def test_websockets_of_one_person_are_bounded() -> None:
    found = limits(websockets_per_user=3)
    assert found.session_request(ALICE, 2) is None
    assert found.session_request(ALICE, 3) is not None
    assert found.session_request(ALICE) is None


def test_an_address_that_fails_to_sign_in_too_often_waits() -> None:
    clock = Clock()
    found = limits(clock, failed_logins_per_minute=5)
    for _ in range(5):
        assert found.stranger("192.0.2.7") is None
        found.failed("192.0.2.7")
    overrun = found.stranger("192.0.2.7")
    assert overrun is not None
    assert found.stranger("192.0.2.8") is None
    clock.now += overrun.retry_after
    assert found.stranger("192.0.2.7") is None


def test_another_address_of_the_same_ipv6_network_waits_as_well() -> None:
    found = limits(Clock(), failed_logins_per_minute=5)
    for number in range(5):
        found.failed(f"2001:db8:1:2::{number}")
    assert found.stranger("2001:db8:1:2:3:4:5:6") is not None
    assert found.stranger("2001:db8:1:3::1") is None


def test_a_class_of_100_behind_one_address_is_never_in_the_way_of_itself() -> None:
    found = Limits(HubSection(), Clock())
    people = [Identity(f"student{number}", Role.STUDENT, "proxy") for number in range(100)]
    assert all(found.request(person) is None for person in people for _ in range(200))


@pytest.mark.parametrize(
    ("value", "trusted", "address"),
    [
        (b"203.0.113.5", True, "203.0.113.5"),
        (b"1.1.1.1, 203.0.113.5", True, "203.0.113.5"),  # what comes first is the client's own invention
        (b"203.0.113.5", False, "192.0.2.1"),
        (b"rubbish\x1b", True, "192.0.2.1"),
        (b"2001:db8::1", True, "2001:db8::1"),
    ],
)
def test_an_address_is_what_the_nearest_trusted_proxy_says(value: bytes, trusted: bool, address: str) -> None:
    assert address_of([(b"x-forwarded-for", value)], "192.0.2.1", trusted) == address
