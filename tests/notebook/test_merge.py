"""``mograder.notebook.merge``: a new release comes into a student's notebook, and nothing that they wrote is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.notebook.merge import Choice, Merge, merge
from mograder.notebook.read import Notebook, parse_text
from mograder.notebook.release import release
from tests.notebook.samples import ASSIGNMENTS, cell, notebook, source, text_of

IMPORTS = "import marimo as mo\nfrom mograder.runtime import check"
TASK = "# YOUR CODE HERE\nanswer = ..."
CHECK = 'check("Q1: the answer", [(answer == 42, "It is 42.")])'


def codes(merged: Merge) -> list[str]:
    return [each.code for each in parse_text(merged.text).cells]


def book(*cells: str) -> Notebook:
    return notebook(*cells)


BASE = book(IMPORTS, 'mo.md("""# Title""")', TASK, CHECK)


def test_cells_that_the_student_left_alone_follow_the_release() -> None:
    theirs = book(IMPORTS, 'mo.md("""# Better title""")', TASK, CHECK.replace("42.", "forty-two."))
    ours = book(IMPORTS, 'mo.md("""# Title""")', "answer = 42", CHECK)
    merged = merge(BASE, ours, theirs)
    assert codes(merged) == [IMPORTS, 'mo.md("""# Better title""")', "answer = 42", theirs.cells[3].code]
    assert (merged.followed, merged.kept, merged.conflicts) == (2, 1, ())


def test_added_cells_appear_in_their_place_and_own_cells_stay_in_theirs() -> None:
    ours = book(IMPORTS, 'mo.md("""# Title""")', "scratch = 1", TASK, CHECK, "my_notes = 2")
    theirs = book(IMPORTS, "import math", 'mo.md("""# Title""")', TASK, CHECK, "bonus = 3")
    wanted = [
        IMPORTS,
        "import math",
        'mo.md("""# Title""")',
        "scratch = 1",
        TASK,
        CHECK,
        "bonus = 3",
        "my_notes = 2",
    ]
    assert codes(merge(BASE, ours, theirs)) == wanted


def test_a_removed_cell_goes_unless_the_student_edited_it() -> None:
    theirs = book(IMPORTS, TASK)
    ours = book(IMPORTS, 'mo.md("""# Title""")', TASK, CHECK + "\nmine = 1")
    merged = merge(BASE, ours, theirs)
    assert codes(merged) == [IMPORTS, TASK, CHECK + "\nmine = 1"]
    assert (merged.removed, merged.kept) == (1, 1)


def test_what_the_student_removed_stays_removed() -> None:
    theirs = book(IMPORTS, 'mo.md("""# Title""")', TASK, CHECK.replace("42.", "yes."))
    assert codes(merge(BASE, book(IMPORTS, TASK, CHECK), theirs)) == [IMPORTS, TASK, theirs.cells[3].code]


NEW_TASK = "# YOUR CODE HERE (in metres)\n# YOUR CODE HERE\nanswer = ..."


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        (Choice.MINE, ["answer = 42"]),
        (Choice.NEW, [NEW_TASK]),
        (Choice.BOTH, ["answer = 42", NEW_TASK]),
        (None, ["answer = 42"]),
    ],
)
def test_a_cell_that_both_changed_is_what_the_student_chooses(choice: Choice | None, kept: list[str]) -> None:
    ours, theirs = book(IMPORTS, "answer = 42"), book(IMPORTS, NEW_TASK)
    merged = merge(book(IMPORTS, TASK), ours, theirs, {} if choice is None else {"1": choice})
    assert codes(merged) == [IMPORTS, *kept]
    assert [(c.key, c.mine, c.new, c.suggested) for c in merged.conflicts] == [
        ("1", "answer = 42", NEW_TASK, Choice.MINE)
    ]


def test_a_check_that_both_changed_is_suggested_as_the_release_has_it() -> None:
    ours, theirs = book(IMPORTS, CHECK + "  # why?"), book(IMPORTS, CHECK.replace("42.", "yes."))
    [conflict] = merge(book(IMPORTS, CHECK), ours, theirs).conflicts
    assert conflict.suggested is Choice.NEW


