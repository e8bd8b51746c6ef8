"""mograder.notebook.dependence"""

from __future__ import annotations

from mograder.notebook.dependence import resting_on, resting_on_solutions
from tests.notebook.samples import notebook


def test_a_cell_rests_on_what_it_uses_directly_or_through_others() -> None:
    cells = notebook("a = 1", "b = a", "def c():\n    return b", "d = 1", "c()").cells
    assert resting_on(cells, {0}) == {0, 1, 2, 4}
    assert resting_on(cells, {3}) == {3}
    assert resting_on(cells, set()) == set()


def test_cells_that_use_each_other_in_a_circle_have_an_end() -> None:
    cells = notebook("a = b", "b = a", "c = 1").cells
    assert resting_on(cells, {1}) == {0, 1}


def test_what_rests_on_a_solution_is_what_students_can_change() -> None:
    source = notebook("x = 1", "y = x\n### BEGIN SOLUTION\nz = y\n### END SOLUTION", "z + 1", "x + 1")
    assert resting_on_solutions(source) == {1, 2}
