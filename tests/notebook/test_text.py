"""``mograder.notebook.text``: positions and edits."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.notebook.text import (
    Edit,
    Positions,
    apply_edits,
    newline_of,
    parse_python,
    printable,
    split_lines,
)

ANY_TEXT = st.text(st.sampled_from("ab é\U0001f600\r\n\x0c\x85\u2028"))


@given(ANY_TEXT)
def test_the_lines_of_a_text_joined_are_the_text(text: str) -> None:
    assert "".join(split_lines(text)) == text


def test_lines_end_where_the_parser_ends_them() -> None:
    text = "a = '\x0c\u2028'\rb = 1\r\nc = 2\n"
    assert len(split_lines(text)) == 3
    assert [node.lineno for node in ast.parse(text).body] == [1, 2, 3]


def test_a_position_in_bytes_becomes_one_in_characters() -> None:
    text = "x = 1\ny = 'äöü'; z = (1,\n  2)\n"
    third = parse_python(text).body[2]
    start, end = Positions(text).span(third)
    assert text[start:end] == "z = (1,\n  2)"


def test_edits_are_made_at_their_places_in_any_order() -> None:
    assert apply_edits("0123456789", [Edit(8, 9, "B"), Edit(2, 5, "A"), Edit(5, 5, "+")]) == "01A+567B9"


def test_an_edit_inside_another_is_swallowed() -> None:
    assert apply_edits("0123456789", [Edit(3, 4, "x"), Edit(2, 6, "A"), Edit(2, 6, "A")]) == "01A6789"


def test_crossing_edits_are_an_error() -> None:
    with pytest.raises(ValueError, match="overlap"):
        apply_edits("0123456789", [Edit(2, 5, ""), Edit(4, 8, "")])


@pytest.mark.parametrize(("text", "newline"), [("a\r\nb\n", "\r\n"), ("a\nb\r\n", "\n"), ("a", "\n")])
def test_a_text_has_the_line_end_that_it_uses_first(text: str, newline: str) -> None:
    assert newline_of(text) == newline


def test_odd_escapes_in_code_make_no_warning() -> None:
    assert parse_python(r"x = '\d'").body


def test_a_strangers_text_is_shown_in_one_short_printable_line() -> None:
    shown = printable("a\nb\x1b[31m\u202ec" + "d" * 100)
    assert shown.startswith("a b�[31m�cddd")
    assert len(shown) == 61
