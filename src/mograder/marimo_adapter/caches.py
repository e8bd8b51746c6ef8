"""What marimo remembers of the process in which it was imported, and a session must find out anew."""

from __future__ import annotations

import functools
import sys
from typing import Any

_found: list[Any] = []


def collect() -> None:
    """Note marimo's ``lru_cache``d functions, once, in the warm process: looking later costs each session pages."""
    seen: set[int] = set()
    _found.clear()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "marimo":
            continue
        for value in list(vars(module).values()):
            if isinstance(value, functools._lru_cache_wrapper) and id(value) not in seen:
                seen.add(id(value))
                _found.append(value)


def clear() -> None:
    """Forget what the noted functions remember: the configuration's path, the home directory, and the like."""
    for function in _found:
        if function.cache_info().currsize:
            function.cache_clear()
