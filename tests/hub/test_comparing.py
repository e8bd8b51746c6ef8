"""``mograder.hub.comparing``, ``mograder.hub.children``, ``mograder.hub.versions``: asked in a process of its own."""

from __future__ import annotations

import asyncio

import pytest

from mograder.errors import Conflict
from mograder.hub import children, comparing
from mograder.notebook.difference import compare
from tests.notebook.test_difference import notebook


def test_the_child_says_the_same_as_the_function() -> None:
    old, new = notebook("x = 1", "y = 2"), notebook("x = 1", "y = 'ö'", "z = 3")
    assert asyncio.run(comparing.difference(old.encode(), new.encode())) == compare(old, new)


def test_one_cell_is_put_in() -> None:
    now, old = notebook("x = 1", "y = 20"), notebook("x = 1", "y = 2")
    text = asyncio.run(comparing.replaced_cell(now.encode(), old.encode(), 1))
    assert text.decode() == old


def test_a_refusal_of_the_child_is_told_with_its_reason() -> None:
    with pytest.raises(Conflict, match="no cell 10"):
        asyncio.run(comparing.replaced_cell(notebook("x = 1").encode(), notebook("x = 1").encode(), 9))


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PATIENCE", 0.01)
    with pytest.raises(Conflict, match="too large"):
        asyncio.run(comparing.difference(b"x", b"y"))


def test_what_is_no_text_is_compared_all_the_same() -> None:
    found = asyncio.run(comparing.difference(b"\xff\xfe\0", b"ok"))
    assert [cell.kind for cell in found.cells] == ["changed"]
