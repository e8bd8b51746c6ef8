"""What marimo works out from a text alone is worked out once, and is what marimo would have said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marimo_adapter.test_rehearsal import said

pytestmark = pytest.mark.real

_BEGIN = """
from mograder.marimo_adapter import remembered
from marimo._ast import parse
import marimo._output.md as notes
missed = remembered.prepare()
text = Path(sys.argv[1]).read_text()
"""


def test_the_newest_marimo_works_in_the_way_that_is_known(newest: Path) -> None:
    assert said(newest, _BEGIN + "print(missed, remembered.prepare())") == ["[] []"]


def test_the_parts_of_a_notebook_are_what_marimo_finds_in_it(python: Path) -> None:
    code = """
for given in (text, text.strip(), text + "# more\\n"):
    told = parse.parse_notebook.original(given, "a.py")
    print([told == parse.parse_notebook(given, filepath="a.py") for _ in range(3)])
"""
    assert said(python, _BEGIN + code) == ["[True, True, True]"] * 3


def test_nobody_gets_the_parts_that_somebody_else_has(python: Path) -> None:
    code = """
first, second = parse.parse_notebook(text), parse.parse_notebook(text)
first.cells[0].options["hide_code"] = "changed"
first.cells.clear()
print(len(second.cells) > 0, second == parse.parse_notebook.original(text))
"""
    assert said(python, _BEGIN + code) == ["True True"]


def test_parts_that_were_copied_ahead_are_handed_out_once(python: Path) -> None:
    code = """
remembered.learn(text)
told = [parse.parse_notebook(text, filepath="a.py") for _ in range(5)]
print([one == parse.parse_notebook.original(text, "a.py") for one in told])
print(len({id(one.cells) for one in told}), remembered._copies[text])
"""
    assert said(python, _BEGIN + code) == ["[True, True, True, True, True]", "5 []"]


def test_notes_that_are_not_known_are_noted_while_somebody_wants_to_know(newest: Path) -> None:
    code = """
notes._render_markdown("before")
with remembered.noting():
    html = notes._render_markdown("*new*")
    print(html == notes._render_markdown.original("*new*"), remembered.noted())
    remembered.render(["*new*", "a note[^1]"])
    notes._render_markdown("*new*")
notes._render_markdown("after")
print(list(remembered._html), notes._render_markdown("*new*") == html, remembered.noted())
"""
    assert said(newest, _BEGIN + code) == ["True ['*new*']", "['*new*'] True []"]


def test_a_text_that_is_no_notebook_is_told_each_time(python: Path) -> None:
    code = """
for _ in range(2):
    try:
        print(parse.parse_notebook("def (").valid)
    except SyntaxError as error:
        print(False)
print(parse.parse_notebook(""), len(remembered._parts))
"""
    assert said(python, _BEGIN + code) == ["False", "False", "None 0"]


def test_what_is_kept_is_bounded(python: Path) -> None:
    code = """
for number in range(200):
    parse.parse_notebook(text + f"# {number}\\n")
print(len(remembered._parts))
"""
    assert said(python, _BEGIN + code) == ["64"]


def test_published_notes_are_the_html_that_marimo_makes(newest: Path) -> None:
    code = '''
told = r"""
    # A title

    $x^2$ and a [link](https://example.org)
"""
import inspect, textwrap
cells = "import marimo as mo\\nmo.md(r\\"\\"\\"" + told + "\\"\\"\\")\\nmo.md('a note[^1]')\\nmo.md(f'{told}')"
head = "import marimo\\n\\napp = marimo.App()\\n\\n\\n@app.cell\\ndef _():\\n"
remembered.learn(head + textwrap.indent(cells, "    ") + "\\n    return\\n")
clean = inspect.cleandoc(told)
print(list(remembered._html) == [clean])
print(notes._render_markdown(clean) == notes._render_markdown.original(clean))
print(notes.md(told).text.count("<h1"), notes._render_markdown("other") == notes._render_markdown.original("other"))
'''
    assert said(newest, _BEGIN + code) == ["True", "True", "1 True"]


def test_the_plugins_of_packages_are_looked_for_once(python: Path) -> None:
    code = """
from marimo._entrypoints import registry
group = "marimo.kernel.lifespan"
print(list(registry.get_entry_points(group)) == list(registry.get_entry_points.original(group)))
print(registry.get_entry_points(group) is registry.get_entry_points(group))
"""
    assert said(python, _BEGIN + code) == ["True", "True"]


def test_the_file_of_a_notebook_is_written_as_marimo_writes_it(python: Path) -> None:
    code = """
from marimo._ast import codegen, compiler, toplevel
def written():
    return codegen.generate_filecontents_from_ir(parse.parse_notebook(text))
kept = toplevel.compile_cell
first, second = written(), written()
toplevel.compile_cell = kept.__wrapped__
print(first == second == written(), kept.cache_info().hits > 0)
"""
    assert said(python, _BEGIN + code) == ["True True"]
