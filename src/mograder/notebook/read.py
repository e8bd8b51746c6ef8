"""From the bytes of a file to a `Notebook`, or a refusal that says what is wrong with it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from mograder.errors import NotANotebook, TooLarge
from mograder.notebook.cells import Cell, find_cells
from mograder.notebook.text import parse_python, printable


@dataclass(frozen=True)
class Notebook:
    """A marimo notebook as text. ``name`` is the file's name, for messages."""

    name: str
    text: str
    cells: tuple[Cell, ...]
    tree: ast.Module = field(compare=False, repr=False)
    app_call: ast.Call = field(compare=False, repr=False)


def parse_notebook(data: bytes, *, limit: int, name: str = "notebook") -> Notebook:
    """The notebook in ``data``, which may come from anybody.

    ``limit`` is in bytes. Parsing holds Python's interpreter lock and takes about 2 s and 350 MB for 1 MB of
    ordinary code (measured), 5 s for 300 kB of code made to be slow: do it where nobody waits.

    Raises:
        TooLarge: more than ``limit`` bytes.
        NotANotebook: empty, binary, not UTF-8, not Python, nested too deeply, or Python but not marimo's.
    """
    if len(data) > limit:
        raise TooLarge(
            "{name}: {size} bytes is more than a notebook may have ({limit}).",
            name=name,
            size=len(data),
            limit=limit,
        )
    if not data.strip():
        raise NotANotebook("{name}: the file is empty.", name=name)
    if b"\0" in data:
        raise NotANotebook("{name}: this is a binary file, not a notebook.", name=name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise NotANotebook("{name}:{line}: this is not UTF-8 text.", name=name, line=line) from None
    return parse_text(text, name)


def parse_text(text: str, name: str = "notebook") -> Notebook:
    """The notebook with this text. Raises NotANotebook as `parse_notebook` does."""
    try:
        tree = parse_python(text)
        cells = find_cells(text, tree)
    except SyntaxError as error:
        where = f"{name}:{error.lineno}" if error.lineno else name
        raise NotANotebook(
            "{where}: this is not Python: {reason}.", where=where, reason=printable(str(error.msg))
        ) from None
    except (RecursionError, MemoryError):
        raise NotANotebook("{name}: the code is nested too deeply to be read.", name=name) from None
    except ValueError as error:  # NUL or surrogate characters, numbers of thousands of digits
        raise NotANotebook(
            "{name}: this is not Python: {reason}.", name=name, reason=printable(str(error))
        ) from None
    return Notebook(name, text, cells, tree, _app_call(tree, name))


def _app_call(tree: ast.Module, name: str) -> ast.Call:
    """The ``marimo.App(…)`` that makes the file a notebook."""
    aliases = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "marimo"
    }
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(call := node.value, ast.Call):
            target, maker = node.targets[0], call.func
            if (
                isinstance(target, ast.Name)
                and target.id == "app"
                and isinstance(maker, ast.Attribute)
                and maker.attr == "App"
                and isinstance(maker.value, ast.Name)
                and maker.value.id in aliases
            ):
                return call
    raise NotANotebook(
        "{name}: this is Python, but not a marimo notebook (it has no `app = marimo.App()`).",
        tip="download the notebook from marimo as a Python file.",
        name=name,
    )