def test_a_cell_that_the_student_removed_and_the_release_changed_is_a_conflict() -> None:
    [conflict] = merge(
        BASE, book(IMPORTS, 'mo.md("""# Title""")', TASK), book(IMPORTS, TASK, CHECK + "\n#")
    ).conflicts
    assert (conflict.mine, conflict.choices) == (None, (Choice.MINE, Choice.NEW))


def test_the_same_change_on_both_sides_is_no_conflict() -> None:
    fixed = book(IMPORTS, 'mo.md("""# Fixed""")', TASK, CHECK, "import math")
    ours = book(IMPORTS, 'mo.md("""# Fixed""")', "answer = 1", CHECK, "import math")
    merged = merge(BASE, ours, fixed)
    assert merged.conflicts == ()
    assert codes(merged) == [IMPORTS, 'mo.md("""# Fixed""")', "answer = 1", CHECK, "import math"]


def test_two_added_cells_that_define_the_same_name_are_a_conflict_not_a_broken_notebook() -> None:
    ours, theirs = book(IMPORTS, "helper = 1"), book(IMPORTS, "helper = 2")
    [conflict] = merge(book(IMPORTS), ours, theirs).conflicts
    assert (conflict.mine, conflict.new) == ("helper = 1", "helper = 2")


def test_a_rewritten_cell_is_found_by_its_place() -> None:
    base, theirs = book(IMPORTS, "# YOUR CODE HERE\npass", CHECK), book(IMPORTS, "# YOUR CODE HERE\n1", CHECK)
    [conflict] = merge(base, book(IMPORTS, "print('something else')", CHECK), theirs).conflicts
    assert conflict.mine == "print('something else')"


def test_how_marimo_writes_a_text_cell_is_no_edit() -> None:
    ours = book(IMPORTS, 'mo.md(r"""\n# Title\n""")', TASK, CHECK)
    theirs = book(IMPORTS, 'mo.md("""# New""")', TASK, CHECK)
    assert merge(BASE, ours, theirs).conflicts == ()


def test_a_comment_is_an_edit() -> None:
    ours = book(IMPORTS, TASK, CHECK + "  # I do not understand this")
    assert (
        codes(merge(book(IMPORTS, TASK, CHECK), ours, book(IMPORTS, TASK + "\n# a hint", CHECK)))[2]
        == ours.cells[2].code
    )


def test_the_header_follows_the_release_and_the_apps_settings_stay() -> None:
    header = "# /// script\n# dependencies = [{}]\n# ///\n"
    base = parse_text(text_of("x = 1", header=header.format("")))
    ours = parse_text(text_of("x = 2", header=header.format('"mine"'), app='marimo.App(width="full")'))
    theirs = parse_text(text_of("x = 1", "y = 1", header=header.format('"numpy"')))
    text = merge(base, ours, theirs).text
    assert text.startswith(header.format('"numpy"'))
    assert 'app = marimo.App(width="full")' in text


def test_the_setup_cell_is_one_and_first() -> None:
    setup = "with app.setup:\n    import {}\n"
    base, ours = book("x = 1"), book(setup.format("math"), "x = 1")
    merged = merge(base, ours, book(setup.format("json"), "x = 1", "y = 2"))
    cells = parse_text(merged.text).cells
    assert [each.kind for each in cells] == ["setup", "cell", "cell"]
    assert merged.conflicts[0].choices == (Choice.MINE, Choice.NEW)


def test_without_the_release_it_began_with_every_difference_is_asked_about_and_nothing_is_lost() -> None:
    merged = merge(None, book(IMPORTS, "answer = 42", "own = 1"), book(IMPORTS, TASK, "new = 1"))
    assert [(c.mine, c.new) for c in merged.conflicts] == [("answer = 42", TASK)]
    assert set(codes(merged)) == {IMPORTS, "answer = 42", "own = 1", "new = 1"}


def test_line_ends_are_the_releases() -> None:
    theirs = parse_text(text_of("x = 1", "y = 1").replace("\n", "\r\n"))
    text = merge(book("x = 1"), book("x = 2"), theirs).text
    assert text.count("\n") == text.count("\r\n") > 5


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_a_real_assignment_with_answers_gets_its_new_title_and_keeps_the_answers(name: str) -> None:
    text = release(source(name), name)
    answered = text.replace("# YOUR CODE HERE\n    pass", "# YOUR CODE HERE\n    my_work = 1")
    base, ours = parse_text(text), parse_text(answered)
    theirs = parse_text(
        text.replace("\n\n@app.cell", '\n\n@app.cell\ndef _():\n    "new"\n    return\n\n\n@app.cell', 1)
    )
    merged = merge(base, ours, theirs)
    assert merged.conflicts == ()
    assert merged.text.count("my_work = 1") == answered.count("my_work = 1")
    assert merged.added == 1


