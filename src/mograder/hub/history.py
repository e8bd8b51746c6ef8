"""Every version of a notebook that was ever replaced, as plain files outside the students' reach.

``.mograder/history/<user>/<item>/<UTC time>_<reason>_<first 12 digits of the SHA-256>_<file name>``: an instructor
can read, grep and copy them without us. Of a file in a directory the name has a backslash for each ``/``. Content that
is the newest version already is not kept twice.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mograder.course import file_path, is_file_path, item_name, shown, user_name
from mograder.errors import Conflict, NotFound
from mograder.hub.files import Directory
from mograder.hub.thinning import superfluous

MAX_VERSION_BYTES = 128 << 20
"""Of one version: whoever replaces something larger moves it aside instead."""

MAX_VERSIONS = 4000
MAX_BYTES = 4 << 30
"""Of all versions of one copy together: replacing over and over may not fill the disk for everybody."""

SAVE = "save"
"""The reason of a version that was kept because the editor saved it."""

UPDATE = "update"
"""The reason of versions that an update of the copy replaced. The notebook's is the newest of them, always: what else
was kept between it and the one before belongs to the same update."""

MAX_SAVES = 1000
MAX_SAVED_BYTES = 256 << 20
"""Of what the editor saved, for one copy: see `mograder.hub.thinning`. What was replaced never goes."""

_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)_([a-z-]+)_([0-9a-f]{12})_(.+)")
_SLASH = "\\"
"""Stands for the ``/`` in the place of a file: no legal name of a file holds one."""

_TIME = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class Version:
    """One kept file, which was at ``file`` in its workspace. ``id`` names it.

    ``digest`` is the start of its SHA-256; ``size`` is in bytes.
    """

    id: str
    when: datetime
    reason: str
    digest: str
    file: str
    size: int


def digest(data: bytes) -> str:
    """The SHA-256 of ``data`` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class History:
    """The versions below one directory. Calls block: run them in a thread."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, user: str, item: str, file: str, data: bytes, reason: str) -> Version:
        """Keep ``data`` before it is replaced. ``reason`` is one lower-case word (reset, upload, download…).

        Raises:
            Conflict: the history of this copy is full; whatever was to be replaced must stay.
        """
        short = digest(data)[:12]
        versions = self.versions(user, item)
        newest = next((version for version in versions if version.file == file), None)
        # Twelve digits can be made to collide by somebody who tries: the content itself decides.
        same = newest is not None and newest.digest == short and self.read(user, item, newest.id)[1] == data
        stays = newest is not None and (newest.reason != SAVE or reason == SAVE) and reason != UPDATE
        if newest is not None and same and stays:
            return newest
        if len(versions) >= MAX_VERSIONS or sum(v.size for v in versions) + len(data) > MAX_BYTES:
            raise Conflict(
                "The history of {item} is full, so nothing was replaced.",
                tip="ask your instructor to make room.",
                item=item,
            )
        now = datetime.now(UTC)
        name = f"{now.strftime(_TIME)}_{reason}_{short}_{file_path(file).replace('/', _SLASH)}"
        kept = Version(name, now, reason, short, file, len(data))
        with self._directory(user, item) as directory:
            directory.write(name, data, replace=False)
            if newest is not None and same:
                directory.remove(newest.id)  # one content is one version: the save and what replaced it
            if reason == SAVE:
                mine = [version for version in versions if version.file == file]
                for version in superfluous([kept, *mine], SAVE, MAX_SAVES, MAX_SAVED_BYTES):
                    directory.remove(version.id)
        return kept

    def versions(self, user: str, item: str) -> list[Version]:
        """All versions, newest first; empty if there are none."""
        path = self._path(user, item)
        if not path.is_dir():
            return []
        with Directory.trusted(path) as directory:
            found = [_version(entry.path, entry.size) for entry in directory.walk()]
        return sorted((v for v in found if v is not None), key=lambda v: v.id, reverse=True)

    def read(self, user: str, item: str, version_id: str) -> tuple[Version, bytes]:
        """A version and its content. Raises NotFound."""
        known = {version.id: version for version in self.versions(user, item)}
        if version_id not in known:
            raise NotFound("There is no version {version} of {item}.", version=shown(version_id), item=item)
        with Directory.trusted(self._path(user, item)) as directory:
            return known[version_id], directory.read(version_id, MAX_VERSION_BYTES)

    def _path(self, user: str, item: str) -> Path:
        return self._root / user_name(user) / item_name(item)

    def _directory(self, user: str, item: str) -> Directory:
        return Directory.trusted(self._path(user, item), create=True)


def _version(name: str, size: int) -> Version | None:
    match = _NAME.fullmatch(name)
    if match is None or "/" in name or not is_file_path(file := match[4].replace(_SLASH, "/")):
        return None  # a file that somebody put there by hand
    try:
        when = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None  # digits, but no time
    return Version(name, when, match[2], match[3], file, size)
