"""``mograder.notebook.safety``: a courtesy about code that has no place in coursework."""

from __future__ import annotations

import pytest

from mograder.notebook.read import parse_text
from mograder.notebook.release import release
from mograder.notebook.safety import scan
from tests.notebook.samples import ASSIGNMENTS, LECTURE, notebook, source

COURSEWORK = """\
import os, sys, re, pickle, json, urllib.request, importlib.resources
import multiprocessing, threading, asyncio, pathlib
import numpy as np
from scipy import signal
from os import path
os.path.join("a", "b"); os.environ["KERAS_BACKEND"] = "jax"; os.remove("x"); os.listdir(".")
sys.path; sys.exit
re.compile("x"); model.eval(); df.eval("a + b"); model.compile(); signal.kill
open("data.csv").read()
A.__mro__, A.__init__, f.__name__
"""


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import subprocess", "`import subprocess`"),
        ("import socket as s, math", "`import socket`"),
        ("from ctypes.util import find_library", "`import ctypes`"),
        ("import os\nos.system('ls')", "`os.system`"),
        ("import os as o\no.execv('a', [])", "`os.execv`"),
        ("from os import fork", "`os.fork`"),
        ("from shutil import rmtree", "`shutil.rmtree`"),
        ("eval('1')", "`eval()`"),
        ("def f():\n    return [exec(x) for x in y]", "`exec()`"),
        ("__import__('os')", "`__import__()`"),
        ("import importlib\nimportlib.import_module('os')", "`importlib.import_module`"),
        ("().__class__.__base__.__subclasses__()", "`.__subclasses__`"),
        ("x = 'MOGRADER_SIDECAR_PATH'", "`MOGRADER_SIDECAR_PATH`"),
    ],
)
def test_what_has_no_place_is_found_with_its_line(code: str, what: str) -> None:
    book = notebook(f"x = 1\n{code}")
    (finding,) = scan(book)
    line = book.cells[0].body_first + 1 + code.count("\n")
    assert (finding.what, finding.lineno) == (what, line)
    assert str(finding) == f"Line {line}: {what} has no place in coursework."


def test_what_coursework_uses_is_not_found() -> None:
    assert scan(notebook(COURSEWORK)) == []


@pytest.mark.parametrize("name", [*ASSIGNMENTS, LECTURE])
def test_real_notebooks_are_clean(name: str) -> None:
    assert scan(parse_text(source(name))) == []
    if name != LECTURE:
        assert scan(parse_text(release(source(name), name))) == []


def test_what_the_release_itself_uses_is_the_authors_choice() -> None:
    given = notebook("import subprocess")
    mine = notebook("import subprocess", "import socket")
    assert [finding.what for finding in scan(mine, given)] == ["`import socket`"]


def test_a_notebook_full_of_it_gives_as_much_as_a_person_may_read() -> None:
    assert len(scan(notebook("eval('1')\n" * 1000))) == 30


def test_code_outside_the_cells_counts() -> None:
    text = notebook("x = 1").text + "\nimport socket\n"
    assert len(scan(parse_text(text))) == 1