CODE = st.sampled_from(
    [
        "x = 1", "x = 2", "y = x", "# YOUR CODE HERE\npass", "# YOUR CODE HERE\nz = 3", "", "# only a comment",
        'mo.md("""# A""")', "mo.md(r'''A\n  b''')", "def f():\n    return 1", 'check("Q: a", [(x == 1, "")])',
        'text = """\nraw\n   lines\n"""', "x, y = 1, 2", "import math", "print(1)\nprint(2)", "if x:\n    w = 1  # ü\n",
    ]
)  # fmt: skip
CELL = st.one_of(
    CODE.map(cell),
    CODE.filter(lambda code: code.strip("# onlyacmet")).map(lambda code: cell(code, name="named")),
    st.sampled_from(
        [
            "@app.function\ndef g(a):\n    return a\n",
            "@app.class_definition\nclass C:\n    x = 1\n",
            'app._unparsable_cell(\n    r"""\n    x = (\n    """,\n    name="_"\n)\n',
            cell("a = 1", decorator="@app.cell(hide_code=True)"),
        ]
    ),
)
BOOK = st.tuples(st.booleans(), st.lists(CELL, max_size=6)).map(
    lambda parts: parse_text(text_of(*(["with app.setup:\n    import os\n"] if parts[0] else []), *parts[1]))
)
CHOICES = st.dictionaries(st.sampled_from([str(n) for n in range(1, 9)]), st.sampled_from(list(Choice)))


@given(BOOK, BOOK)
def test_an_untouched_notebook_becomes_the_release_to_the_last_character(
    base: Notebook, theirs: Notebook
) -> None:
    merged = merge(base, base, theirs)
    assert merged.text == theirs.text
    assert (merged.conflicts, merged.kept) == ((), 0)


@given(BOOK, BOOK)
def test_an_unchanged_release_leaves_the_notebook_to_the_last_character(
    base: Notebook, ours: Notebook
) -> None:
    assert merge(base, ours, base).text == ours.text


def test_of_two_setup_cells_never_both_are_kept() -> None:
    one, other = (parse_text(text_of(f"with app.setup:\n    import {name}\n")) for name in ("os", "re"))
    merged = merge(None, one, other, {"1": Choice.BOTH})
    assert [each.kind for each in parse_text(merged.text).cells] == ["setup"]


def test_a_setup_cell_that_both_sides_have_added_is_one() -> None:
    setup = "with app.setup:\n    import os\n"
    base, mine, new = (
        parse_text(text_of(*cells)) for cells in ([cell("x = 1")], [setup], [setup, cell("x = 1")])
    )
    merged = merge(base, mine, new)
    assert [each.kind for each in parse_text(merged.text).cells] == ["setup"]
    assert merged.conflicts == ()
    added = merge(base, base, new)
    assert [each.kind for each in parse_text(added.text).cells] == ["setup", "cell"]


@given(st.one_of(st.none(), BOOK), BOOK, BOOK, CHOICES)
def test_whatever_is_merged_is_a_notebook_with_cells_of_either_side(
    base: Notebook | None, ours: Notebook, theirs: Notebook, choices: dict[str, Choice]
) -> None:
    merged = merge(base, ours, theirs, choices)
    known = {each.code for each in (*ours.cells, *theirs.cells)}
    cells = parse_text(merged.text).cells
    assert {each.code for each in cells} <= known
    assert sum(each.kind == "setup" for each in cells) <= 1


@given(BOOK, BOOK, BOOK)
def test_what_the_student_wrote_stays_or_is_asked_about(
    base: Notebook, ours: Notebook, theirs: Notebook
) -> None:
    merged = merge(base, ours, theirs)
    there = {each.code for each in parse_text(merged.text).cells}
    asked = {conflict.mine for conflict in merged.conflicts}
    written = {each.code for each in ours.cells} - {each.code for each in base.cells}
    text = "".join(there)
    for code in written - asked:
        assert code in there or code.strip(" mo.d(\"'r#\n)") in text
