"""``mograder.notebook.integrity`` and ``mograder.notebook.alignment``: honest work passes, changed checks show.

`saved_by_student` plays a student; what marimo itself does on saving is in test_marimo_agrees.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mograder.notebook.alignment import align, meaning
from mograder.notebook.checks import machinery
from mograder.notebook.integrity import check_integrity
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.release import release
from tests.notebook.samples import ASSIGNMENTS, IMPORTS, cell, notebook, source

NAME = "A1-Intro-to-SciML"
SOLVED = "def mean(values):\n        return sum(values) / len(values) if values else 0\n"
FORGED = '    grader.check("Q1: mean of a list", [(True, "the mean of 1, 2, 3 is 2")])\n'


def given() -> Notebook:
    return parse_text(release(source(NAME), NAME), f"{NAME}.py")


def solved() -> str:
    """Honest work on the release: the marker replaced, code written, text written."""
    return (
        given()
        .text.replace("mean = ...\n    # YOUR CODE HERE\n    pass\n", SOLVED)
        .replace("*Write your answer here.*", "Because of **Taylor**.")
        .replace("steps = ...\n    # YOUR CODE HERE\n    pass\n", "steps = 5\n    # YOUR CODE HERE\n")
    )


def insert(text: str, code: str, before: str = "## Question 1") -> str:
    """``text`` with a cell of ``code`` before the cell that holds ``before``."""
    at = text.rindex("@app.cell", 0, text.index(before))
    return f"{text[:at]}@app.cell\ndef _():\n{code}    return\n\n\n{text[at:]}"


def warnings(text: str, reference: Notebook | None = None) -> tuple[str, ...]:
    return check_integrity(parse_text(text), reference).warnings


HONEST: dict[str, Callable[[str], str]] = {
    "nothing more": lambda text: text,
    "a cell inserted near the top": lambda text: insert(text, "    x = 1\n"),
    "an empty cell": lambda text: insert(text, ""),
    "a check of one's own": lambda text: insert(text, '    grader.check("my test", [(True, "")])\n'),
    "a cell with a name": lambda text: insert(text, "    x = 1\n").replace(
        "def _():\n    x", "def mine():\n    x"
    ),
    "windows line ends": lambda text: text.replace("\n", "\r\n"),
}


class TestWithTheReleaseAtHand:
    @pytest.mark.parametrize("change", HONEST.values(), ids=HONEST.keys())
    def test_honest_work_has_no_warning(self, change: Callable[[str], str]) -> None:
        report = check_integrity(parse_text(change(solved())), given())
        assert (report.level, report.warnings) == ("source", ())

    def test_formatting_and_moving_a_check_is_honest(self) -> None:
        check = given().cells[5]
        lines = given().text.split("\n")
        whole = "\n".join(lines[check.first_line - 1 : check.last_line])
        formatted = whole.replace(', "the mean', ',\n        "the mean').replace("# HIDDEN TESTS", "# hidden")
        moved = solved().replace(whole, "").replace("if __name__", f"{formatted}\n\n\nif __name__")
        assert moved.count("mean of a list") == 1
        assert warnings(moved, given()) == ()

    def test_the_source_with_its_hidden_tests_may_stand_for_the_release(self) -> None:
        hidden = parse_text(source(NAME), f"{NAME}.py")
        assert warnings(solved(), hidden) == ()
        assert warnings(source(NAME), hidden) == ()

    def test_a_changed_check_is_named_with_its_line(self) -> None:
        text = solved().replace("mean([1, 2, 3]) == 2", "True")
        line = text[: text.index("(True,")].count("\n") - 2
        assert warnings(text, given()) == (
            f'Line {line}: The check "Q1: mean of a list" was changed, and is not meant to be.',
        )

    def test_a_missing_check_is_named(self) -> None:
        lines = solved().split("\n")
        check = parse_text(solved()).cells[5]
        text = "\n".join(lines[: check.first_line - 1] + lines[check.last_line :])
        assert warnings(text, given()) == ('The check "Q1: mean of a list" is missing.',)

    @pytest.mark.parametrize("before", ["# A1: Introduction", "## Question 1", "grader.scores()"])
    def test_a_second_check_with_the_label_is_found_wherever_it_is(self, before: str) -> None:
        found = warnings(insert(solved(), FORGED, before), given())
        assert len(found) == 1
        assert 'an extra check reports results for "Q1: mean of a list"' in found[0]

    def test_a_second_copy_of_a_check_is_not_the_releases(self) -> None:
        (_, code), *_ = [(each.name, each.code) for each in given().cells[5:6]]
        text = insert(solved(), "".join(f"    {line}\n" for line in code.split("\n")))
        assert len(warnings(text, given())) == 1

    @pytest.mark.parametrize(
        "forged",
        [
            FORGED.replace("mean of a list", "another label"),
            FORGED.replace("Q1: mean of a list", "Q3: a question with marks by hand"),
            FORGED.replace('"Q1: mean of a list"', 'f"Q{1}: mean of a list"'),
            f"    def f():\n    {FORGED}",
            "    from mograder.runtime import check as c\n    c('Q1: x', [(True, '')])\n",
            "    take = grader.check\n    mine = grader\n",
            "    open(__import__('os').environ['MOGRADER_SIDECAR_PATH'])\n",
        ],
        ids=["label", "marks", "computed", "function", "alias", "aside", "file"],
    )
    def test_other_ways_to_forge_are_found(self, forged: str) -> None:
        assert warnings(insert(solved(), forged), given()) != ()

    def test_a_forged_check_in_an_answer_cell_is_found(self) -> None:
        text = solved().replace(SOLVED, f"{SOLVED}{FORGED}")
        assert len(warnings(text, given())) == 1

    def test_a_check_that_does_not_run_is_changed(self) -> None:
        text = solved()
        at = text.rindex("@app.cell(hide_code=True)", 0, text.index("mean of a list"))
        text = f"{text[:at]}@app.cell(disabled=True){text[at:].removeprefix('@app.cell(hide_code=True)')}"
        assert len(warnings(text, given())) == 1

    def test_a_check_that_is_no_python_any_more_is_missing(self) -> None:
        lines = solved().split("\n")
        check = parse_text(solved()).cells[5]
        broken = 'app._unparsable_cell(r"""grader.check( = """)'
        text = "\n".join([*lines[: check.first_line - 1], broken, *lines[check.last_line :]])
        assert warnings(text, given()) == ('The check "Q1: mean of a list" is missing.',)

    def test_an_import_added_to_the_import_cell_is_said_once(self) -> None:
        text = solved().replace("    import math\n", "    import math\n    import random\n")
        assert warnings(text, given()) == (
            'Line 33: The cell that begins with "import math" was changed, and is not meant to be.',
        )

    def test_a_notebook_of_another_assignment_is_said(self) -> None:
        other = solved().replace(f'mograder-assignment = "{NAME}"', 'mograder-assignment = "A2"')
        assert warnings(other, given()) == (f'This notebook belongs to "A2", not to "{NAME}".',)

    def test_a_check_that_the_author_put_beside_the_answer_is_no_forgery(self) -> None:
        mixed = notebook(
            IMPORTS, "# YOUR CODE HERE\nx = ...\ncheck('Q1: x', [(x == 1, '')])", "check('Q1: y', [])"
        )
        assert warnings(mixed.text.replace("...", "1"), mixed) == ()
        twice = mixed.text.replace("...", "1; check('Q1: x', [])")
        assert len(warnings(twice, mixed)) == 1


class TestWithTheHeaderAlone:
    @pytest.mark.parametrize("change", HONEST.values(), ids=HONEST.keys())
    def test_honest_work_has_no_warning(self, change: Callable[[str], str]) -> None:
        report = check_integrity(parse_text(change(solved())))
        assert (report.level, report.warnings) == ("hash", ())

    @pytest.mark.parametrize("name", ASSIGNMENTS)
    def test_an_untouched_release_has_no_warning(self, name: str) -> None:
        assert warnings(release(source(name), name)) == ()

    def test_changed_cells_are_counted(self) -> None:
        text = solved().replace("mean([1, 2, 3]) == 2", "True").replace('"Q1": 5', '"Q1": 50')
        assert warnings(text) == ("2 of 9 cells that are not meant to be edited were changed or removed.",)

    def test_a_second_check_is_found(self) -> None:
        (found,) = warnings(insert(solved(), FORGED))
        assert "an extra check reports results" in found

    def test_writing_in_an_empty_cell_is_honest(self) -> None:
        text = release(source("A2-Functions"), "A2-Functions")
        assert warnings(text.replace("def _():\n    return\n", "def _():\n    x = 1\n    return\n")) == ()

    def test_a_check_of_the_same_question_beside_the_answer_is_honest(self) -> None:
        book = notebook(IMPORTS, "# YOUR CODE HERE\ncheck('Q1: x', [])", "check('Q1: y', [])")
        text = release(book.text, "A1")
        assert warnings(text) == ()
        assert len(warnings(text.replace("'Q1: x'", "'Q1: y'"))) == 1

    def test_a_header_without_fingerprints_is_said(self) -> None:
        (found,) = warnings(notebook("x = 1").text)
        assert "nothing could be compared" in found

    def test_a_broken_header_is_no_header(self) -> None:
        assert len(warnings("# /// script\n# x\n# ///\n" + notebook("x = 1").text)) == 1

    def test_reaching_into_the_results_is_found(self) -> None:
        (found,) = warnings(insert(solved(), "    grader.check = print\n"))
        assert "reaches into the checks" in found


class TestWarnings:
    def test_name_the_cell_by_its_label_its_name_or_its_first_line(self) -> None:
        reference = notebook(
            "with app.setup:\n    from mograder.runtime import check\n",
            cell("x = 1", name="constants"),
            "check('Q1: a', [])",
            "1 + 1",
        )
        assert warnings(notebook().text, reference) == (
            "The setup cell is missing.",
            'The cell "constants" is missing.',
            'The check "Q1: a" is missing.',
            'The cell that begins with "1 + 1" is missing.',
        )

    def test_are_as_many_as_a_person_may_read(self) -> None:
        many = "".join(f"    grader.check('Q1: {number}', [])\n" for number in range(1000))
        for reference in (None, given()):
            found = warnings(insert(solved(), many), reference)
            assert (len(found), found[-1]) == (31, "And more.")


class TestAlignment:
    def test_a_cell_is_found_by_what_it_does_wherever_it_is(self) -> None:
        ours = notebook("a = 1", "b = 2", cell("mo.md('text')")).cells
        theirs = notebook(cell('mo.md(r"""\ntext\n""")'), "new", "b  =  2  # two", "a = 1").cells
        assert align(theirs, ours, machinery(notebook())).same == {0: 3, 1: 2, 2: 0}

    def test_a_changed_cell_is_found_by_what_it_defines(self) -> None:
        ours = notebook("a = 1", "b = 2").cells
        theirs = notebook("c = 0\nb = 3\nd = 1", "x = 1").cells
        assert align(theirs, ours, machinery(notebook())).changed == {1: 0}

    def test_a_changed_text_is_found_by_its_lines(self) -> None:
        text = "mo.md('''\n# One\n\nfirst\n\nsecond\n''')"
        ours, theirs = notebook(text).cells, notebook("y", text.replace("second", "zweitens")).cells
        assert align(theirs, ours, machinery(notebook())).changed == {0: 1}

    @pytest.mark.parametrize(
        ("one", "other", "equal"),
        [
            ("x = 1", "x=1 # one", True),
            ("f('a')", 'f("a")', True),
            ("x = 1", "x = 1.0", False),
            ("x = 1", "x = True", False),
            ("x = 'a'", "x = b'a'", False),
            ("f(a, b)", "f(a)(b)", False),
            ("if a:\n    b\nc", "if a:\n    b\n    c", False),
            ("x = 0x" + "f" * 5000, "x = 0x" + "f" * 5000, True),
            ("mo.md('a')", 'mo.md(f"""\n    a\n    """)', True),
            ("mo.md('a')", "'a'", False),
        ],
    )
    def test_meaning_is_what_the_code_does(self, one: str, other: str, equal: bool) -> None:
        cells = notebook(one, other).cells
        assert (meaning(cells[0]) == meaning(cells[1])) is equal
