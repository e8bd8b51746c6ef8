"""``mograder.notebook.restore``: the release's checks in the student's notebook, and every answer kept."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given as given_
from hypothesis import strategies as st

from mograder.errors import NotANotebook
from mograder.notebook.integrity import check_integrity
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.release import release
from mograder.notebook.restore import with_release_checks
from tests.notebook.samples import ASSIGNMENTS, IMPORTS, notebook, source
from tests.notebook.test_integrity import FORGED, HONEST, NAME, given, insert, solved
from tests.notebook.test_read import PIECES

FORGERIES = [
    FORGED,
    FORGED.replace("mean of a list", "another label"),
    FORGED.replace('"Q1: mean of a list"', "label"),
    f"    if True:\n    {FORGED}    else: x = 1\n",
    "    x = 1 if grader.check('Q1: a', [])else 2; y = grader.check('Q2: a', [])\n",
    "    print(f'''{grader.check('Q1: a', [])} and\n {grader.check('Q2: b', [])}''')\n",
    "    from mograder.runtime import Grader, check as c, hint\n    c('Q1: a', [(True, '')])\n",
    "    grader = Grader({'Q1': 500})\n    other = 1\n",
    "    @decorated\n    def grader(): pass\n",
    "    class grader:\n        @staticmethod\n        def check(*a): pass\n",
    "    for Grader in [1]: grader: int = 1\n",
]


def checked(text: str, reference: Notebook | None = None) -> Notebook:
    return parse_text(with_release_checks(parse_text(text), reference or given()))


def labels(book: Notebook) -> list[str]:
    """Of every call in the notebook that looks like a check, f-strings included."""
    nodes = (node for cell in book.cells for top in cell.body for node in ast.walk(top))
    calls = [node for node in nodes if isinstance(node, ast.Call) and "check" in ast.unparse(node.func)]
    return sorted(ast.unparse(call.args[0]) for call in calls if call.args)


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_untouched_release_stays_to_the_last_character(name: str) -> None:
    text = release(source(name), name)
    assert with_release_checks(parse_text(text), parse_text(text)) == text


@pytest.mark.parametrize("change", HONEST.values(), ids=HONEST.keys())
def test_honest_work_stays_as_it_is(change) -> None:
    text = change(solved()).replace("\r\n", "\n")
    assert with_release_checks(parse_text(text), given()) == text


def test_a_changed_check_gives_way_to_the_releases() -> None:
    book = checked(solved().replace("mean([1, 2, 3]) == 2", "True"))
    assert given().cells[5].code in [cell.code for cell in book.cells]
    assert labels(book) == labels(given())


def test_a_removed_check_comes_back() -> None:
    lines = solved().split("\n")
    check = parse_text(solved()).cells[5]
    book = checked("\n".join(lines[: check.first_line - 1] + lines[check.last_line :]))
    assert labels(book) == labels(given())


def test_a_check_that_does_not_run_comes_back() -> None:
    text = solved()
    at = text.rindex("@app.cell(hide_code=True)", 0, text.index("mean of a list"))
    disabled = f"{text[:at]}@app.cell(disabled=True){text[at:].removeprefix('@app.cell(hide_code=True)')}"
    assert [cell.code for cell in checked(disabled).cells if not cell.disabled].count(
        given().cells[5].code
    ) == 1


@pytest.mark.parametrize("forged", FORGERIES)
def test_no_forged_check_is_left(forged: str) -> None:
    book = checked(insert(solved(), forged, "## Question 1"))
    assert labels(book) == labels(given())
    assert [warning for warning in check_integrity(book, given()).warnings if "extra" in warning] == []


@pytest.mark.parametrize("forged", FORGERIES)
def test_no_cell_defines_a_name_of_the_grading_cells_again(forged: str) -> None:
    code = "\n".join(cell.code for cell in checked(insert(solved(), forged)).cells)
    assert code.count("grader = ") == 1
    assert code.count("import Grader") == 1
    assert "def grader" not in code
    assert "class grader" not in code


def test_marks_that_were_raised_are_the_releases_again() -> None:
    book = checked(solved().replace('"Q1": 5', '"Q1": 500'))
    assert [cell.code.count('"Q1": 5,') for cell in book.cells if "Grader(" in cell.code] == [1]


def test_answers_are_never_overwritten() -> None:
    """The student wrote the answer into the check's cell: the check is the release's, the answer stays."""
    call = '    grader.check("Q1: mean of a list", ['
    text = given().text.replace(call, f"    def mean(v): return 7\n{call}")
    text = text.replace("    mean = ...\n    # YOUR CODE HERE\n", "")
    assert "def mean" in text
    assert "mean = ..." not in text
    book = checked(text)
    assert sum("def mean(v): return 7" in cell.code for cell in book.cells) == 1
    assert labels(book) == labels(given())


def test_an_import_added_to_the_import_cell_survives() -> None:
    book = checked(
        solved().replace("    import math\n", "    import random, math\n    import statistics as stats\n")
    )
    code = [cell.code for cell in book.cells]
    assert given().cells[1].code in code
    assert any("import random\n" in each and "import statistics as stats" in each for each in code)
    assert "\n".join(code).count("import marimo as mo") == 1


def test_an_import_moved_to_another_cell_is_not_defined_twice() -> None:
    text = insert(solved().replace("    import math\n", ""), "    import math\n")
    assert "\n".join(cell.code for cell in checked(text).cells).count("import math") == 1


def test_a_changed_setup_cell_gets_the_releases_and_keeps_its_own() -> None:
    text = release(source("A2-Functions"), "A2-Functions")
    reference = parse_text(text)
    mine = text.replace("import check\n", "import check as chk\n    import random\n").replace("9.81", "10")
    (setup, *_), *_ = (checked(mine, reference).cells,)
    assert setup.kind == "setup"
    assert setup.code.startswith(reference.cells[0].code)
    assert "import random" in setup.code
    assert "10" not in setup.code
    without = text[: text.index("with app.setup")] + text[text.index("@app.cell") :]
    assert checked(without, reference).cells[0].code == reference.cells[0].code


def test_hidden_tests_come_in_with_the_source() -> None:
    hidden = parse_text(source(NAME), f"{NAME}.py")
    book = checked(solved(), hidden)
    assert "an empty list gives 0" in book.text
    assert "root of 2" in book.text
    assert "Because of **Taylor**" in book.text
    assert "new = x - f(x)" not in book.text
    assert len(book.cells) == len(given().cells)


def test_a_definition_cell_that_forges_is_emptied() -> None:
    text = solved().replace("if __name__", "@app.function\ndef grader(x):\n    return x\n\n\nif __name__")
    book = checked(text)
    assert "def grader" not in book.text
    assert len(book.cells) == len(given().cells) + 1


def test_a_check_beside_the_answer_is_the_students_to_keep() -> None:
    mixed = notebook(
        IMPORTS, "# YOUR CODE HERE\nx = ...\ncheck('Q1: x', [(x == 1, '')])", "check('Q1: y', [])"
    )
    text = mixed.text.replace("...", "1")
    assert with_release_checks(parse_text(text), mixed) == text


def test_a_notebook_that_lost_everything_gets_the_grading_cells() -> None:
    book = checked("import marimo\napp = marimo.App()")
    assert labels(book) == labels(given())


@given_(
    st.lists(st.sampled_from([*PIECES, *FORGERIES, "    return\n\n\n@app.cell\ndef _():\n"]), max_size=12)
)
def test_whatever_a_student_adds_the_result_has_the_releases_checks(pieces: list[str]) -> None:
    text = insert(solved(), "    pass\n" + "".join(pieces))
    try:
        student = parse_text(text)
    except NotANotebook:
        return
    book = checked(student.text)
    for cell in given().cells:
        if "check(" in cell.code or "Grader" in cell.code:
            assert cell.code in [each.code for each in book.cells]
    assert [warning for warning in check_integrity(book, given()).warnings if "extra check" in warning] == []
