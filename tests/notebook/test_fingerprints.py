"""``mograder.notebook.fingerprints``: what the header of a release knows about its cells."""

from __future__ import annotations

import hashlib

import pytest

from mograder.notebook.fingerprints import (
    fingerprint,
    fingerprints,
    is_editable,
    markdown,
    possible_fingerprints,
)
from tests.notebook.samples import cell, notebook

CANONICAL = 'mo.md(r"""\n# Title\n\n* one\n    * two\n""")'


def test_a_fingerprint_is_the_start_of_the_hash_of_the_stripped_code() -> None:
    assert fingerprint("\n  x = 1 \n") == hashlib.sha256(b"x = 1").hexdigest()[:8]


def test_cells_for_students_are_left_out() -> None:
    book = notebook(
        "a = 1",
        "b = 1\nif b:\n    # YOUR CODE HERE\n    pass",
        cell("mo.md('x')", name="written_analysis"),
        cell("mo.md('x')", name="written_analysis_12"),
        cell("mo.md('x')", name="written_analysis_of"),
        "### BEGIN SOLUTION\nc = 1\n### END SOLUTION",
        "d = '# YOUR CODE HERE'",
    )
    assert [is_editable(each) for each in book.cells] == [False, True, True, True, False, True, False]
    assert fingerprints(book.cells) == [
        fingerprint(each.code) for each in book.cells if not is_editable(each)
    ]


@pytest.mark.parametrize(
    "old",
    [
        'mo.md(\n    r"""\n    # Title\n\n    * one\n        * two\n    """\n)',
        'mo.md("""# Title\n\n* one\n    * two""")',
        "mo.md(f'''\n# Title\n\n* one\n    * two\n''')",
        CANONICAL,
    ],
)
def test_a_text_cell_is_known_after_marimo_rewrote_it(old: str) -> None:
    (saved,) = notebook(CANONICAL).cells
    assert fingerprint(old) in possible_fingerprints(saved)


def test_another_text_is_not_known() -> None:
    (saved,) = notebook(CANONICAL.replace("two", "three")).cells
    assert fingerprint(CANONICAL) not in possible_fingerprints(saved)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (CANONICAL, "# Title\n\n* one\n    * two"),
        ('mo.md("one line")', "one line"),
        ("mo.md(f'no {{value}}')", "no {value}"),
        ("mo.md(f'a {value}')", None),
        ("mo.md('a'); x = 1", None),
        ("mo.md('a', kind='b')", None),
        ("md('a')", None),
        ("np.md('a')", None),
        ("mo.md(text)", None),
        ("", None),
    ],
)
def test_the_text_of_a_text_cell_is_read(code: str, text: str | None) -> None:
    (found,) = notebook(cell(code)).cells
    assert markdown(found) == text
