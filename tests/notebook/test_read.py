"""``mograder.notebook.read``: a notebook, or a refusal that says what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mograder.errors import MograderError, NotANotebook, TooLarge
from mograder.notebook.integrity import check_integrity
from mograder.notebook.read import Notebook, parse_notebook, parse_text
from mograder.notebook.safety import scan
from tests.notebook.samples import source, text_of

LIMIT = 1_000_000


def refusal(data: bytes) -> str:
    with pytest.raises(NotANotebook) as caught:
        parse_notebook(data, limit=LIMIT, name="A1.py")
    return str(caught.value)


def test_a_notebook_is_read() -> None:
    notebook = parse_notebook(source("A2-Functions").encode(), limit=LIMIT)
    assert len(notebook.cells) == 10
    assert notebook.text == source("A2-Functions")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "A1.py: the file is empty."),
        (b" \n\n", "A1.py: the file is empty."),
        (b"import marimo\0", "A1.py: this is a binary file, not a notebook."),
        ("# übung\n".encode("latin-1"), "A1.py:1: this is not UTF-8 text."),
        (b"x = 1\n\xff\n", "A1.py:2: this is not UTF-8 text."),
        (b"x = 1\ny = = 2\n", "A1.py:2: this is not Python: invalid syntax."),
        (b"def f(:\n", "A1.py:1: this is not Python: invalid syntax."),
    ],
)
def test_what_is_not_python_is_refused_with_the_reason(data: bytes, sentence: str) -> None:
    assert refusal(data) == sentence


@pytest.mark.parametrize(
    "text",
    [
        "print('hello')\n",
        "import marimo\n",
        "import marimo\nx = marimo.App()\n",
        "app = marimo.App()\n",
        "import marimo\napp = marimo.App\n",
        "import marimo as m\napp = marimo.App()\n",
        "from marimo import App\napp = App()\n",
    ],
)
def test_python_that_is_not_marimos_is_refused(text: str) -> None:
    assert "not a marimo notebook" in refusal(text.encode())


def test_a_large_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge, match="101 bytes"):
        parse_notebook(b"x" * 101, limit=100)


@pytest.mark.parametrize(
    "code",
    [
        "-" * 50_000 + "1",
        "+".join("1" * 50_000),
        "a" + ".b" * 50_000,
        "if a:\n pass\n" + "elif a:\n pass\n" * 20_000,
        "lambda:" * 50_000 + "1",
    ],
    ids=["minus", "plus", "attribute", "elif", "lambda"],
)
def test_deep_nesting_is_refused_and_does_not_end_the_process(code: str) -> None:
    assert refusal(f"import marimo\napp = marimo.App()\n{code}\n".encode()).endswith(
        "nested too deeply to be read."
    )


def test_text_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(NotANotebook, match="not Python"):
        parse_text("x = '\ud800'\n")


def test_a_byte_order_mark_is_dropped() -> None:
    text = text_of("x = 1")
    assert parse_notebook(b"\xef\xbb\xbf" + text.encode(), limit=LIMIT).text == text


def test_the_message_of_a_hostile_file_is_one_printable_line() -> None:
    assert "\u202e" not in refusal("x = \u202e1\n".encode())


PIECES = [
    "import marimo\n", "app = marimo.App()\n", "@app.cell\n", "@app.function\n", "@app.class_definition\n",
    "def _(x, y=(1, 2)):\n", "async def f() -> int:\n", "class A:\n", "    x = 1\n", "    return x,\n", "    return\n",
    "with app.setup:\n", "with app.setup(hide_code=True):\n", "app._unparsable_cell(r'''x = = 1''', name='n')\n",
    "    '''\n", "  text\n", "    # comment\n", "\n", "def _(): x = 1; return x\n",
    "    check('Q1: a', [(True, '')])\n",
    "    f'''{check(", "# /// script\n", "# x = 1\n", "# ///\n", "\r", "\x0c", "é = 'ü'; ", "\\\n",
    "@app.cell(disabled=True)\n",
    "    from mograder.runtime import check\n", "    import os, subprocess as s\n",
    "    s.run(1)\n", "match x:\n", "  case {**r}: pass\n",
]  # fmt: skip


@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from(PIECES), max_size=25).map(lambda p: "".join(p).encode())
)
@example(b"import marimo\napp = marimo.App()\n@app.cell\ndef _():\n    x = 1; return x\n")
def test_any_bytes_give_a_notebook_or_a_typed_error(data: bytes) -> None:
    try:
        notebook = parse_notebook(data, limit=LIMIT)
    except MograderError:
        return
    assert isinstance(notebook, Notebook)
    scan(notebook)
    check_integrity(notebook)
    check_integrity(notebook, notebook)
