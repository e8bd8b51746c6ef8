"""Regular expressions that sessions use, compiled once before the fork: ``re`` remembers them for its own process."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterable
from typing import Any

#: Patterns that ``re`` is to remember; its own 512 are fewer than a session and its libraries have.
_REMEMBERED = 4096

#: Kind ("str" or "bytes"), pattern (bytes as latin-1), flags: as JSON can hold it.
Pattern = tuple[str, str, int]


def used() -> list[Pattern]:
    """The patterns that this process remembers, oldest first; none if this Python keeps them in another way."""
    found = []
    for key in list(getattr(re, "_cache", ())):
        with contextlib.suppress(TypeError, ValueError):
            kind, pattern, flags = key
            if kind is str and isinstance(pattern, str):
                found.append(("str", pattern, int(flags)))
            elif kind is bytes and isinstance(pattern, bytes):
                found.append(("bytes", pattern.decode("latin-1"), int(flags)))
    return found


def remember(patterns: Iterable[Pattern]) -> None:
    """Have ``re`` know ``patterns``, and forget none of them soon."""
    module: Any = re
    if hasattr(module, "_MAXCACHE"):
        module._MAXCACHE = max(module._MAXCACHE, _REMEMBERED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, pattern, flags in patterns:
            with contextlib.suppress(re.error, ValueError, OverflowError, RecursionError):
                re.compile(pattern if kind == "str" else pattern.encode("latin-1"), flags)
