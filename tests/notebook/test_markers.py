"""``mograder.notebook.markers``: markers pair up, or the author is told where they do not."""

from __future__ import annotations

import pytest

from mograder.errors import MarkerError
from mograder.notebook.markers import MARKS, find_blocks, has_line
from mograder.notebook.read import parse_text
from tests.notebook.samples import cell, notebook, source

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_TESTS, END_TESTS = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


def complaint(*cells: str) -> str:
    with pytest.raises(MarkerError) as caught:
        find_blocks(notebook(*cells))
    assert str(caught.value).startswith("A1.py:")
    return str(caught.value).removeprefix("A1.py:")


def test_the_blocks_of_a_source_are_found_with_their_cells() -> None:
    book = parse_text(source("A1-Intro-to-SciML"))
    found = [(block.kind, book.cells.index(block.cell)) for block in find_blocks(book)]
    assert found == [
        ("SOLUTION", 4),
        ("HIDDEN TESTS", 5),
        ("SOLUTION", 7),
        ("SOLUTION", 7),
        ("HIDDEN TESTS", 8),
        ("SOLUTION", 10),
    ]


# The code of the first cell begins in line 9.
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (f"{BEGIN}\nx = 1", "9: BEGIN SOLUTION is never closed."),
        (f"x = 1\n{END}", "10: END SOLUTION without a BEGIN."),
        (f"{BEGIN}\n{BEGIN}\n{END}\n{END}", "10: BEGIN SOLUTION inside the SOLUTION block of line 9."),
        (
            f"{BEGIN}\n{BEGIN_TESTS}\n{END_TESTS}\n{END}",
            "10: BEGIN HIDDEN TESTS inside the SOLUTION block of line 9.",
        ),
        (f"{BEGIN}\nx = 1\n{END_TESTS}", "11: END HIDDEN TESTS, but line 9 began SOLUTION."),
        (f"{BEGIN}\n{MARKS}\n{END}", "10: a marks heading can not be here: inside the block of line 9."),
        (f"{MARKS}\n{MARKS}", "10: a marks heading can not be here: there is one in line 9."),
        (f'x = """\n{BEGIN}\n"""\n', "10: a marker inside a string has no effect"),
        (f"x = 1  {BEGIN}\n{END}", '9: "### BEGIN SOLUTION" must be alone on its line, and "x = 1 ### BEGIN'),
    ],
)
def test_markers_that_do_not_pair_up_are_named_with_their_line(code: str, message: str) -> None:
    assert complaint(code).startswith(message)


@pytest.mark.parametrize(
    "comment",
    [
        "### BEGIN SOLUTIONS", "### BEGIN SOLUTON", "## BEGIN SOLUTION", "# BEGIN SOLUTION", "###BEGIN SOLUTION",
        "### begin solution", "### BEGIN  SOLUTION", "### BEGIN SOLUTION:", "### END SOLUTION of part a",
        "### START SOLUTION", "### BEGIN HIDDEN TEST", "### BEGIN HIDDEN", "### BEGIN THE SOLUTION",
        "### HIDDEN TESTS", "# === MOGRADER: MARK ===", "#=== MOGRADER: MARKS ===", "# MOGRADER MARKS",
    ],
)  # fmt: skip
def test_a_misspelt_marker_is_never_ignored(comment: str) -> None:
    assert f'9: "{" ".join(comment.split())}" looks like a misspelt marker' in complaint(f"{comment}\nx = 1")


@pytest.mark.parametrize(
    "comment",
    [
        "# HIDDEN TESTS",
        "# YOUR CODE HERE",
        "# begin with the solution of the first part",
        "# solution",
        "# the end",
    ],
)
def test_ordinary_comments_are_no_markers(comment: str) -> None:
    assert find_blocks(notebook(f"{comment}\nx = 1")) == ()


def test_a_block_can_not_leave_its_cell() -> None:
    first = f"@app.cell\ndef _():\n    {BEGIN}\n    x = 1\n    return\n"
    assert complaint(first, cell(f"y = 1\n{END}")) == "9: the block ends in line 17, below its cell."


def test_a_block_can_not_hold_its_cells_return() -> None:
    text = f"@app.cell\ndef _():\n    {BEGIN}\n    x = 1\n    return x,\n    {END}\n"
    assert complaint(text) == "9: the block ends in line 12, below its cell's `return`."


def test_a_marker_outside_the_cells_is_an_error() -> None:
    text = f"@app.cell\ndef _():\n    return\n\n{BEGIN}\n{END}\n"
    assert complaint(text) == "11: this marker is not inside the code of a cell."


def test_a_marker_in_code_that_is_not_python_is_an_error() -> None:
    assert "inside a string" in complaint(f'app._unparsable_cell(r"""\n{BEGIN}\nx = = 1\n{END}\n""")\n')


def test_a_line_is_recognised_at_any_indentation_but_only_whole() -> None:
    assert has_line("if x:\n    # A\n", "# A")
    assert not has_line("# A b\nx = 1  # A\n", "# A")
