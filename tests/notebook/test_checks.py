"""``mograder.notebook.checks``: where a notebook reports results."""

from __future__ import annotations

import pytest

from mograder.notebook.checks import (
    check_calls,
    is_grading_cell,
    machinery,
    question,
    questions,
    tampering_lines,
)
from tests.notebook.samples import IMPORTS, notebook


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from mograder.runtime import check", "check('Q1: a', [])"),
        ("from mograder.runtime import check as c", "x = c(label='Q1: a', checks=[])"),
        ("import mograder.runtime", "mograder.runtime.check('Q1: a', [])"),
        ("import mograder.runtime as r", "r.check('Q1: a', [])"),
        ("from mograder import runtime", "runtime.check('Q1: a', [])"),
        ("from mograder.runtime import Grader", "Grader({'Q1': 1}).check('Q1: a', [])"),
        ("from mograder.runtime import Grader\ngrader = Grader({'Q1': 1})", "[grader.check('Q1: a', [])]"),
        (
            "import mograder.runtime as r\ng = r.Grader({'Q1': 1})",
            "def f():\n    return g.check('Q1: a', [])",
        ),
        ("from mograder.runtime import check", "f'''{check('Q1: a', [])}'''"),
    ],
)
def test_a_check_is_found_however_it_is_called(imports: str, call: str) -> None:
    book = notebook(imports, call)
    names = machinery(book)
    assert [found.label for found in check_calls(book.cells[1], names)] == ["Q1: a"]
    assert is_grading_cell(book.cells[0], names)
    assert is_grading_cell(book.cells[1], names)


@pytest.mark.parametrize("call", ["model.check('Q1: a')", "check('Q1: a')", "grader['check']('Q1')"])
def test_other_things_named_check_are_not(call: str) -> None:
    book = notebook("import sklearn as model", call)
    assert check_calls(book.cells[1], machinery(book)) == []
    assert not is_grading_cell(book.cells[1], machinery(book))


def test_a_label_made_at_run_time_is_no_label() -> None:
    book = notebook(IMPORTS, "for i in range(3):\n    check(f'Q{i}', [])")
    assert [call.label for call in check_calls(book.cells[1], machinery(book))] == [None]


def test_the_question_is_what_is_before_the_first_colon() -> None:
    assert question("Q1: mean: of a list") == question("Q1") == "Q1"


def test_questions_come_from_checks_and_from_marks() -> None:
    book = notebook(IMPORTS, "grader = Grader({'Q1': 1, 'Q2': 2})", "grader.check('Q3: a', [])")
    assert questions(book.cells, machinery(book)) == {"Q1", "Q2", "Q3"}


def test_the_marks_heading_makes_a_grading_cell() -> None:
    (cell,) = notebook("# === MOGRADER: MARKS ===\nmarks = {}").cells
    assert is_grading_cell(cell, machinery(notebook()))


@pytest.mark.parametrize(
    "code",
    [
        "mine = check",
        "check.__code__ = f",
        "grader.check = print",
        "grader._results.clear()",
        "sorted([1], key=check)",
        "os.environ['MOGRADER_SIDECAR_PATH']",
    ],
)
def test_reaching_into_the_machinery_is_noticed(code: str) -> None:
    book = notebook(IMPORTS, "grader = Grader({'Q1': 1})", f"x = 1\n{code}")
    line = book.cells[2].body_first + 1
    assert tampering_lines(book.cells[2], machinery(book)) == [line]


@pytest.mark.parametrize(
    "code", ["check('my own', [])", "grader.scores()", "grader.check('a', [])", "Grader({})"]
)
def test_proper_use_is_not(code: str) -> None:
    book = notebook(IMPORTS, "grader = Grader({'Q1': 1})", code)
    assert tampering_lines(book.cells[2], machinery(book)) == []
