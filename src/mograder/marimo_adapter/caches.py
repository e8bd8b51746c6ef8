"""What marimo remembers of the process in which it was imported, and a session must find out anew."""

from __future__ import annotations

import functools
import sys


def forget() -> None:
    """Empty marimo's ``lru_cache``s: they hold the configuration's path, the home directory, and the like."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "marimo":
            continue
        for value in list(vars(module).values()):
            if isinstance(value, functools._lru_cache_wrapper):
                value.cache_clear()
