"""One path segment that names a user or an item: from raw bytes to text and back."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

MAX_NAME = 64  # characters
_PLAIN = re.compile(r"[A-Za-z0-9_.@+-]+")
_LETTER_OR_DIGIT = ("L", "Nd")


def is_plain_name(name: str) -> bool:
    """Tell whether ``name`` is 1 to 64 letters, digits or ``_ . - @ +``, and neither ``.`` nor ``..``."""
    if not 0 < len(name) <= MAX_NAME or name in {".", ".."}:
        return False
    return all(_PLAIN.fullmatch(c) or unicodedata.category(c).startswith(_LETTER_OR_DIGIT) for c in name)


@lru_cache(maxsize=4096)
def decode_name(raw: bytes) -> str | None:
    """Return the name that a raw path segment spells, NFC-normalised; None if it spells none."""
    try:
        name = unicodedata.normalize("NFC", unquote_to_bytes(raw).decode())
    except UnicodeDecodeError:
        return None
    return name if is_plain_name(name) else None


@lru_cache(maxsize=4096)
def encode_name(name: str) -> bytes:
    """Return the one spelling of ``name`` in a path that the gateway serves; others are redirected to it."""
    return quote(name, safe="@+").encode()


@lru_cache(maxsize=4096)
def encode_path(path: str) -> bytes:
    """Return ``path`` (text, slashes kept) percent-encoded in the same way as `encode_name`."""
    return quote(path, safe="/@+").encode()
