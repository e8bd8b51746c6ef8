"""Whether a file can be run as a marimo notebook at all; marimo's versions answer this in different ways."""

from __future__ import annotations

import ast
from pathlib import Path

from mograder.errors import NotANotebook


def check(path: Path) -> None:
    """Raise ``NotANotebook``, with file and line, unless ``path`` is Python with a marimo ``App`` in it.

    The file is parsed, never run.
    """
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise NotANotebook(f"{path.name} can not be read: {error.strerror}.") from error
    except SyntaxError as error:
        raise NotANotebook(
            f"{path.name}:{error.lineno or 1}: {error.msg}.", tip="correct the line and save again"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotANotebook(f"{path.name} can not be read as Python: {error}.") from error
    if not any(_makes_app(node) for node in ast.walk(tree)):
        raise NotANotebook(f"{path.name} is no marimo notebook: it makes no marimo.App.")


def _makes_app(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func
    return (isinstance(name, ast.Attribute) and name.attr == "App") or (
        isinstance(name, ast.Name) and name.id == "App"
    )
