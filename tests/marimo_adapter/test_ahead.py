"""Cells compiled ahead are as good as cells compiled now, by every supported version of marimo."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mograder.marimo_adapter.owner import Warm
from tests.marimo_adapter.conftest import NOTEBOOKS, Make, forked, warm_process
from tests.support import imported
from tests.support.marimo_client import MarimoClient

pytestmark = pytest.mark.real

_BEGIN = """
import os, sys
from pathlib import Path
from marimo._ast import compiler, load
original = compiler.compile_cell
from mograder.marimo_adapter import ahead
count = ahead.compile_notebook(Path(sys.argv[1]))
kept = sorted(ahead._ready)
code, name = kept[0]
"""


def said(python: Path, code: str, notebook: str = "plain.py") -> list[str]:
    """What ``code`` prints, line by line, after a notebook was compiled ahead."""
    return imported.run(python, _BEGIN + code, str(NOTEBOOKS / notebook), env=dict(os.environ))


def test_every_cell_is_kept_but_those_of_imports_alone(python: Path) -> None:
    assert said(python, "print(count, any('import' in code for code, _ in kept))") == ["2 False"]


def test_a_second_reading_of_the_same_notebook_adds_nothing(python: Path) -> None:
    assert said(python, "print(ahead.compile_notebook(Path(sys.argv[1])), len(ahead._ready))") == ["0 2"]


def test_a_kept_cell_is_handed_out_once_and_then_compiled_anew(python: Path) -> None:
    code = "made = [compiler.compile_cell(code, name) for _ in range(4)]\n"
    code += "print(len({id(cell) for cell in made}), len({id(cell.defs) for cell in made}), ahead._ready[code, name])"
    assert said(python, code) == ["4 4 []"]


def test_what_a_cell_is_made_of_is_not_freed_and_what_it_did_is(python: Path) -> None:
    code = """
import weakref
class Large:
    pass
cell, large = compiler.compile_cell(code, name), Large()
object.__setattr__(cell, "_output", large)
kept = [weakref.ref(thing) for thing in (cell.body, large, cell)]
del cell, large
print([thing() is not None for thing in kept])
"""
    assert said(python, code) == ["[True, False, False]"]


def test_readers_of_a_lecture_who_compile_at_once_get_cells_of_their_own(python: Path) -> None:
    code = """
class Last(list):
    def __bool__(self):
        return True  # there is one until another thread has it
ahead._ready[code, name] = Last(ahead._ready[code, name][:1])
made = [compiler.compile_cell(code, name) for _ in range(3)]
print(len({id(cell) for cell in made}))
"""
    assert said(python, code) == ["3"]


def test_a_kept_cell_is_what_marimo_would_compile(python: Path) -> None:
    code = """
for code, name in kept:
    ours, theirs = compiler.compile_cell(code, name), original(code, name)
    for field in ("key", "code", "defs", "refs", "temporaries", "language", "cell_id", "body", "last_expr"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert ours.body.co_filename == theirs.body.co_filename
print("same")
"""
    assert said(python, code) == ["same"]


def test_another_text_is_compiled(python: Path) -> None:
    code = "cell = compiler.compile_cell(code + '\\nmore = 1', name)\n"
    code += "print('more' in cell.defs, len(ahead._ready[code, name]))"
    assert said(python, code) == ["True 2"]


def test_a_cell_asked_for_in_another_way_is_compiled(python: Path) -> None:
    code = "compiler.compile_cell(code, name, test_rewrite=True)\nprint(len(ahead._ready[code, name]))"
    assert said(python, code) == ["2"]


def test_a_forked_process_finds_its_lines_and_copies_nothing(python: Path) -> None:
    code = """
kept_body = ahead._ready[code, name][-1].body
compiler.compile_cell("another = 1", name)
if os.fork() == 0:
    import linecache
    cell = compiler.compile_cell(code, name)
    print(cell.body is kept_body, compiler.get_filename(name) == cell.body.co_filename)
    print(linecache.getline(cell.body.co_filename, 1).strip() in code.splitlines()[0], flush=True)
    new = compiler.compile_cell("another = 1", name)
    print(new.body.co_filename == cell.body.co_filename, linecache.getline(new.body.co_filename, 1).strip(), flush=True)
    os._exit(0)
os.wait()
print(len(ahead._ready[code, name]))
"""
    assert said(python, code) == ["True True", "True", "True another = 1", "2"]


@pytest.fixture
def warm(python: Path) -> Iterator[Warm]:
    with warm_process(python, "failing.py") as process:
        yield process


def test_an_error_in_a_published_cell_names_its_line(warm: Warm, python: Path, desk: Path) -> None:
    with forked(warm, python, desk) as make:
        tab = make("failing.py").tab().start()
        while "ZeroDivisionError" not in (shown := traceback_of(tab)):
            tab.receive()  # some versions send it after the word that all cells have run
        assert "1 / 0" in shown


def traceback_of(tab: MarimoClient) -> str:
    """What all cells have said on their consoles, without its colours."""
    return re.sub("<[^>]*>", "", str([cell.console for cell in tab.outputs.values()]))


def test_two_sessions_of_one_notebook_do_not_meet(make: Make) -> None:
    first, second = make("numbers.py").tab().start(), make("numbers.py").tab().start()
    assert "mine" in first.run(first.cells[1], "ANSWER, random, np\n'mine'")
    assert "mine" not in second.run(second.cells[1], second.codes[1])
    assert "mine" not in make("numbers.py").tab().start().output(second.cells[1])
