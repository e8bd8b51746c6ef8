"""Where the notebook runs: its marimo, if it has one, and what its file says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^# /// script[ \t]*\n((?:#(?: .*)?\n)+?)# ///[ \t]*$", re.MULTILINE)
_HIDDEN_TESTS = re.compile(r"^#\s*mograder-hidden-tests\s*=\s*true\b", re.MULTILINE)


def marimo() -> Any:
    """marimo if the notebook has imported it, else None. It is never imported from here: a notebook that
    shows anything has done so, and for a plain script it would cost more than all its checks."""
    return sys.modules.get("marimo")


def in_notebook() -> bool:
    """Whether results are shown by marimo; otherwise they have to be printed."""
    module = marimo()
    return bool(module is not None and module.running_in_notebook())


def has_hidden_tests(file: object) -> bool:
    """Whether the header of the running notebook says ``mograder-hidden-tests = true``.

    Args:
        file: ``__file__`` in the notebook's globals, which marimo sets in every mode (editor, app, export,
            script, WASM). Where that is no readable file with a header, the main script is looked at.
    """
    for candidate in (file, getattr(sys.modules.get("__main__"), "__file__", None)):
        header = _header(candidate) if isinstance(candidate, str) else None
        if header is not None:
            return _HIDDEN_TESTS.search(header) is not None
    return False


def _header(file: str) -> str | None:
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None  # the name of a cell, or a file that is gone: the next candidate may do
    block = _BLOCK.search(text.replace("\r\n", "\n"))
    return block[1] if block else None
