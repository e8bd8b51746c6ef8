"""Notebooks for these tests: realistic sources from ``tests/data``, and small ones made of cells."""

from __future__ import annotations

import textwrap
from pathlib import Path

from mograder.notebook.read import Notebook, parse_text

DATA = Path(__file__).parents[1] / "data" / "notebooks"
ASSIGNMENTS = ("A1-Intro-to-SciML", "A2-Functions", "A3-Old-format")
LECTURE = "L01-Welcome"

IMPORTS = """\
import marimo as mo
from mograder.runtime import Grader, check
"""


def source(name: str) -> str:
    """The source notebook ``name`` of the tests' course."""
    return (DATA / f"{name}.py").read_text(encoding="utf-8")


def cell(code: str, returns: str = "", name: str = "_", decorator: str = "@app.cell") -> str:
    """One cell as marimo writes it."""
    body = textwrap.indent(textwrap.dedent(code).strip("\n"), "    ")
    return f"{decorator}\ndef {name}():\n{body}\n    return {returns}".rstrip() + "\n"


def text_of(*cells: str, header: str = "", app: str = "marimo.App()") -> str:
    """A notebook of these cells, each made by `cell` or a bare piece of code."""
    made = [each if each.startswith(("@", "with app.", "app.")) else cell(each) for each in cells]
    top = f'{header}import marimo\n\n__generated_with = "0.19.0"\napp = {app}\n\n\n'
    return top + "\n\n".join(made) + '\n\nif __name__ == "__main__":\n    app.run()\n'


def notebook(*cells: str, header: str = "", name: str = "A1.py") -> Notebook:
    """The same, parsed."""
    return parse_text(text_of(*cells, header=header), name)
