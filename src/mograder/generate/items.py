"""Which item a name, a prefix or a path on the command line means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mograder.course import Course, find_item, item_name, list_items
from mograder.errors import NameRefused, NotFound


@dataclass(frozen=True)
class Item:
    """A source directory: ``<name>/<name>.py`` and what lies beside it."""

    name: str
    directory: Path

    @property
    def notebook(self) -> Path:
        """The source notebook."""
        return self.directory / f"{self.name}.py"


def is_path(text: str) -> bool:
    """Whether ``text`` is a path rather than an item's name: it has a separator, ends in .py, or is a dot."""
    separators = [os.sep, os.altsep] if os.altsep else [os.sep]
    return any(separator in text for separator in separators) or text.endswith(".py") or text in (".", "..")


def item_at(path: Path) -> Item:
    """The item in the directory ``path``, or whose notebook ``path`` is.

    Raises:
        NotFound: there is nothing, or no notebook with the directory's name.
        NameRefused: the directory's name can not be an item's, or differs from a neighbour's by case alone.
    """
    full = path.expanduser().resolve()
    directory = full.parent if full.suffix == ".py" and not full.is_dir() else full
    if not full.exists():
        raise NotFound(f"{path}: there is no such file or directory.")
    if directory is not full and full.stem != directory.name:
        raise NotFound(
            f"{path}: the notebook of the item {directory.name} must be named {directory.name}.py.",
            tip=f"move it to {full.stem}/{full.name}.",
        )
    item = Item(item_name(directory.name), directory)
    if not item.notebook.is_file():
        there = ", ".join(sorted(entry.name for entry in directory.glob("*.py"))) or "no .py file"
        raise NotFound(f"{directory.name}/ holds no {item.name}.py; there is {there}.")
    refuse_case_clash(item.name, directory.parent)
    return item


def item_named(course: Course, text: str) -> Item:
    """The item of the course that ``text`` names, by its whole name or a unique prefix. Raises as `item_at`."""
    return item_at(course.source_dir / find_item(course.source_dir, text))


def refuse_case_clash(name: str, directory: Path) -> None:
    """Raise NameRefused if ``directory`` has an item whose name differs from ``name`` by case alone."""
    for other in list_items(directory):
        if other != name and other.casefold() == name.casefold():
            raise NameRefused(
                f"{directory.name}/ holds {other}, and {name} differs from it by case alone: "
                "on many computers these are one directory."
            )
