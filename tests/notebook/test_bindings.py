"""``mograder.notebook.bindings``: what a cell defines (more in test_release: every way to assign)."""

from __future__ import annotations

from mograder.notebook.bindings import bound_names, public_names
from mograder.notebook.text import parse_python

CODE = """\
import os.path, json as j
def f(a):
    b = 1
for i in [c for c in range(3)]:
    _d = e = i
try:
    pass
except ValueError as error:
    g = 1
from x import *
"""


def test_names_come_with_their_lines_in_order() -> None:
    assert bound_names(parse_python(CODE).body) == [
        ("os", 1), ("j", 1), ("f", 2), ("i", 4), ("_d", 5), ("e", 5), ("g", 9),
    ]  # fmt: skip


def test_private_names_are_nobody_elses() -> None:
    assert public_names(parse_python(CODE).body) == {"os", "j", "f", "i", "e", "g"}
