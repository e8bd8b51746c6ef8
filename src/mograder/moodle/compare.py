"""A release beside the files of its assignment on Moodle, by name and content. Pure."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mograder.errors import MoodleFailed

MAX_UNPACKED = 512 * 2**20
"""Bytes that a zip may hold."""


@dataclass(frozen=True)
class Difference:
    """One file that is not the same. ``what`` is said of Moodle."""

    name: str
    what: Literal["missing", "different", "extra"]


def differences(item: str, release: Mapping[str, bytes], moodle: Mapping[str, bytes]) -> list[Difference]:
    """What differs, by place (``images/plot.png``).

    ``<item>.zip`` of the release only repeats its files. A zip on Moodle counts as what it holds, unless the release
    has a zip of that name for its notebook.
    """
    ours = {name: data for name, data in release.items() if name != f"{item}.zip"}
    theirs: dict[str, bytes] = {}
    for name, data in moodle.items():
        packed = name.casefold().endswith(".zip") and name not in ours
        theirs |= unpacked(name, data) if packed else {name: data}
    found = [Difference(name, "missing") for name in ours if name not in theirs]
    found += [Difference(name, "different") for name in ours if name in theirs and theirs[name] != ours[name]]
    found += [Difference(name, "extra") for name in theirs if name not in ours]
    return sorted(found, key=lambda one: one.name)


def unpacked(name: str, data: bytes) -> dict[str, bytes]:
    """The files of a zip by place, without the one directory that all may be in. Raises ``MoodleFailed``."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [
                entry for entry in archive.infolist() if not (entry.is_dir() or _is_litter(entry.filename))
            ]
            if sum(entry.file_size for entry in members) > MAX_UNPACKED:
                raise MoodleFailed(f"{name} on Moodle unpacks to more than {MAX_UNPACKED >> 20} MB.")
            files = {entry.filename: archive.read(entry) for entry in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise MoodleFailed(f"{name} on Moodle is not a zip that can be read: {error}.") from error
    tops = {path.partition("/")[0] for path in files}
    if len(tops) == 1 and all("/" in path for path in files):
        files = {path.partition("/")[2]: content for path, content in files.items()}
    return files


def _is_litter(path: str) -> bool:
    """Whether it is what a Mac adds to a zip, or hidden: no release holds such files."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))
