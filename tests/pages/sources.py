"""What the code says to people: the templates of its errors and sentences, read off its syntax trees."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from mograder import errors

ROOT = Path(__file__).parents[2] / "src" / "mograder"
HUB = ROOT / "hub"

_NOT_OF_PAGES = (
    "cli", "config.py", "demo", "generate", "moodle", "proving",  # of the command line
    # said before there is a page
    "hub/content.py", "hub/settings.py", "hub/listeners.py", "hub/server.py", "hub/store/database.py",
    "hub/pages/brand.py", "hub/isolation.py:choose", "hub/isolation.py:_demand", "hub/identity/tokens.py:check_secret",
    # for who writes an item, before it is published
    "notebook/lecture.py", "notebook/markers.py", "notebook/release.py", "notebook/written.py",
    # among processes of ours
    "marimo_adapter/control.py", "marimo_adapter/options.py", "marimo_adapter/session.py",
    "marimo_adapter/readable.py", "hub/gateway", "sandbox/selftest.py",
)  # fmt: skip
"""Modules and functions whose errors no page shows."""

_TOLD = {"Sentence"} | {
    name
    for name, thing in vars(errors).items()
    if isinstance(thing, type) and issubclass(thing, errors.MograderError)
}


def spoken() -> Iterator[tuple[str, int, ast.expr]]:
    """Every text that an error or a sentence of the hub's is made from: file (as `HUB` sees it), line, expression."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if any(name == no or name.startswith(f"{no}/") for no in _NOT_OF_PAGES):
            continue
        tree = ast.parse(path.read_bytes())
        hidden = {no.partition(":")[2] for no in _NOT_OF_PAGES if no.startswith(f"{name}:")}
        for node in _calls(tree, hidden):
            texts = node.args[:1] + [word.value for word in node.keywords if word.arg == "tip"]
            yield from ((os.path.relpath(path, HUB), text.lineno, text) for text in texts)


def _calls(node: ast.AST, hidden: set[str]) -> Iterator[ast.Call]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name in hidden:
            continue
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in _TOLD:
            yield child
        yield from _calls(child, hidden)
