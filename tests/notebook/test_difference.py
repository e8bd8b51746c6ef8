"""``mograder.notebook.difference``: every cell once, and what changed in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mograder.notebook.difference import Line, compare, lines_of


def notebook(*cells: str, names: tuple[str, ...] = ()) -> str:
    """A notebook with these cells."""
    written = ["import marimo\n\napp = marimo.App()\n"]
    for index, code in enumerate(cells):
        name = names[index] if names else "_"
        body = "\n".join(f"    {line}" for line in code.split("\n"))
        written.append(f"\n\n@app.cell\ndef {name}():\n{body}\n    return\n")
    return "".join(written)


def kinds(old: str, new: str) -> list[str]:
    return [change.kind for change in compare(old, new).cells]


def shown(lines: tuple[Line, ...]) -> list[tuple[str, str, str]]:
    return [(line.kind, "".join(p[0] for p in line.old), "".join(p[0] for p in line.new)) for line in lines]


def test_equal_notebooks_have_no_changes() -> None:
    text = notebook("x = 1", "y = 2")
    assert kinds(text, text) == ["same", "same"]


def test_an_edited_cell_is_the_same_cell_changed() -> None:
    difference = compare(notebook("x = 1", "y = 2"), notebook("x = 1", "y = 3"))
    assert [change.kind for change in difference.cells] == ["same", "changed"]
    assert shown(difference.cells[1].lines) == [("changed", "y = 2", "y = 3")]


def test_a_new_cell_and_one_that_is_gone_stand_where_they_belong() -> None:
    old = notebook("import math", "gone = 'away'", "x = 1")
    new = notebook("import math", "x = 1", "fresh = [0]")
    found = compare(old, new).cells
    assert [(c.kind, c.old, c.new) for c in found] == [
        ("same", 0, 0), ("removed", 1, None), ("same", 2, 1), ("added", None, 2),
    ]  # fmt: skip


def test_a_cell_that_only_changed_its_place_is_moved() -> None:
    found = compare(notebook("a = 1", "b = 2", "c = 3"), notebook("c = 3", "a = 1", "b = 2")).cells
    assert [(c.kind, c.old, c.new) for c in found] == [("moved", 2, 0), ("same", 0, 1), ("same", 1, 2)]


def test_a_named_cell_is_found_again_however_much_it_changed() -> None:
    old = notebook("a = 1", "b = 2\nc = 3", names=("_", "solve"))
    new = notebook("totally\ndifferent", "z = 0", names=("solve", "_"))
    assert [(c.old, c.new) for c in compare(old, new).cells if c.name == "solve"] == [(1, 0)]


def test_a_rewritten_cell_between_two_known_ones_is_that_cell() -> None:
    old = notebook("first = 1", "answer = None  # YOUR CODE HERE", "last = 9")
    new = notebook("first = 1", "import numpy\nanswer = numpy.sum([1])", "last = 9")
    assert kinds(old, new) == ["same", "changed", "same"]


def test_words_that_differ_are_marked_and_others_are_not() -> None:
    (line,) = lines_of("total = price * 2", "total = price * 3")
    assert line.old == (("total = price * ", False), ("2", True))
    assert line.new == (("total = price * ", False), ("3", True))


def test_lines_count_from_one_on_their_own_side() -> None:
    lines = lines_of("a\nb", "a\nnew\nb")
    assert [(line.old_number, line.new_number) for line in lines] == [(1, 1), (None, 2), (2, 3)]


def test_long_equal_stretches_are_folded() -> None:
    text = "\n".join(f"line {n}" for n in range(50))
    lines = lines_of(text, text.replace("line 25", "line twenty-five"))
    assert [line.skipped for line in lines if line.skipped] == [22, 21]
    assert len(lines) == 9


def test_what_is_no_notebook_is_compared_as_one_text() -> None:
    difference = compare("def (:\n", notebook("x = 1"))
    assert not difference.by_cell
    assert [change.kind for change in difference.cells] == ["changed"]


def test_text_cells_are_compared_as_text() -> None:
    old, new = notebook('mo.md("""# Old""")'), notebook('mo.md("""# New""")')
    assert shown(compare(old, new).cells[0].lines) == [("changed", "# Old", "# New")]


def test_enormous_changes_are_cut_and_say_so() -> None:
    old = notebook("x = 1")
    new = notebook("x = 1", "\n".join(f"y{n} = 0" for n in range(5000)))
    difference = compare(old, new)
    assert difference.cut
    assert [change.kind for change in difference.cells] == ["same"]


code = st.lists(st.sampled_from(["a = 1", "b = 2", "c = a", "print(1)"]), min_size=1, max_size=3).map(
    "\n".join
)


@settings(deadline=None)
@given(st.lists(code, max_size=6), st.lists(code, max_size=6))
def test_every_cell_of_both_stands_in_it_once(old: list[str], new: list[str]) -> None:
    found = compare(notebook(*old), notebook(*new)).cells
    assert sorted(c.old for c in found if c.old is not None) == list(range(len(old)))
    assert [c.new for c in found if c.new is not None] == list(range(len(new)))
    for change in found:
        if change.kind in ("same", "moved"):
            assert old[change.old or 0] == new[change.new or 0]


text = st.lists(st.sampled_from(["x", "y", "z", ""]), max_size=30).map("\n".join)


@settings(deadline=None)
@given(text, text)
def test_both_texts_can_be_read_off_the_lines(old: str, new: str) -> None:
    lines = lines_of(old, new)
    for number, pieces, whole in (("old_number", "old", old), ("new_number", "new", new)):
        written = whole.split("\n") if whole else []
        for line in lines:
            at = getattr(line, number)
            if at is not None:
                assert "".join(piece for piece, _ in getattr(line, pieces)) == written[at - 1]
        hidden = sum(line.skipped for line in lines)
        assert sum(getattr(line, number) is not None for line in lines) + hidden == len(written)
