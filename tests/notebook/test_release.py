"""``mograder.notebook.release`` and ``mograder.notebook.written``: from an author's source to the students' copy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.errors import MarkerError, NotANotebook
from mograder.notebook import metadata
from mograder.notebook.fingerprints import fingerprints
from mograder.notebook.read import parse_text
from mograder.notebook.release import release
from tests.notebook.samples import ASSIGNMENTS, cell, source, text_of

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_TESTS, END_TESTS = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
MO = cell("import marimo as mo", "(mo,)")


def released(*cells: str) -> list[str]:
    """The code of each cell of the release of a notebook of these cells."""
    return [each.code for each in parse_text(release(text_of(*cells), "A1")).cells]


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_nothing_secret_is_left(name: str) -> None:
    text = release(source(name), name)
    for secret in (
        "BEGIN",
        "END",
        "new = x - f(x)",
        "x = 42",
        "len(times)",
        "an empty list gives 0",
        "is squared",
    ):
        assert secret not in text


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_line_outside_the_blocks_and_the_header_stays(name: str) -> None:
    kept, inside = [], False
    for line in source(name).splitlines():
        inside = inside or "### BEGIN" in line
        if not inside:
            kept.append(line)
        inside = inside and "### END" not in line
    text = iter(release(source(name), name).splitlines())
    changed = {"def _(mo):", "    mo.md(response_text)"}  # of the written answer
    assert [line for line in kept if line not in changed and line not in text] == []


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_header_names_the_assignment_and_fingerprints_its_cells(name: str) -> None:
    text = release(source(name), name)
    header = metadata.read(text)
    assert header["mograder-assignment"] == name
    assert header.get("mograder-hidden-tests", False) is ("HIDDEN" in source(name))
    assert header["mograder-cell-hashes"].split(",") == fingerprints(parse_text(text).cells)


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_a_release_is_the_same_every_time_and_its_own_release(name: str) -> None:
    text = release(source(name), name)
    assert release(source(name), name) == text
    assert release(text, name) == text.replace("# mograder-hidden-tests = true\n", "")


def test_a_block_becomes_a_place_for_code() -> None:
    assert released(f"x = 1\n{BEGIN}\ny = 2\n{END}\nz = 3") == ["x = 1\n# YOUR CODE HERE\npass\nz = 3"]


def test_a_name_that_only_the_block_assigns_gets_a_placeholder() -> None:
    code = f"kept = 0\n{BEGIN}\nkept = 1\ngone: int = 2\nlocal = 3\ndef f(): pass\n{END}"
    assert released(cell(code, "f, gone, kept")) == [
        "kept = 0\nf = ...\ngone = ...\n# YOUR CODE HERE\npass",
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "x = 1", "(a, [x, *b]) = t", "x += 1", "x: int = 1", "import x", "import x.y", "import a as x",
        "from a import x",
        "def x(): pass", "async def x(): pass", "class x: pass", "for x in t: pass", "with t as x: pass",
        "if (x := 1): pass", "[x := i for i in t]", "try:\n    x = 1\nfinally: pass", "match t:\n    case x: pass",
        "match t:\n    case {**x}: pass",
    ],
)  # fmt: skip
def test_every_way_to_assign_counts(statement: str) -> None:
    (code,) = released(cell(f"{BEGIN}\n{statement}\n{END}", "x,"))
    assert code == "x = ...\n# YOUR CODE HERE\npass"


@pytest.mark.parametrize(
    "statement",
    ["def f():\n    x = 1", "[x for x in t]", "lambda x: x", "x: int", "class A:\n    x = 1", "f(x=1)"],
)
def test_assignments_in_another_scope_do_not_count(statement: str) -> None:
    (code,) = released(cell(f"{BEGIN}\n{statement}\n{END}", "x,"))
    assert code == "# YOUR CODE HERE\npass"


def test_a_placeholder_stands_before_the_first_block_that_assigns_the_name() -> None:
    code = f"{BEGIN}\na = 1\n{END}\nb = 2\n{BEGIN}\na = 2\nc = 3\n{END}"
    assert released(cell(code, "a, b, c")) == [
        "a = ...\n# YOUR CODE HERE\npass\nb = 2\nc = ...\n# YOUR CODE HERE\npass"
    ]


def test_a_placeholder_stands_where_every_branch_passes() -> None:
    code = f"if t:\n    {BEGIN}\n    a = 1\n    {END}\nelse:\n    {BEGIN}\n    a = 2\n    {END}"
    assert released(cell(code, "a,")) == [
        "a = ...\nif t:\n    # YOUR CODE HERE\n    pass\nelse:\n    # YOUR CODE HERE\n    pass"
    ]


def test_the_setup_cell_gives_all_its_names_to_others() -> None:
    setup = f"with app.setup:\n    import os\n    {BEGIN}\n    SPEED = 1\n    _own = 2\n    {END}\n"
    assert released(setup) == ["import os\nSPEED = ...\n# YOUR CODE HERE"]  # marimo drops a last `pass`


def test_the_code_decides_the_indentation_and_not_the_marker() -> None:
    text = f"@app.function\ndef f(x):\n{BEGIN}\n    return x\n        {END}\n"
    assert released(text) == ["def f(x):\n    # YOUR CODE HERE\n    pass"]


def test_hidden_tests_leave_a_comment_also_inside_brackets() -> None:
    code = f"check('Q1', [\n    (a, 'b'),\n    {BEGIN_TESTS}\n    (c, 'd'),\n    {END_TESTS}\n])"
    assert released(code) == ["check('Q1', [\n    (a, 'b'),\n    # HIDDEN TESTS\n])"]


@pytest.mark.parametrize("head", ["if a:", "def f():", "for a in b:", "with a:"])
def test_hidden_tests_that_were_all_of_a_block_leave_a_pass(head: str) -> None:
    code = f"{head}\n    {BEGIN_TESTS}\n    c\n    {END_TESTS}\ncheck('Q1', [])"
    assert released(code) == [f"{head}\n    # HIDDEN TESTS\n    pass\ncheck('Q1', [])"]


@pytest.mark.parametrize(
    "code",
    [
        f"x = [\n    {BEGIN}\n    1,\n    {END}\n]",
        f"{BEGIN}\nif a:\n    b\n{END}\nelse:\n    c",
        f"a\nx = (1 +\n{BEGIN_TESTS}\n2)\n{END_TESTS}",
    ],
)
def test_a_block_that_is_not_whole_statements_is_an_error_that_names_it(code: str) -> None:
    begin = code[: code.index("###")].count("\n") + 9
    with pytest.raises(MarkerError, match=rf"^A1.py:{begin}: without the .* block of lines {begin}-\d+ "):
        release(text_of(code), "A1")


def test_the_culprit_is_named_among_several_blocks() -> None:
    good = f"{BEGIN}\na = 1\n{END}"
    with pytest.raises(MarkerError, match=r"^A1\.py:18:"):
        release(text_of(good, f"x = [\n{BEGIN}\n1\n{END}\n]", good), "A1")


def test_what_is_no_notebook_is_refused_by_name() -> None:
    with pytest.raises(NotANotebook, match=r"^A1\.py: this is Python, but not a marimo notebook"):
        release("x = 1\n", "A1")


def test_stale_keys_of_an_earlier_release_do_not_survive() -> None:
    stale = '# mograder-hidden-tests = true\n# mograder-assignment = "A0"\n# mograder-cell-hashes = ""\n'
    header = f"# /// script\n{stale}# ///\n"
    keys = metadata.read(release(text_of("x = 1", header=header), "A1"))
    assert keys == {
        "mograder-assignment": "A1",
        "mograder-cell-hashes": fingerprints(parse_text(text_of("x = 1")).cells)[0],
    }


def test_line_ends_are_kept() -> None:
    text = release(source("A1-Intro-to-SciML").replace("\n", "\r\n"), "A1")
    assert "\n" not in text.replace("\r\n", "")
    assert text.replace("\r\n", "\n") == release(source("A1-Intro-to-SciML"), "A1")


class TestWrittenAnswers:
    WRITTEN = f"{BEGIN}\nresponse_text = 'secret'\n{END}\nmo.md(response_text)"
    TEXT = 'mo.md(r"""\n*Write your answer here.*\n""")'

    def test_become_text_cells_with_names(self) -> None:
        cells = parse_text(release(text_of(MO, self.WRITTEN, "x = 1", self.WRITTEN), "A1")).cells
        assert [(each.name, each.code) for each in cells[1:]] == [
            ("written_analysis", self.TEXT),
            ("_", "x = 1"),
            ("written_analysis_2", self.TEXT),
        ]

    def test_do_not_take_a_name_that_is_taken(self) -> None:
        taken = cell("x = 1", name="written_analysis")
        assert "def written_analysis_2(mo):" in release(text_of(MO, taken, self.WRITTEN), "A1")

    def test_keep_their_decorator(self) -> None:
        written = cell(self.WRITTEN, decorator="@app.cell(hide_code=True)")
        assert "@app.cell(hide_code=True)\ndef written_analysis(mo):\n" in release(text_of(MO, written), "A1")

    def test_get_mo_from_the_setup_cell_if_it_is_there(self) -> None:
        setup = "with app.setup:\n    import marimo as mo\n"
        assert "def written_analysis():\n" in release(text_of(setup, self.WRITTEN), "A1")

    def test_need_mo(self) -> None:
        with pytest.raises(MarkerError, match="needs `import marimo as mo`"):
            release(text_of(self.WRITTEN), "A1")

    def test_need_a_cell_of_their_own(self) -> None:
        with pytest.raises(MarkerError, match="also defines x for other cells"):
            release(text_of(MO, cell(f"x = 1\n{self.WRITTEN}", "response_text, x")), "A1")

    def test_take_hidden_tests_with_them(self) -> None:
        text = release(text_of(MO, f"{self.WRITTEN}\n{BEGIN_TESTS}\nassert response_text\n{END_TESTS}"), "A1")
        assert "HIDDEN" not in text
        assert "mograder-hidden-tests" not in text

    def test_assigned_outside_a_block_are_ordinary_code(self) -> None:
        assert released(MO, "response_text = 'x'")[1] == "response_text = 'x'"


LINES = st.lists(
    st.sampled_from(
        [
            "a = 1",
            "b = [\n    1,\n]",
            "",
            "# note",
            "if a:\n    c = 'ä'",
            "d = '''\n  x\n'''",
            "def f():\n    return a",
        ]
    ),
    max_size=4,
)


@given(LINES, LINES, LINES)
def test_text_around_a_block_is_kept_to_the_last_character(
    before: list[str], inside: list[str], after: list[str]
) -> None:
    text = text_of("\n".join([*before, BEGIN, *inside, END, *after]))
    result = release(text, "A1")
    begin, end = text.index(BEGIN), text.index(END) + len(END)
    body = result[result.index("import marimo") :]
    assert body.startswith(text[:begin])
    assert body.endswith(text[end:])
    assert body[begin : len(body) - len(text[end:])].split() == ["#", "YOUR", "CODE", "HERE", "pass"]
