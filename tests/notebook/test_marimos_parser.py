"""``mograder.notebook.cells`` finds what marimo's own parser finds, which the adapter asks.

The reader is our own because the room of notebooks is pure (docs/design.md says why); this is what makes that safe.
"""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mograder.marimo_adapter.parser import cells
from mograder.notebook.read import parse_text
from tests.notebook.samples import DATA, text_of
from tests.support.marimo_environments import VERSIONS, python_with_marimo

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "src" / "mograder" / "demo" / "course"
NOTEBOOKS = [
    *sorted(DATA.glob("*.py")),
    *(path for path in sorted((DATA.parent / "marimo").glob("*.py")) if path.stem != "helper"),
    *sorted(COURSE.glob("source/*/*.py")),
]

Found = list[tuple[str, str, bool]]


def ours(text: str) -> Found:
    """Name, code and whether it does not run, of each cell."""
    return [(cell.name, cell.code, cell.disabled) for cell in parse_text(text).cells]


def theirs(text: str) -> Found:
    return [(cell.name, cell.code.strip(), bool(cell.options.get("disabled"))) for cell in cells(text)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_of_the_tests_and_of_the_demo_has_the_same_cells(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(ours(text)) > 1
    assert ours(text) == theirs(text)


ASK = """
import json, sys
from mograder.marimo_adapter.parser import cells
found = [[(c.name, c.code.strip(), bool(c.options.get("disabled"))) for c in cells(open(path).read())]
         for path in sys.argv[1:]]
print(json.dumps(found))
"""


#: marimo until 0.20 moves the end of a text whose lines begin left of the code around it; 0.19 does not see comments at
#: the end of functions and classes.
OTHERWISE = {"0.20.4": {"read_measurements"}, "0.19.0": {"read_measurements", "fall", "Body"}}


@pytest.mark.real
@pytest.mark.parametrize("version", VERSIONS)
def test_every_supported_marimo_finds_these_cells(version: str) -> None:
    command = [python_with_marimo(version), "-I", "-c", ASK, *NOTEBOOKS]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    for path, found in zip(NOTEBOOKS, json.loads(said), strict=True):
        expected = [list(cell) for cell in ours(path.read_text(encoding="utf-8"))]
        assert [cell[0] for cell in found] == [cell[0] for cell in expected]
        different = {one[0] for one, other in zip(found, expected, strict=True) if one != other}
        assert different <= OTHERWISE.get(version, set())


# -- notebooks that nobody wrote --------------------------------------------------------------------------------

NAMES = st.sampled_from(["_", "answer", "read_data", "größe", "_private", "setup_plot"])
PIECES = st.sampled_from(
    [
        "x = 1",
        "x = 1; y = 2",
        "y = x  # why",
        "# a comment alone",
        "### BEGIN SOLUTION\nz = 3\n### END SOLUTION",
        "",
        "if x:\n    y = 1\n\n    # inside\nelse:\n    y = 2",
        "def f(a, b=(1, ':')):\n    return a\n",
        "@cache\ndef g():\n    return 'return'",
        "class A:\n    def __call__(self):\n        return self",
        'text = """\nflush left\n    indented\n"""',
        "raw = r'''\n  two\n    return\n'''",
        'mo.md(\n    r"""\n    # Title: @app.cell\n\n    - ünï\n    """\n)',
        'f"""\n{x}\n  {y!r}\n"""',
        "long = (\n    1\n  + 2\n)",
        "joined = 1 + \\\n    2",
        "async def h():\n    return await x",
        "for i in range(3): print(i)",
        "with open('x') as file:\n    file.read()",
        "lambda: (yield)",
        "s = 'a;b' ; t = \"# no comment\"",
        "x if x else y",
        "...",
        "pass",
        "try:\n    x\nexcept E:\n    pass\nfinally:\n    y",
        "match x:\n    case 1:\n        y = 1",
        "'''a text that is not read'''",
    ]
)
INDENTS = st.sampled_from(["    ", "  ", "\t", "        "])
RETURNS = st.sampled_from(
    ["return", "return x,", "return (x,)", "return x, y", "return (\n    x,\n    y,\n)", ""]
)
OPTIONS = st.sampled_from(
    [
        "",
        "()",
        "(hide_code=True)",
        "(disabled=True)",
        "(disabled=False, column=1)",
        "(\n    hide_code=True,\n)",
    ]
)
PARAMETERS = st.sampled_from(
    ["()", "(x)", "(mo, x, y)", "(\n    mo,\n    x,\n)", "(a=':', b={'k': [1]})", "() -> 'x: y'"]
)


def parses(code: str) -> bool:
    try:
        compile(textwrap.dedent(code), "cell", "exec", 0x2000)  # with await outside of functions
    except SyntaxError:
        return False
    return True


@st.composite
def bodies(draw: st.DrawFn) -> str:
    return "\n".join(draw(st.lists(PIECES, max_size=4)))


@st.composite
def plain_cells(draw: st.DrawFn) -> str:
    indent = draw(INDENTS)
    end = draw(RETURNS)
    body = "\n".join([draw(bodies()), end or draw(st.sampled_from(["x = 3", "x = 3  # why", "..."]))])
    word = draw(st.sampled_from(["def", "async def"]))
    head = f"@app.cell{draw(OPTIONS)}\n{word} {draw(NAMES)}{draw(PARAMETERS)}:{draw(st.sampled_from(['', '  # x: y']))}"
    # Where a cell has no `return`, which marimo always writes, it glues a comment on the next line to the last one.
    after = draw(st.sampled_from(["", "\n# of the file", *([f"\n{indent}# after the end"] if end else [])]))
    return f"{head}\n{textwrap.indent(body, indent)}{after}\n"


@st.composite
def definition_cells(draw: st.DrawFn) -> str:
    indent = draw(INDENTS)
    body = textwrap.indent("\n".join([draw(bodies()), "pass"]), indent)
    above = draw(st.sampled_from(["", "# above\n", "@cache\n"]))
    after = draw(st.sampled_from(["", "  # behind it", f"\n{indent}# after the end"]))
    if draw(st.booleans()):
        return f"@app.function{draw(OPTIONS)}\n{above}def area{draw(PARAMETERS)}:\n{body}{after}\n"
    return f"@app.class_definition{draw(OPTIONS)}\n{above}class Body:\n{body}{after}\n"


@st.composite
def unparsable_cells(draw: st.DrawFn) -> str:
    quotes = draw(st.sampled_from(['r"""', '"""']))
    named = draw(st.sampled_from(["", '    name="notes"\n', "    disabled=True\n"]))
    return f'app._unparsable_cell(\n    {quotes}\n    x = = 1\n      y: (\n    """,\n{named})\n'


@st.composite
def setups(draw: st.DrawFn) -> str:
    indent = draw(INDENTS)
    body = textwrap.indent("\n".join([draw(bodies()), draw(st.sampled_from(["import os", "pass"]))]), indent)
    options = draw(
        OPTIONS.filter(lambda text: "\n" not in text)
    )  # marimo takes the second line of those for code
    return f"with app.setup{options}:\n{body}\n{draw(st.sampled_from(['', indent + '# after']))}\n"


@st.composite
def notebooks(draw: st.DrawFn) -> str:
    first = [draw(setups())] if draw(st.booleans()) else []
    rest = draw(
        st.lists(st.one_of(plain_cells(), definition_cells(), unparsable_cells()), min_size=1, max_size=4)
    )
    return text_of(
        *first, *rest, header=draw(st.sampled_from(["", "# /// script\n# ///\n\n", '"""Doc."""\n']))
    )


@settings(max_examples=200)
@given(notebooks().filter(parses))
def test_every_notebook_that_can_be_thought_of_has_the_same_cells(text: str) -> None:
    assert ours(text) == theirs(text)
