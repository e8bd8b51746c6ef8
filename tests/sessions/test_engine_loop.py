"""A turn of the engine's loop when several things are ready at once, and when one of them goes wrong."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator

import pytest

from mograder.sessions.engine.loop import Mishaps, turn


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as made:
        yield made


@pytest.fixture
def ready() -> Iterator[list[int]]:
    """Descriptors that can be read from."""
    pipes = [os.pipe() for _ in range(3)]
    for _, writer in pipes:
        os.write(writer, b"x")
    yield [reader for reader, _ in pipes]
    for end in (end for pipe in pipes for end in pipe):
        os.close(end)


def test_what_was_unregistered_in_the_same_turn_is_not_acted_on(
    selector: selectors.BaseSelector, ready: list[int]
) -> None:
    done: list[int] = []

    def act(number: int) -> None:
        done.append(number)
        for other in set(ready) - {number}:
            selector.unregister(other)

    for number in ready:
        selector.register(number, selectors.EVENT_READ, lambda number=number: act(number))
    turn(selector, 1)
    assert len(done) == 1


def test_a_number_that_was_given_anew_in_the_same_turn_waits_for_the_next(
    selector: selectors.BaseSelector, ready: list[int]
) -> None:
    done: list[str] = []

    def replace() -> None:
        done.append("first")
        for number in ready:
            selector.unregister(number)
            selector.register(number, selectors.EVENT_READ, lambda: done.append("new"))

    for number in ready:
        selector.register(number, selectors.EVENT_READ, replace)
    turn(selector, 1)
    assert done == ["first"]
    turn(selector, 1)
    assert done == ["first", "new", "new", "new"]


def test_an_act_that_fails_is_said_and_heard_no_more_while_the_others_go_on(
    selector: selectors.BaseSelector, ready: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[int] = []

    def fail() -> None:
        raise OSError(9, "Bad file descriptor")

    selector.register(ready[0], selectors.EVENT_READ, fail)
    for number in ready[1:]:
        selector.register(number, selectors.EVENT_READ, lambda number=number: done.append(number))
    turn(selector, 1)
    turn(selector, 1)
    assert sorted(done) == sorted(ready[1:] * 2)
    assert capsys.readouterr().err.count("Traceback") == 1


def test_what_is_done_again_and_again_goes_on_after_a_mishap_which_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes: list[Exception | None] = [
        OSError(24, "x"),
        OSError(24, "y"),
        ValueError(),
        None,
        OSError(24, "x"),
    ]

    def act() -> None:
        if (error := outcomes.pop(0)) is not None:
            raise error

    mishaps = Mishaps()
    while outcomes:
        mishaps.attempt("look", act)
    assert capsys.readouterr().err.count("Traceback") == 3
