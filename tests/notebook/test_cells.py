"""``mograder.notebook.cells`` and ``mograder.notebook.dedent``: the code that marimo's editor shows."""

from __future__ import annotations

import pytest

from mograder.notebook.cells import Cell
from mograder.notebook.read import parse_text
from tests.notebook.samples import notebook, source, text_of


def only(*cells: str) -> Cell:
    (found,) = notebook(*cells).cells
    return found


def test_every_kind_of_cell_is_found_in_order() -> None:
    cells = parse_text(source("A2-Functions")).cells
    assert [(each.kind, each.name) for each in cells] == [
        ("setup", "setup"),
        ("cell", "_"),
        ("function", "fall"),
        ("class", "Body"),
        ("cell", "read_measurements"),
        ("cell", "answer"),
        ("cell", "check_times"),
        ("cell", "check_body"),
        ("cell", "_"),
        ("unparsable", "notes"),
    ]


def test_a_cells_code_has_neither_its_function_nor_its_return() -> None:
    found = only(
        "@app.cell\ndef _(a, b=(1, ':')) -> 'x: y':  # why\n    # one\n    c = a\n\n    # two\n    return c,\n"
    )
    assert found.code == "# one\nc = a\n\n# two"
    assert found.returns == ("c",)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("@app.cell\ndef _(): return\n", ""),
        ("@app.cell\ndef _(): x = 1; return x\n", "x = 1"),
        ("@app.cell\ndef _():\n    x = 1; return x\n", "x = 1;"),
        ("@app.cell\ndef _():\n    return\n", ""),
        ("@app.cell\ndef _():\n    # nothing yet\n    return\n", "# nothing yet"),
        ("@app.cell\ndef _():\n    x = 1\n    # no return\n", "x = 1\n# no return"),
        ("@app.cell\nasync def _():\n    await x\n    return\n", "await x"),
        ("@app.cell\ndef _():\n\tx = 1\n\tif x:\n\t\ty = 2\n\treturn\n", "x = 1\nif x:\n\ty = 2"),
        ("@app.cell(hide_code=True)\ndef _(\n    a,\n    b,\n):\n    a\n    return\n", "a"),
        ("@app.function\n# sum\ndef f(x):\n    return x\n", "# sum\ndef f(x):\n    return x"),
        (
            "@app.function\n@cache\ndef f(x):\n    return x\n    # end\n",
            "@cache\ndef f(x):\n    return x\n    # end",
        ),
        ("@app.class_definition\nclass A: pass\n", "class A: pass"),
        (
            "with app.setup(hide_code=True):\n    import os\n    X = 1  # dropped by marimo\n",
            "import os\nX = 1",
        ),
        ("with app.setup:\n    # only a comment\n    pass\n", "# only a comment"),
        ("with app.setup:\n\n    pass\n", ""),
        ("@app.cell\ndef _():\n    x = 1  # dropped by marimo\n", "x = 1"),
        ("with app.setup: import os\n", "import os"),
        (
            'app._unparsable_cell(\n    r"""\n    x = = 1\n      y\n    """,\n    name="n"\n)\n',
            "x = = 1\n  y",
        ),
    ],
)
def test_code_is_what_the_editor_shows(text: str, code: str) -> None:
    assert only(text).code == code


def test_the_inside_of_a_string_moves_with_the_code_around_it() -> None:
    found = only('@app.cell\ndef _():\n    x = """\n    a\n      b\n    """\n    return\n')
    assert found.code == 'x = """\na\n  b\n"""'


def test_the_inside_of_a_string_without_room_to_move_stays() -> None:
    found = only('@app.cell\ndef _():\n    x = f"""\n  a\n      b\n    """\n    return\n')
    assert found.code == 'x = f"""\n  a\n      b\n    """'


def test_lines_ends_of_any_kind_give_the_same_code() -> None:
    text = text_of("x = 1\nif x:\n    y = 2")
    codes = {parse_text(text.replace("\n", newline)).cells[0].code for newline in ("\n", "\r\n", "\r")}
    assert codes == {"x = 1\nif x:\n    y = 2"}


def test_what_marimo_would_not_run_is_not_a_cell() -> None:
    others = "def f():\n    pass\n\n@cache\ndef g():\n    pass\n\nif x:\n    @app.cell\n    def _():\n        pass\n"
    assert parse_text(text_of() + others).cells == ()


def test_a_cell_that_does_not_run_says_so() -> None:
    assert only("@app.cell(disabled=True)\ndef _():\n    return\n").disabled
    assert not only("@app.cell(disabled=False, hide_code=True)\ndef _():\n    return\n").disabled


def test_a_cells_lines_hold_its_code() -> None:
    book = parse_text(source("A1-Intro-to-SciML"))
    lines = book.text.split("\n")
    for cell in book.cells:
        assert lines[cell.first_line - 1].startswith("@app.cell")
        assert lines[cell.head_line - 1].startswith("def ")
        first, last = lines[cell.body_first - 1], lines[cell.body_last - 1]
        assert (first.strip(), last.strip()) == (
            cell.code.split("\n")[0],
            cell.code.split("\n")[-1],
        ) or not last
