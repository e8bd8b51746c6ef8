"""``mograder.notebook.lecture``: a lecture as the hub serves it."""

from __future__ import annotations

import pytest

from mograder.errors import MarkerError
from mograder.notebook import metadata
from mograder.notebook.lecture import find_links, lecture
from mograder.notebook.read import parse_text
from tests.notebook.samples import LECTURE, cell, source, text_of

REST = '"""\nmo.md("""'


def is_lecture(item: str) -> bool:
    return item.startswith("L")


def code_of(text: str) -> str:
    """The last cell's code after the transform."""
    made = lecture(text_of(cell("import marimo as mo"), text), "L01", is_lecture)
    return parse_text(made).cells[-1].code


def test_only_links_and_options_change() -> None:
    before = source(LECTURE).splitlines()
    after = lecture(source(LECTURE), LECTURE, is_lecture).splitlines()
    gone = [line.strip() for line in before if line not in after]
    new = [line.strip() for line in after if line not in before]
    assert gone == [
        'layout_file="layouts/L01-Welcome.slides.json",',
        'html_head_file="head.html",',
        "Go on with [vectors](../L02-Vectors/L02-Vectors.py), or jump to",
        '[the *dot* product](../L02-Vectors/L02-Vectors.py#dot "part 2").',
        "The first exercise is [A1 [graded]](../A1-Intro-to-SciML/A1-Intro-to-SciML.py).",
        "mo.Html(\"<p><a class='next' href='../L02-Vectors/L02-Vectors.py'>Next</a> or \"",
        '"<a href=\\"../A1-Intro-to-SciML/A1-Intro-to-SciML.py\\">the exercise</a></p>")',
    ]
    assert new == [
        "Go on with [vectors](/run/L02-Vectors/), or jump to",
        '[the *dot* product](/run/L02-Vectors/#dot "part 2").',
        "The first exercise is A1 [graded].",
        "mo.Html(\"<p><a class='next' href='/run/L02-Vectors/'>Next</a> or \"",
        '"the exercise</p>")',
    ]


def test_a_lecture_is_its_own_lecture() -> None:
    once = lecture(source(LECTURE), LECTURE, is_lecture)
    assert lecture(once, LECTURE, is_lecture) == once


def test_the_header_says_that_it_is_a_lecture() -> None:
    assert metadata.read(lecture(text_of("x = 1"), "L01", is_lecture)) == {"mograder-type": "lecture"}


@pytest.mark.parametrize(
    ("link", "result"),
    [
        ("[a](../L2/L2.py)", "[a](/run/L2/)"),
        ("[a](<../L2/L2.py>)", "[a](</run/L2/>)"),
        ("[a](../L2/L2.py?x=1)", "[a](/run/L2/?x=1)"),
        ("[**a** `b`](../L2/L2.py 't')", "[**a** `b`](/run/L2/ 't')"),
        ("[a](../A2/A2.py 't'), [b](../L2/L2.py)", "a, [b](/run/L2/)"),
        ("[ä](../Lä/Lä.py)", "[ä](/run/Lä/)"),
        ("[a](../L%2D2/L%2D2.py)", "[a](/run/L%2D2/)"),
        ("[a](../L2/other.py)", "[a](../L2/other.py)"),
        ("[a](../../L2/L2.py)", "[a](../../L2/L2.py)"),
        ("[a](L2/L2.py)", "[a](L2/L2.py)"),
        ("![a](../A2/A2.py)", "![a](../A2/A2.py)"),
        ("../A2/A2.py", "../A2/A2.py"),
        ("<A HREF='../L2/L2.py' class='x'>a</A>", "<A HREF='/run/L2/' class='x'>a</A>"),
        ("<a class='x' href='../A2/A2.py'><b>a</b></a>", "<b>a</b>"),
        ("<abbr href='../A2/A2.py'>a</abbr>", "<abbr href='../A2/A2.py'>a</abbr>"),
    ],
)
def test_links_to_other_items(link: str, result: str) -> None:
    assert code_of(f'mo.md(f"""{link} {{x}}""")') == f'mo.md(f"""{result} {{x}}""")'


def test_links_outside_of_texts_stay() -> None:
    code = "x = a[0](b)  # [a](../L2/L2.py)"
    assert code_of(code) == code


def test_links_are_listed_with_item_and_line() -> None:
    links = find_links(parse_text(source(LECTURE)))
    assert [(link.item, link.lineno) for link in links] == [
        ("L02-Vectors", 29),
        ("L02-Vectors", 30),
        ("A1-Intro-to-SciML", 31),
        ("L02-Vectors", 39),
        ("A1-Intro-to-SciML", 40),
    ]


@pytest.mark.parametrize(
    ("app", "result"),
    [
        ('marimo.App(layout_file="a")', "marimo.App()"),
        ('marimo.App (\n    layout_file="a",\n)', "marimo.App ()"),
        ('marimo.App(width="full", layout_file="a")', 'marimo.App(width="full")'),
        ('marimo.App(html_head_file="ä", width="full", layout_file="a",)', 'marimo.App(width="full",)'),
        ('marimo.App(html_head_file="b", layout_file="a", width="full")', 'marimo.App(width="full")'),
        ('marimo.App(width="full", html_head_file="b", layout_file="a")', 'marimo.App(width="full")'),
        ('marimo.App(css_file="c", **more)', 'marimo.App(css_file="c", **more)'),
        ("marimo.App()", "marimo.App()"),
    ],
)
def test_files_from_elsewhere_are_taken_out_of_the_app(app: str, result: str) -> None:
    assert f"app = {result}\n" in lecture(text_of(app=app), "L01", is_lecture)


def test_solutions_in_a_lecture_are_an_error() -> None:
    text = text_of("x = 1\n### BEGIN SOLUTION\ny = 1\n### END SOLUTION")
    with pytest.raises(MarkerError, match=r"^L01\.py:10: SOLUTION markers, but a lecture is shown whole\."):
        lecture(text, "L01", is_lecture)
