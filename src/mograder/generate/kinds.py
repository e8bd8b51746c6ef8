"""Whether an item is a lecture or an assignment, found out from its files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from mograder.course import is_item_name
from mograder.errors import Malformed
from mograder.notebook import metadata
from mograder.notebook.markers import HIDDEN_TESTS, SOLUTION, has_line

ItemType = Literal["assignment", "lecture"]


def stated_type(text: str, name: str) -> ItemType | None:
    """The ``mograder-type`` in the header of the notebook ``text``; None if it has none.

    Raises:
        Malformed: the header is not one, or states another type.
    """
    value = metadata.read(text, name).get(metadata.TYPE)
    if value not in (None, "assignment", "lecture"):
        raise Malformed(f'{name}: mograder-type = {value!r} must be "assignment" or "lecture".')
    return value


class Neighbours:
    """The types of the items that a notebook links to.

    ``source_dir`` holds the notebook's neighbours, ``release_dir`` earlier releases (it may be missing);
    ``lectures`` are known to be lectures.
    """

    def __init__(self, source_dir: Path, release_dir: Path, lectures: Collection[str] = ()) -> None:
        self._source_dir = source_dir
        self._release_dir = release_dir
        self._lectures = frozenset(lectures)

    def type_of(self, name: str) -> ItemType | None:
        """As its source states it; else as its markers or its release tell; None if there is no such item."""
        if name in self._lectures:
            return "lecture"
        if not is_item_name(name):
            return None
        source, release = _read(self._source_dir / name, name), _read(self._release_dir / name, name)
        for text in (source, release):
            header = _header(text)
            if header.get(metadata.TYPE) in ("assignment", "lecture"):
                return "lecture" if header[metadata.TYPE] == "lecture" else "assignment"
            if metadata.ASSIGNMENT in header or _has_markers(text):
                return "assignment"
        # Neither says so, and nothing is to be solved in it: shown whole, as lectures are.
        return "lecture" if source or release else None

    def is_lecture(self, name: str) -> bool:
        """Whether a link to ``name`` can lead to a running lecture; a name that nobody knows is taken for one."""
        return self.type_of(name) != "assignment"


def _read(directory: Path, name: str) -> str:
    try:
        return (directory / f"{name}.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _header(text: str) -> dict[str, Any]:
    try:
        return metadata.read(text)
    except Malformed:
        return {}  # said when that item itself is generated


def _has_markers(text: str) -> bool:
    return any(has_line(text, f"### BEGIN {kind}") for kind in (SOLUTION, HIDDEN_TESTS))
