"""The pages' own files, each under an address that changes with its content."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from importlib.resources import files

import brotli  # type: ignore[import-untyped]

_COMMENT = re.compile(r"//|/\*.*\*/$")
_TYPES = {
    "hub.css": "text/css; charset=utf-8",
    "teach.css": "text/css; charset=utf-8",
    "table.css": "text/css; charset=utf-8",
    "single.css": "text/css; charset=utf-8",
    "diff.css": "text/css; charset=utf-8",
    "account.css": "text/css; charset=utf-8",
    "update.css": "text/css; charset=utf-8",
    "bar.css": "text/css; charset=utf-8",
    "bar.js": "text/javascript; charset=utf-8",
    "ask.js": "text/javascript; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "hub.js": "text/javascript; charset=utf-8",
    "ahead.js": "text/javascript; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "hub.svg": "image/svg+xml",
}


@cache
def static_table() -> dict[str, tuple[bytes, str]]:
    """Every file by its address below the hub's root (``static/<hash>/hub.css``): its bytes and content type.

    An address never changes its content, so it may be cached for ever.
    """
    return {_address(name): (_read(name), content_type) for name, content_type in _TYPES.items()}


@cache
def packed(address: str, coding: str) -> bytes | None:
    """A file of `static_table` as ``br`` or ``gzip``; None for what gains nothing by it. Raises KeyError."""
    data, _ = static_table()[address]
    small = brotli.compress(data, quality=11) if coding == "br" else gzip.compress(data, 9, mtime=0)
    return small if len(small) < len(data) else None


def asset_url(name: str) -> str:
    """The address of a file, relative to the hub's root. Raises KeyError for a name that is not ours."""
    _TYPES[name]
    return _address(name)


@cache
def _address(name: str) -> str:
    return f"static/{_version()}/{name}"


@cache
def _version() -> str:
    """One version for all: a script that imports another by its relative address gets the matching one."""
    content = hashlib.sha256()
    for name in sorted(_TYPES):
        content.update(_read(name))
    return content.hexdigest()[:12]


@cache
def _read(name: str) -> bytes:
    """A file without what only its readers need: indentation, blank lines, lines that are all comment."""
    text = (files("mograder.hub.pages") / "static" / name).read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not _COMMENT.match(line)).encode()
