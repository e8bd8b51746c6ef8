"""``mograder.notebook.transplant``: one cell comes back, and no other changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mograder.errors import Malformed, MograderError, NotANotebook, NotFound
from mograder.notebook.read import parse_text
from mograder.notebook.transplant import with_cell
from tests.notebook.test_difference import notebook


def codes(text: str) -> list[str]:
    return [cell.code for cell in parse_text(text).cells]


def test_an_edited_cell_becomes_what_it_was() -> None:
    old, now = notebook("x = 1", "y = 2", "z = 3"), notebook("x = 10", "y = 20", "z = 3")
    assert codes(with_cell(now, old, 1)) == ["x = 10", "y = 2", "z = 3"]


def test_a_lost_cell_comes_back_behind_the_one_before_it() -> None:
    old, now = notebook("import math", "lost = 'this'", "z = 3"), notebook("import math", "z = 3", "w = [1]")
    assert codes(with_cell(now, old, 1)) == ["import math", "lost = 'this'", "z = 3", "w = [1]"]


def test_a_lost_first_cell_comes_back_first() -> None:
    assert codes(with_cell(notebook("z = 3"), notebook("lost = 1", "z = 3"), 0)) == ["lost = 1", "z = 3"]


def test_a_cell_comes_back_into_a_notebook_that_has_none() -> None:
    assert codes(with_cell(notebook(), notebook("x = 1"), 0)) == ["x = 1"]


def test_the_line_ends_stay_those_of_the_copy() -> None:
    now = notebook("x = 1", "y = 2").replace("\n", "\r\n")
    text = with_cell(now, notebook("x = 5", "y = 2"), 0)
    assert "\n" not in text.replace("\r\n", "")
    assert codes(text)[0] == "x = 5"


def test_a_cell_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotFound, match="no cell 5"):
        with_cell(notebook("x = 1"), notebook("x = 1"), 4)


def test_what_is_no_notebook_is_refused_by_name() -> None:
    with pytest.raises(NotANotebook, match="your copy"):
        with_cell("def (:", notebook("x = 1"), 0)
    with pytest.raises(NotANotebook, match="the version"):
        with_cell(notebook("x = 1"), "def (:", 0)


def test_cells_on_one_line_are_left_alone() -> None:
    now = 'import marimo\n\napp = marimo.App()\n\napp._unparsable_cell("a b"); app._unparsable_cell("c d")\n'
    old = now.replace("c d", "e f").replace("a b", "g h")
    with pytest.raises(Malformed, match="alone"):
        with_cell(now, old, 1)


code = st.lists(st.sampled_from(["a = 1", "b = 2", "# only this", "print(1)"]), min_size=1, max_size=3).map(
    "\n".join
)


@settings(deadline=None)
@given(st.lists(code, max_size=5), st.lists(code, min_size=1, max_size=5), st.data())
def test_at_most_one_cell_changes_and_it_becomes_the_one_asked_for(
    now: list[str], old: list[str], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(old) - 1))
    before = codes(notebook(*now))
    try:
        after = codes(with_cell(notebook(*now), notebook(*old), index))
    except MograderError:
        raise AssertionError("these can all be put together") from None
    assert codes(notebook(*old))[index] in after
    if len(after) == len(before):
        assert sum(mine != other for mine, other in zip(before, after, strict=True)) <= 1
    else:
        assert len(after) == len(before) + 1
