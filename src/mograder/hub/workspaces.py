"""Students' workspaces: ``hub-notebooks/<user>/<item>/``. Whatever is replaced is kept in the history first."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from mograder.course import file_name, is_cache, is_file_path, is_item_name, item_name, shown, user_name
from mograder.errors import Conflict, MograderError, NotFound, TooLarge, UnsafeFile
from mograder.hub.files import Directory, Entry
from mograder.hub.history import MAX_VERSION_BYTES, SAVE, History, Version, digest
from mograder.hub.releases import MAX_FILE_BYTES, Release
from mograder.hub.remembered import Mark, Remembered
from mograder.trees import remove_tree

MAX_NOTEBOOK_BYTES = 20 << 20


class FileStatus(StrEnum):
    """How a student's copy of an item stands."""

    NOT_STARTED = "not_started"
    UPLOADED = "uploaded"
    MODIFIED = "modified"
    EXPORTED = "exported"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a copy stands, and whether some version of it was exported since it was downloaded or uploaded.

    ``digest`` is the SHA-256 of the notebook, empty if there is none that can be read.
    """

    status: FileStatus
    exported_before: bool
    digest: str = ""


_Noted = Mapping[str, tuple[str | None, str | None]]
"""What `Copies` says of one person."""


class Copies(Protocol):
    """Remembers with which content a copy began, and which content was exported last (SHA-256, or None)."""

    def get_copy(self, user: str, item: str) -> tuple[str | None, str | None]: ...

    def of(self, user: str) -> _Noted: ...

    def set_base(self, user: str, item: str, digest: str) -> None: ...

    def set_exported(self, user: str, item: str, digest: str) -> None: ...


class Workspaces:
    """All workspaces below one directory. Calls block: run them in a thread.

    Whoever changes a workspace makes sure that nobody else does (`mograder.hub.coursework` holds a lock for each).
    """

    def __init__(
        self,
        root: Path,
        history: History,
        copies: Copies,
        *,
        prepare: Callable[[Path, str], None] = lambda directory, user: None,
        max_notebook: int = MAX_NOTEBOOK_BYTES,
        began: Callable[[str, Release, bytes], None] = lambda user, release, notebook: None,
    ) -> None:
        self._root = root
        self._history = history
        self._copies = copies
        self._prepare = prepare  # gives a new workspace to the user that sessions run as
        self._max_notebook = max_notebook  # bytes
        self._digests: Remembered[str] = Remembered()
        self._standings: Remembered[tuple[_Noted, tuple[str, ...], dict[str, Standing]]] = Remembered(5000)
        self._began = began  # is told of which release, with which notebook, a copy was made

    def path(self, user: str, item: str) -> Path:
        """Where a workspace is (whether it exists or not)."""
        return self._root / user_name(user) / item_name(item)

    def exists(self, user: str, item: str) -> bool:
        """Whether there is a copy: the workspace holds something under the notebook's name."""
        try:
            with self.open(user, item) as directory:
                return directory.kind(_notebook(item)) != "missing"
        except NotFound:
            return False

    def status(self, user: str, item: str) -> FileStatus:
        """How the copy stands; see the contract of ``file_status``."""
        return self.standing(user, item).status

    def standing(self, user: str, item: str) -> Standing:
        """How one copy stands."""
        user_name(user)
        noted, looked = self._copies.get_copy(user, item_name(item)), time.time_ns()
        ((_, mark),) = self._marks(user, [item])
        return self._standing(user, item, mark, noted, looked)

    def standings(self, user: str, items: tuple[str, ...]) -> Mapping[str, Standing]:
        """How copies stand. Nothing that has not changed is read again; while all is the same, so is the answer."""
        user_name(user)
        noted, looked = self._copies.of(user), time.time_ns()
        seen = self._marks(user, items)
        if (known := self._known(user, items, seen, noted)) is not None:
            return known
        marks = tuple([mark for _, mark in seen])
        read = all(not mark or self._digests.recall((user, item), (mark,)) for item, mark in seen)
        found = {
            item: self._standing(user, item, mark, noted.get(item, (None, None)), looked)
            for item, mark in seen
        }
        if read:  # what was read just now may be of another moment than its mark
            self._standings.learn(user, marks, (noted, items, found), looked)
        return found

    def known_standings(self, user: str, items: tuple[str, ...]) -> Mapping[str, Standing] | None:
        """As `standings`, if no notebook must be read for it: quick, whatever somebody's workspace holds."""
        user_name(user)
        noted = self._copies.of(user)
        return self._known(user, items, self._marks(user, items), noted)

    def _known(
        self, user: str, items: tuple[str, ...], seen: list[tuple[str, Mark]], noted: _Noted
    ) -> Mapping[str, Standing] | None:
        known = self._standings.recall(user, tuple([mark for _, mark in seen]))
        return known[2] if known is not None and known[0] is noted and known[1] == items else None

    def _marks(self, user: str, names: Sequence[str]) -> list[tuple[str, Mark]]:
        try:
            with Directory.trusted(self._root) as root, root.sub(user) as mine:
                there = set(mine.names()) if len(names) > 1 else names
                return [
                    (item, mine.mark(f"{item}/{_notebook(item)}") if item in there else ()) for item in names
                ]
        except (FileNotFoundError, NotFound):
            return [(item, ()) for item in names]

    def _standing(
        self, user: str, item: str, mark: Mark, noted: tuple[str | None, str | None], looked: int
    ) -> Standing:
        base, exported = noted
        exported_before = exported is not None
        if not mark:
            return Standing(FileStatus.NOT_STARTED, exported_before)
        try:
            current = self._digests.recall((user, item), (mark,)) or self._digest(user, item, mark, looked)
        except NotFound:
            return Standing(FileStatus.NOT_STARTED, exported_before)
        except MograderError:  # something odd lies there: certainly not what was downloaded
            return Standing(FileStatus.MODIFIED, exported_before)
        if current == exported:
            return Standing(FileStatus.EXPORTED, exported_before, current)
        status = FileStatus.UPLOADED if current == base else FileStatus.MODIFIED
        return Standing(status, exported_before, current)

    def _digest(self, user: str, item: str, mark: Mark, looked: int) -> str:
        found = digest(self.notebook(user, item))
        if self._marks(user, [item]) == [(item, mark)]:
            self._digests.learn((user, item), (mark,), found, looked)
        return found

    def notebook(self, user: str, item: str) -> bytes:
        """The student's notebook. Raises NotFound, TooLarge or UnsafeFile."""
        with self.open(user, item) as directory:
            return directory.read(_notebook(item), self._max_notebook)

    def look(self, user: str, item: str) -> tuple[bytes, datetime] | None:
        """The notebook and when it was changed last; None if there is none that can be read."""
        try:
            with self.open(user, item) as directory:
                # A session can give its file any time at all.
                when = min(max(directory.modified(_notebook(item)), 0), time.time())
                return directory.read(_notebook(item), self._max_notebook), datetime.fromtimestamp(when, UTC)
        except MograderError:
            return None

    def beside(self, user: str, name: str) -> Iterator[tuple[str, bytes]]:
        """The files beside the notebook, read safely; what is not plain or too large is left out."""
        limit, total = 100 << 20, 0
        with self.open(user, name) as directory:
            for entry in sorted(self.files(user, name), key=lambda entry: entry.path):
                beside = is_file_path(entry.path) and entry.path != f"{name}.py"
                if not beside or total + entry.size > limit:
                    continue
                try:
                    content = directory.read(entry.path, limit)
                except MograderError:  # a trap, or gone since: the notebook will miss it and say so
                    continue
                total += len(content)
                yield entry.path, content

    def files(self, user: str, item: str) -> list[Entry]:
        """Everything beside the notebook that a student may need again; caches and dotfiles are left out."""
        with self.open(user, item) as directory:
            return [entry for entry in directory.walk() if not is_cache(entry.path)]

    def copies(self, user: str) -> list[str]:
        """The items that ``user`` has a workspace of, published or not, sorted."""
        try:
            with Directory.trusted(self._root) as root, root.sub(user_name(user)) as mine:
                return [
                    name for name in mine.names() if is_item_name(name) and mine.kind(name) == "directory"
                ]
        except (FileNotFoundError, NotFound):
            return []

    def used(self, user: str, item: str) -> int:
        """The bytes in all files of a workspace, caches too; 0 if there is none. Raises TooLarge: too many files."""
        try:
            with self.open(user, item) as directory:
                return sum(entry.size for entry in directory.walk())
        except NotFound:
            return 0

    def put_beside(self, user: str, item: str, name: str, data: bytes) -> Version | None:
        """Put a file beside the notebook; what it replaces is kept, and returned. Raises Conflict for the notebook."""
        _beside(item, name)
        with self.open(user, item) as directory:
            return self._replace(directory, user, item, file_name(name), data, "upload")

    def remove_file(self, user: str, item: str, path: str) -> Version:
        """Take a file away from beside the notebook; it is kept, and returned.

        Raises:
            Conflict: it is the notebook, or too large to be kept. NotFound, UnsafeFile: there is no such plain file.
        """
        _beside(item, path)
        with self.open(user, item) as directory, directory.parent(path) as (place, name):
            try:
                data = place.read(name, MAX_VERSION_BYTES)
            except TooLarge:
                raise Conflict(
                    "{name} is too large to be kept in the history, so it was not deleted.",
                    tip="a cell of your notebook can delete it for good, with os.remove.",
                    name=shown(path),
                ) from None
            kept = self._history.keep(user, item, path if is_file_path(path) else name, data, "delete")
            place.remove(name)
            return kept

    def ensure(self, user: str, release: Release) -> bool:
        """Make a copy of ``release`` unless there is one. Never overwrites a file. True if a copy was made."""
        if self.exists(user, release.name):
            return False
        self._put_release(user, release, "download", only_missing=True)
        return True

    def download(self, user: str, release: Release) -> Version | None:
        """Put ``release`` into the workspace; what differs and is replaced is kept, and returned (the notebook)."""
        return self._put_release(user, release, "download")

    def reset(self, user: str, release: Release) -> Version | None:
        """As `download`, for somebody who has a copy. Raises NotFound if there is none."""
        if not self.exists(user, release.name):
            raise NotFound("You have no copy of {item} to reset.", tip="press Download.", item=release.name)
        return self._put_release(user, release, "reset")

    def upload(self, user: str, item: str, data: bytes, reason: str = "upload") -> Version | None:
        """Begin anew with ``data`` (checked by the caller); the old notebook is kept, and returned."""
        with self.open(user, item, create=True) as directory:
            kept = self._replace(directory, user, item, _notebook(item), data, reason)
            self._copies.set_base(user, item, digest(data))
            return kept

    def replace(self, user: str, item: str, data: bytes, reason: str, expected: str) -> Version | None:
        """Replace the notebook whose SHA-256 is ``expected``; the old one is kept, and returned.

        Raises Conflict if it is another one by now, and as `notebook`.
        """
        if digest(self.notebook(user, item)) != expected:
            raise Conflict(
                "{item} was changed meanwhile, so nothing was replaced.", tip="look at it again.", item=item
            )
        with self.open(user, item) as directory:
            return self._replace(directory, user, item, _notebook(item), data, reason)

    def restore(self, user: str, item: str, version_id: str) -> Version | None:
        """Bring a kept version of a file back; what it replaces is kept too. Raises NotFound."""
        version, data = self._history.read(user, item, version_id)
        with self.open(user, item, create=True) as directory:
            return self._replace(directory, user, item, version.file, data, "restore")

    def put_file(self, user: str, item: str, name: str, data: bytes, reason: str) -> Version | None:
        """Write one file of a workspace; what it replaces is kept, and returned."""
        with self.open(user, item) as directory:
            return self._replace(directory, user, item, name, data, reason)

    def file_digest(self, user: str, item: str, name: str) -> str:
        """The SHA-256 of one file of a workspace. Raises NotFound, TooLarge or UnsafeFile."""
        with self.open(user, item) as directory:
            return digest(directory.read(name, MAX_FILE_BYTES))

    def unchanged(self, user: str, item: str) -> bool:
        """Whether the notebook is what the copy began with. Raises as `notebook`."""
        return digest(self.notebook(user, item)) == self._copies.get_copy(user, item)[0]

    def begins_with(self, user: str, item: str, data: bytes) -> None:
        """From now on the copy counts as unchanged while its notebook is ``data``."""
        self._copies.set_base(user, item, digest(data))

    def snapshot(self, user: str, item: str) -> Version:
        """Keep the notebook as it is now. Raises as `notebook`, and Conflict if the history is full."""
        return self._history.keep(user, item, _notebook(item), self.notebook(user, item), SAVE)

    def export(self, user: str, item: str) -> bytes:
        """The notebook, noted as exported. Raises as `notebook`."""
        data = self.notebook(user, item)
        self._copies.set_exported(user, item, digest(data))
        return data

    def open(self, user: str, item: str, *, create: bool = False) -> Directory:
        """Open a workspace. Raises NotFound if there is none and ``create`` is not set."""
        user_name(user), item_name(item)
        if create:
            self._create(user, item)
        try:
            with Directory.trusted(self._root) as root, root.sub(user) as mine:
                return mine.sub(item)
        except (FileNotFoundError, NotFound):
            raise NotFound(
                "There is no copy of {item} for {user} yet.", tip="press Download.", item=item, user=user
            ) from None

    def _create(self, user: str, item: str) -> None:
        with Directory.trusted(self._root, create=True) as root, root.sub(user, create=True) as mine:
            if mine.kind(item) == "missing":
                mine.sub(item, create=True).close()
                self._prepare(self.path(user, item), user)

    def _put_release(
        self, user: str, release: Release, reason: str, *, only_missing: bool = False
    ) -> Version | None:
        """The notebook comes last: a copy that was interrupted is no copy, and is made again."""
        data = release.read(release.notebook)
        with self.open(user, release.name, create=True) as directory:
            for name in release.everything:
                if name in (release.notebook, f"{release.name}.zip"):
                    continue
                if not only_missing or _is_missing(directory, name):
                    self._replace(directory, user, release.name, name, release.read(name), reason)
            kept = self._replace(directory, user, release.name, release.notebook, data, reason)
        self._copies.set_base(user, release.name, digest(data))
        self._began(user, release, data)
        return kept

    def _replace(
        self, directory: Directory, user: str, item: str, name: str, data: bytes, reason: str
    ) -> Version | None:
        try:
            old = directory.read(name, max(len(data), MAX_VERSION_BYTES))
        except NotFound:
            directory.put(name, data)
            return None
        except (UnsafeFile, TooLarge):
            directory.put(
                name, data, aside=True
            )  # it can not be read to be kept: it stays under another name
            return None
        if old == data and name != _notebook(item):
            return None
        if len(old) > MAX_VERSION_BYTES:
            directory.put(name, data, aside=True)
            return None
        kept = self._history.keep(user, item, name, old, reason)
        if old != data:
            directory.put(name, data)
        return kept


def scratch_copy(release: Release, root: Path, give: Callable[[Path], None]) -> Path:
    """A private, writable copy of a release for one run of a lecture. The caller removes it.

    ``give`` hands the directory to the user that the session runs as.
    """
    directory = root / secrets.token_hex(8)
    try:
        Directory.trusted(directory, create=True).close()
        give(directory)
        with Directory.trusted(directory) as opened:
            for name in release.everything:
                opened.put(name, release.read(name))
    except BaseException:
        remove_scratch(directory)
        raise
    return directory


def remove_scratch(directory: Path) -> None:
    """Remove what `scratch_copy` made; links inside are removed, not followed."""
    remove_tree(directory)


def _notebook(item: str) -> str:
    return f"{item}.py"


def _is_missing(directory: Directory, path: str) -> bool:
    try:
        with directory.parent(path) as (place, name):
            return place.kind(name) == "missing"
    except NotFound:
        return True
    except UnsafeFile:
        return False  # something of the student's is where its directory would be


def _beside(item: str, path: str) -> None:
    if path == _notebook(item):
        raise Conflict("{path} is the notebook itself.", tip="upload another one, or press Reset.", path=path)
    if is_cache(path):
        raise NotFound("There is no file {name} to be seen here.", name=shown(path))
