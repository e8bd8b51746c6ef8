"""``mograder.notebook.advice``: what an author is told."""

from __future__ import annotations

import pytest

from mograder.notebook.advice import advice
from mograder.notebook.read import parse_text
from tests.notebook.samples import ASSIGNMENTS, IMPORTS, notebook, source

SOLUTION = "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_good_assignments_get_none(name: str) -> None:
    assert advice(parse_text(source(name))) == []


def test_an_assignment_without_anything_to_do() -> None:
    assert advice(notebook("x = 1")) == ["A1.py: no cell is for the students: there is no SOLUTION block."]


def test_a_check_that_students_can_edit() -> None:
    (sentence,) = advice(notebook(IMPORTS, f"{SOLUTION}\ncheck('Q1', [])"))
    assert sentence.startswith("A1.py:19: this check is in a cell that students edit")


def test_a_label_in_two_cells() -> None:
    twice = "if a:\n    check('Q1', [])\nelse:\n    check('Q1', [])"
    sentences = advice(notebook(IMPORTS, SOLUTION, twice, "check('Q1', [])"))
    assert sentences == ['A1.py:33: another cell has a check with the label "Q1" already.']


def test_a_written_answer_that_other_cells_need() -> None:
    written = "### BEGIN SOLUTION\nresponse_text = 'x'\n### END SOLUTION\nmo.md(response_text)"
    (sentence,) = advice(notebook(IMPORTS, written, "len(response_text)"))
    assert sentence.startswith("A1.py:25: `response_text` does not exist in the release")
