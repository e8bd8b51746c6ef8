"""``mograder.hub.identity.handoff``: from the hub to the content host, and no further."""

from __future__ import annotations

from dataclasses import replace

import jwt
import pytest

from mograder.errors import NotSignedIn
from mograder.hub.identity import tokens
from mograder.hub.identity.handoff import HandOffs, Pass, is_word, new_word, state_of
from mograder.hub.identity.model import Role

SECRET = "s" * 40
ORIGIN, BASE = "https://c.example", "/edit/user/ada/A1/"
ADA = Pass("ada", "digest", ORIGIN, BASE)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[HandOffs, Clock]:
    clock = Clock()
    return HandOffs(SECRET, clock), clock


def test_a_ticket_becomes_a_cookie_that_says_the_same() -> None:
    hand_offs, _ = made()
    word = new_word()
    cookie = hand_offs.redeem(hand_offs.ticket(ADA, state_of(word)), [word], ORIGIN, BASE)
    assert hand_offs.read(cookie) == ADA


def test_a_ticket_works_once() -> None:
    hand_offs, _ = made()
    word = new_word()
    ticket = hand_offs.ticket(ADA, state_of(word))
    hand_offs.redeem(ticket, [word], ORIGIN, BASE)
    with pytest.raises(NotSignedIn, match="used already"):
        hand_offs.redeem(ticket, [word], ORIGIN, BASE)


def test_a_ticket_is_good_for_seconds_and_a_cookie_for_hours() -> None:
    hand_offs, clock = made()
    word = new_word()
    ticket = hand_offs.ticket(ADA, state_of(word))
    cookie = hand_offs.redeem(hand_offs.ticket(ADA, state_of(word)), [word], ORIGIN, BASE)
    clock.now += 31
    with pytest.raises(NotSignedIn, match="not valid any more"):
        hand_offs.redeem(ticket, [word], ORIGIN, BASE)
    assert hand_offs.read(cookie) == ADA
    clock.now += 12 * 3600
    assert hand_offs.read(cookie) is None


@pytest.mark.parametrize("words", [[], ["another-word-of-the-right-length"], ["short"], [""]])
def test_a_ticket_is_worth_nothing_in_another_browser(words: list[str]) -> None:
    hand_offs, _ = made()
    ticket = hand_offs.ticket(ADA, state_of(new_word()))
    with pytest.raises(NotSignedIn, match="did not bring along"):
        hand_offs.redeem(ticket, words, ORIGIN, BASE)


@pytest.mark.parametrize(("origin", "base"), [("https://d.example", BASE), (ORIGIN, "/edit/user/bob/A1/")])
def test_a_ticket_is_for_one_place(origin: str, base: str) -> None:
    hand_offs, _ = made()
    word = new_word()
    with pytest.raises(NotSignedIn):
        hand_offs.redeem(hand_offs.ticket(ADA, state_of(word)), [word], origin, base)


def test_nothing_else_that_is_signed_is_a_ticket_or_a_cookie() -> None:
    hand_offs, _ = made()
    word = new_word()
    ticket = hand_offs.ticket(ADA, state_of(word))
    cookie = hand_offs.redeem(hand_offs.ticket(ADA, state_of(word)), [word], ORIGIN, BASE)
    bearer = tokens.make(SECRET, "ada", Role.INSTRUCTOR)
    unsigned = jwt.encode(jwt.decode(cookie, options={"verify_signature": False}), "", algorithm="none")
    with_the_hubs_key = jwt.encode(
        jwt.decode(cookie, options={"verify_signature": False}), SECRET, algorithm="HS256"
    )
    for wrong in (
        ticket,
        bearer,
        unsigned,
        with_the_hubs_key,
        cookie[:-3],
        "",
        "a" * 5000,
        "W" * 900 + ".a.b",
    ):
        assert hand_offs.read(wrong) is None
    for wrong in (cookie, bearer, unsigned):
        with pytest.raises(NotSignedIn):
            hand_offs.redeem(wrong, [word], ORIGIN, BASE)
    for wrong in (ticket, cookie):
        with pytest.raises(NotSignedIn):
            tokens.read(SECRET, wrong)
    assert HandOffs("t" * 40).read(cookie) is None
    assert hand_offs.read(cookie) == replace(ADA)


def test_words_are_words() -> None:
    assert is_word(new_word()) and new_word() != new_word()
    assert not is_word("a b" * 12) and not is_word("ä" * 30)
