"""mograder.notebook.mutants"""

from __future__ import annotations

import ast
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mograder.notebook.mutants import Mutant, mutants
from mograder.notebook.read import parse_text
from tests.notebook.samples import ASSIGNMENTS, notebook, source, text_of


def solution(code: str) -> str:
    return f"### BEGIN SOLUTION\n{code}\n### END SOLUTION"


def made(*cells: str, limit: int = 100) -> list[Mutant]:
    return mutants(notebook(*cells), limit)


def changed(code: str) -> set[str]:
    """What each mutant makes of the lines of a solution, in a function; without the one that takes it out."""
    indented = textwrap.indent(solution(code), "    ")
    found = made(f"def f(x):\n{indented}")
    bodies = [mutant.text for mutant in found if "BEGIN SOLUTION" in mutant.text]
    return {
        textwrap.dedent(text.split("BEGIN SOLUTION\n")[1].split("        ### END")[0]).strip()
        for text in bodies
    }


def test_numbers_are_changed() -> None:
    assert changed("y = 3") == {"y = (3 + 1)"}
    assert changed("y = 2.5") == {"y = (2.5 * 2 + 1)"}
    assert (
        changed("y = True") == changed("y = 'text'") == changed("y = f'{3}'") == changed("y = 1e999") == set()
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<", ">="), (">", "<="), ("==", "!="), (">=", "<"), ("<=", ">"), ("!=", "=="), ("is", "is not"),
        ("is  not", "is"), ("in", "not in"), ("not in", "in"), ("+", "-"), ("-", "+"), ("*", "/"), ("/", "*"),
        ("//", "*"), ("%", "*"), ("**", "*"),
    ],
)  # fmt: skip
def test_an_operator_becomes_another(before: str, after: str) -> None:
    assert changed(f"y = (x) {before} (x)") == {f"y = (x) {after} (x)"}


def test_a_return_gives_none() -> None:
    assert changed("return [x,\n    x]") == {"return None"}
    assert changed("return") == changed("return None") == set()


def test_each_solution_is_taken_out_as_students_get_it() -> None:
    first, second = made(solution("x = a"), solution("y = b"))
    assert "y = b" in first.text
    assert "x = a" not in first.text
    assert "# YOUR CODE HERE" in first.text
    assert "x = a" in second.text
    assert (first.what, second.what) == ("the solution is taken out", "the solution is taken out")
    assert first.block < second.block


def test_nothing_outside_of_solutions_is_touched() -> None:
    assert (
        made("x = 1 + 2", "check('Q1', [(1 < 2, 'a')])\n### BEGIN HIDDEN TESTS\nz = 3\n### END HIDDEN TESTS")
        == []
    )


def test_a_written_answer_is_left_alone() -> None:
    assert made("import marimo as mo", solution("response_text = 'because 1 < 2'")) == []


def test_a_place_where_a_number_can_not_be_changed_is_left_alone() -> None:
    assert changed("match x:\n    case 1:\n        y = x") == set()


def test_every_block_has_its_turn_before_one_has_a_second() -> None:
    found = made(solution("x = 1 + 2 + 3 + 4"), solution("y = 5"), limit=3)
    assert sorted({mutant.block for mutant in found}) == sorted(mutant.block for mutant in found[1:])
    assert [mutant.what for mutant in found].count("the solution is taken out") == 2


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_every_mutant_of_a_real_source_is_a_notebook_that_differs_in_its_block_alone(name: str) -> None:
    book = parse_text(source(name), f"{name}.py")
    for mutant in mutants(book, 200):
        other = parse_text(mutant.text, book.name)
        assert len(other.cells) == len(book.cells)
        assert sum(one.code != two.code for one, two in zip(book.cells, other.cells, strict=True)) == 1


NAMES = st.sampled_from(
    ["a", "b", "x", "1", "2.5", "0x1f", "'é'", 'f"{a + 1}"', "(a)", "-3", "None", "[1, 2]"]
)
OPERATORS = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "is not", "not in", "and"])
EXPRESSIONS = st.recursive(
    NAMES,
    lambda inner: (
        st.builds(lambda a, o, b: f"({a}) {o} {b}", inner, OPERATORS, inner)
        | st.builds(lambda a: f"f({a}, k={a})", inner)
        | st.builds(lambda a, b: f"[{a} for q in {b} if q < 3]", inner, inner)
    ),
    max_leaves=6,
)
STATEMENTS = st.builds(
    lambda shape, a: shape.format(a=a),
    st.sampled_from(
        ["y = {a}", "def g(u=1):\n    return {a}", "if {a}:\n    y = {a}  # < 3 é", "y: int = {a}"]
    ),
    EXPRESSIONS,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STATEMENTS, min_size=1, max_size=4))
def test_any_mutant_is_another_program_that_differs_between_the_markers_alone(statements: list[str]) -> None:
    code = "\n".join(statements)
    text = text_of("é = 1  # é", f"before = 'é'\n{solution(code)}\nafter = 2")
    book = parse_text(text, "A1.py")
    head, rest = text.split("### BEGIN SOLUTION", 1)
    tail = rest.split("### END SOLUTION", 1)[1]
    found = mutants(book, 30)
    assert len({mutant.text for mutant in found}) == len(found)
    for mutant in found:
        assert ast.dump(ast.parse(mutant.text)) != ast.dump(book.tree)
        assert mutant.text.endswith(tail)
        if "### BEGIN SOLUTION" in mutant.text:
            assert mutant.text.startswith(head)
            assert text.count("\n", 0, text.index("### BEGIN")) < mutant.lineno


@settings(max_examples=20, deadline=None)
@given(st.lists(STATEMENTS, min_size=1, max_size=4), st.integers(0, 10))
def test_there_are_never_more_than_asked_for_and_always_the_same(statements: list[str], limit: int) -> None:
    book = notebook(solution("\n".join(statements)))
    found = mutants(book, limit)
    assert len(found) <= limit
    assert found == mutants(book, limit)
