"""Cells of published notebooks, compiled before the fork and handed out in each session.

A student's copy of a notebook is mostly the published one, and marimo compiles each of its cells four times: twice in
the server, twice in the kernel. Compiling is a function of a cell's text and id, but what it returns is changed
afterwards; so every compiled cell is handed out once in each process, and after that marimo compiles anew. Nothing of
a cell is run here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

#: How often a process compiles a notebook that it opens.
_COPIES = 2

#: Cells that are kept: some twenty long notebooks. A warm process that has these learns no more.
_CELLS = 1000

#: What marimo's function takes, besides the text and the id; a cell that was compiled with any of it is not ours.
_MORE = ("source_position", "carried_imports", "test_rewrite", "filename")

#: (text, id) -> compiled cells that nobody has.
_ready: dict[tuple[str, str], list[Any]] = {}

#: What those were made of that were handed out. marimo throws most away at once; to free what lies on pages that all
#: sessions share would first copy these pages. What a cell did is not among it.
_given: list[Any] = []


class NotAhead(Exception):
    """The installed marimo does not compile cells in the way that is known here."""


def prepare() -> None:
    """Have marimo take cells that are ready in place of compiling them. Raises ``NotAhead``."""
    compiler = _module("marimo._ast.compiler")
    original = compiler.compile_cell
    if getattr(original, "ahead_of", None) is not None:
        return
    if tuple(inspect.signature(original).parameters) != ("code", "cell_id", *_MORE):
        raise NotAhead("marimo compiles cells from other things than their text and id")

    def compile_cell(code: str, cell_id: Any, *more: Any, **named: Any) -> Any:
        asked = {**dict(zip(_MORE, more, strict=False)), **named}
        ready = _ready.get((code, str(cell_id)))
        # Imports that were carried over matter to cells of imports alone, of which none is kept.
        if ready and not any(value for name, value in asked.items() if name != "carried_imports"):
            # Readers of a lecture are threads: another may have taken the last one.
            with contextlib.suppress(IndexError):
                return _placed(compiler, ready.pop())
        return original(code, cell_id, *more, **named)

    _settle_names(compiler)
    compile_cell.ahead_of = original  # type: ignore[attr-defined]
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("marimo.") and (
            vars(module).get("compile_cell") is original
        ):
            vars(module)["compile_cell"] = compile_cell


def compile_notebook(path: Path) -> int:
    """Compile the cells of a published notebook ahead; how many are new.

    Raises ``NotAhead``, ``OSError``, or what marimo says of a file that is no notebook.
    """
    prepare()
    compiler, load = _module("marimo._ast.compiler"), _module("marimo._ast.load")
    parse = _module("marimo._ast.parse")
    notebook = parse.parse_notebook(path.read_text(encoding="utf-8"))
    if notebook is None:
        return 0
    manager = load.load_notebook_ir(notebook, filepath=str(path))._cell_manager
    found = {(data.code, str(data.cell_id)): data.cell_id for data in manager.cell_data()}
    count = 0
    for (code, name), cell_id in found.items():
        if len(_ready) < _CELLS and (code, name) not in _ready:
            count += _keep(compiler.compile_cell.ahead_of, code, name, cell_id)
    return count


def _keep(compile_cell: Any, code: str, name: str, cell_id: Any) -> int:
    try:
        made = [compile_cell(code, cell_id) for _ in range(_COPIES)]
    except SyntaxError:
        return 0  # the session says so, where its owner reads it
    cell = made[0]
    workspace = getattr(cell, "import_workspace", None)
    if not dataclasses.is_dataclass(cell) or getattr(workspace, "is_import_block", True):
        return 0
    if getattr(cell, "_test", True) or not {"body", "last_expr"} <= vars(cell).keys():
        return 0  # tests are compiled in another way where pytest is there
    getattr(cell, "toplevel_variable", None)  # its syntax tree is remembered, if anybody remembers trees
    _ready[code, name] = made
    return 1


def _settle_names(compiler: Any) -> None:
    """Have the files of cells named alike in all forks of this process. There are no such files; marimo would choose
    another name in each. Raises ``NotAhead``."""
    if not hasattr(compiler, "get_tmpdir"):
        raise NotAhead("marimo names the files of cells in another way")
    place = compiler.get_tmpdir()
    compiler.get_tmpdir = lambda: place


def _placed(compiler: Any, cell: Any) -> Any:
    """The cell as if it had been compiled here: tracebacks find its lines, where another notebook's may have been."""
    compiler.cache(compiler.get_filename(cell.cell_id), cell.code)
    _given.extend(getattr(cell, field.name) for field in dataclasses.fields(cell) if field.name[0] != "_")
    return cell


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotAhead(f"{name} can not be imported: {error}") from error
