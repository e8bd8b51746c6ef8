"""What a release will hold, worked out before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from mograder.environments.requirements import Requirements
from mograder.errors import TooLarge
from mograder.generate.auxiliary import SourceFile, auxiliary_files, odd_names, shadowing
from mograder.generate.items import Item
from mograder.generate.kinds import ItemType, Neighbours, stated_type
from mograder.notebook.advice import advice
from mograder.notebook.lecture import find_links, lecture
from mograder.notebook.read import Notebook, parse_notebook
from mograder.notebook.release import release

MAX_NOTEBOOK_BYTES = 20_000_000


@dataclass(frozen=True)
class Plan:
    """One release: the notebook's text, the files beside it, and ``notes`` for the author."""

    item: Item
    type: ItemType
    notebook: str
    files: tuple[SourceFile, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def has_zip(self) -> bool:
        """Whether the release gets a ``<name>.zip``: it has more than one file."""
        return bool(self.files)


def plan_release(item: Item, neighbours: Neighbours, *, as_lecture: bool = False) -> Plan:
    """The release of ``item``; a lecture if ``as_lecture`` or if its header says so.

    Raises:
        MarkerError, NotANotebook, Malformed: the notebook can not be released, with ``file:line``.
        NameRefused, TooLarge, UnsafeFile: a file beside it can not.
    """
    source, text, kind = plan_notebook(item, neighbours, as_lecture=as_lecture)
    files = auxiliary_files(item)
    notes = [
        *shadowing(item, files, Requirements.from_notebook(source.text, name=source.name).packages),
        *odd_names(item, files),
        *_telling_names(item, files),
    ]
    notes += _dead_links(source, neighbours) if kind == "lecture" else advice(source)
    return Plan(item, kind, text, tuple(files), tuple(notes))


def plan_notebook(
    item: Item, neighbours: Neighbours, *, as_lecture: bool = False
) -> tuple[Notebook, str, ItemType]:
    """The source notebook, the text of its release, and the type. Raises as `plan_release` for the notebook."""
    path = item.notebook
    if path.stat().st_size > MAX_NOTEBOOK_BYTES:
        limit = MAX_NOTEBOOK_BYTES // 1_000_000
        raise TooLarge(f"{path.name} is larger than the {limit} MB that a notebook may have.")
    source = parse_notebook(path.read_bytes(), limit=MAX_NOTEBOOK_BYTES, name=path.name)
    kind: ItemType = "lecture" if as_lecture else stated_type(source.text, source.name) or "assignment"
    if kind == "lecture":
        return source, lecture(source.text, item.name, neighbours.is_lecture), kind
    return source, release(source.text, item.name), kind


def _telling_names(item: Item, files: list[SourceFile]) -> list[str]:
    return [
        f"{item.name}/{file.place} is given to students: its name sounds as if it should not be."
        for file in files
        if any(word in file.place.casefold() for word in ("solution", "answers", "marking"))
    ]


def _dead_links(source: Notebook, neighbours: Neighbours) -> list[str]:
    return [
        f"{source.name}:{link.lineno}: links to {link.item}, and there is no such item beside it."
        for link in find_links(source)
        if neighbours.type_of(link.item) is None
    ]
