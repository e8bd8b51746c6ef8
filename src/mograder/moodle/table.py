"""``[[assignments]]`` of mograder.toml, brought up to date without touching a comment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from mograder.errors import ConfigError
from mograder.moodle.answers import Assignment


def updated(text: str, assignments: Sequence[Assignment]) -> str:
    """``text`` with an entry for each assignment.

    Known ones (by ``id``, else by ``name``) keep their name and what else was written there; those that Moodle has no
    more stay. Raises ``ConfigError`` for what is not TOML.
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError(f"mograder.toml is not TOML: {error}.") from error
    entries = document.get("assignments")
    if entries is None:
        entries = tomlkit.aot()
        document.append("assignments", entries)
    if not isinstance(entries, AoT):
        raise ConfigError("assignments in mograder.toml is no list of tables.", tip="write [[assignments]].")
    for assignment in assignments:
        entry = _known(entries, assignment)
        if entry is None:
            entry = tomlkit.table()
            entry["name"] = assignment.name
            entries.append(entry)
        _fill(entry, assignment)
    return tomlkit.dumps(document)


def _known(entries: AoT, assignment: Assignment) -> Any:
    by_id = (entry for entry in entries if entry.get("id") == assignment.id)
    by_name = (entry for entry in entries if entry.get("id") is None and entry.get("name") == assignment.name)
    return next(by_id, None) or next(by_name, None)


def _fill(entry: Any, assignment: Assignment) -> None:
    for key, value in (("id", assignment.id), ("cmid", assignment.cmid), ("duedate", assignment.duedate)):
        if entry.get(key) != value:
            entry[key] = value
    files = [{"name": file.name, "url": file.url} for file in assignment.files]
    if [dict(file) for file in entry.get("files", [])] == files:
        return
    tables = tomlkit.aot()
    for file in files:
        table = tomlkit.table()
        table.update(file)
        tables.append(table)
    entry.pop("files", None)
    if files:
        entry["files"] = tables
