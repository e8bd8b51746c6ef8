"""Which of Moodle's names an item's name means, and the other way round. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from mograder.course import MAX_NAME_BYTES, MAX_NAME_LENGTH, is_item_name


def as_item_name(text: str) -> str:
    """What an assignment's name would be as a directory: ``HW1: Root finding`` is ``HW1-Root-finding``.

    Always a legal `item_name`; ``assignment`` for a name of which nothing legal is left.
    """
    name = re.sub(r"[^\w.+]+", "-", unicodedata.normalize("NFC", text)).lstrip("-.+")[:MAX_NAME_LENGTH]
    short = name.encode()[:MAX_NAME_BYTES].decode(errors="ignore").rstrip("-.")
    return short if is_item_name(short) else "assignment"


def find(wanted: str, names: Sequence[str]) -> int | None:
    """The number of the name that ``wanted`` means: the same, else the same as a directory, else its only beginning."""
    for same in (lambda name: name == wanted, lambda name: _plain(name) == _plain(wanted)):
        if len(hits := [n for n, name in enumerate(names) if same(name)]) == 1:
            return hits[0]
    hits = [n for n, name in enumerate(names) if _plain(name).startswith(f"{_plain(wanted)}-")]
    return hits[0] if len(hits) == 1 else None


def _plain(text: str) -> str:
    return re.sub(r"[^\w]+|_+", "-", text).strip("-").casefold()
