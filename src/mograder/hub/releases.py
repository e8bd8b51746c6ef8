"""Published items: ``hub-release/<name>/`` with its notebook, its auxiliary files and ``files.json``."""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
import threading
import time
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from mograder.course import file_path, is_cache, is_file_name, is_file_path, item_name, list_items, shown
from mograder.errors import Conflict, Malformed, MograderError, NameRefused, NotFound, exhausted
from mograder.hub import visibility
from mograder.hub.files import Directory
from mograder.hub.remembered import Mark, Remembered, mark
from mograder.hub.renames import exchange
from mograder.hub.visibility import ALWAYS, Window
from mograder.notebook import metadata
from mograder.sentences import Sentence

log = logging.getLogger("mograder.releases")

INDEX = "files.json"
LOCK = ".environment.lock"
_NEW, _OLD = ".new", ".old"
_LOOKS = 10
MAX_FILE_BYTES = 500 << 20

MAX_PUBLISHED_BYTES = 256 << 20
"""Of one publication through the network: it is held in memory."""

MAX_PUBLISHED_FILES = 1000
"""Of one publication: a form holds no more."""


class ItemType(StrEnum):
    """What a published item is."""

    ASSIGNMENT = "assignment"
    LECTURE = "lecture"


@dataclass(frozen=True)
class Release:
    """One published item. ``files`` are the names of its top-level files that can be served, sorted.

    ``folders`` are the directories beside them; what is in those is looked up anew each time.
    """

    name: str
    type: ItemType
    files: tuple[str, ...]
    directory: Path
    window: Window = ALWAYS
    folders: tuple[str, ...] = ()

    @property
    def notebook(self) -> str:
        """The file name of its notebook."""
        return f"{self.name}.py"

    @property
    def everything(self) -> tuple[str, ...]:
        """`files`, and those in directories by their places: ``images/plot.png``."""
        if not self.folders:
            return self.files
        try:
            with Directory.trusted(self.directory) as opened:
                return (*self.files, *(place for folder in self.folders for place in _below(opened, folder)))
        except FileNotFoundError:  # it is being published anew
            return self.files

    def read(self, name: str) -> bytes:
        """The content of one of its files. Raises NotFound for anything that is not in `everything`."""
        if name not in self.files and name not in self.everything:
            raise NotFound(
                "{item} has no file {name}. There: {files}.",
                item=self.name,
                name=shown(name),
                files=", ".join(self.everything),
            )
        with Directory.trusted(self.directory) as directory:
            return directory.read(name, MAX_FILE_BYTES)

    def lock(self) -> str | None:
        """The lock of its packages, written when it was published; None if it has none yet."""
        try:
            with Directory.trusted(self.directory) as directory:
                return directory.read(LOCK, 4 << 20).decode()
        except NotFound:
            return None


class Releases:
    """All published items. Reads are cheap and always fresh: an instructor may change files by hand."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._installing = threading.Lock()
        self._names: Remembered[list[str]] = Remembered(1)
        self._known: Remembered[Release] = Remembered(1000)
        self._all: tuple[Release, ...] = ()

    def all(self) -> tuple[Release, ...]:
        """Every published item that has its notebook, sorted by name. While all is the same, so is the answer."""
        loaded = [self._load(name) for name in self._list()]
        found = tuple([release for release in loaded if release is not None])
        known = self._all
        if found == known:
            return known
        self._all = found
        return found

    def get(self, name: str) -> Release:
        """The published item ``name``. Raises NameRefused or NotFound (the message lists what there is)."""
        release = self._load(item_name(name))
        if release is None:
            raise NotFound("No release named {name}. {there}", name=shown(name), there=self.there())
        return release

    def find(self, name: str) -> Release | None:
        """As `get`, with None for an item that is not published."""
        return self._load(item_name(name))

    def _list(self) -> list[str]:
        looked, seen = time.time_ns(), (mark(str(self._root)),)
        names = self._names.recall(self._root, seen)
        if names is None:
            names = list_items(self._root)
            if seen == (mark(str(self._root)),):
                self._names.learn(self._root, seen, names, looked)
        return names

    def _load(self, name: str) -> Release | None:
        looked, seen = time.time_ns(), self._marks(name)
        release = self._known.recall(name, seen)
        if release is None:
            release = _load(self._root / name, name)
            if release is not None and seen == self._marks(name) and _is_indexed(release):
                self._known.learn(name, seen, release, looked)
        return release

    def _marks(self, name: str) -> tuple[Mark, ...]:
        """Of all that a `Release` with a sound index is made of: the names in its directory, the index, the dates."""
        place = f"{self._root}/{name}"
        return mark(place), mark(f"{place}/{INDEX}"), mark(f"{place}/{visibility.FILE_NAME}")

    def install(
        self,
        name: str,
        files: Mapping[str, bytes],
        type_: ItemType,
        lock: str | None = None,
        window: Window = ALWAYS,
    ) -> Release:
        """Publish ``files`` as ``name``, in place of what was there, all or nothing.

        Raises:
            NameRefused: a file's place that can not be served, or two that differ by case alone. Malformed: there
                is no ``<name>.py``.
            Conflict: another item has this name but for upper and lower case.
        """
        self.judge(name, files)
        with self._installing:
            self._refuse_clash(name)
            self._tidy(name)
            self._put(name, files, type_, lock, window)
        return self.get(name)

    def judge(self, name: str, files: Collection[str]) -> None:
        """Whether files at these places can be published as ``name``: what `install` raises is raised now."""
        item_name(name)
        if f"{name}.py" not in files:
            raise Malformed("{name} has no notebook: {name}.py is not among its files.", name=name)
        check_places(files)
        self._refuse_clash(name)

    def _put(
        self, name: str, files: Mapping[str, bytes], type_: ItemType, lock: str | None, window: Window
    ) -> None:
        building = self._root / f".{name}.{secrets.token_hex(4)}{_NEW}"
        try:
            _build(building, files, type_, lock, window)
            _exchange(building, self._root / name)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _tidy(self, name: str) -> None:
        """Finish what was interrupted when ``name`` was published before: bring it back, drop what is half made."""
        for left in self._left(name, _OLD):
            if (self._root / name).exists():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.rename(self._root / name)
        for left in self._left(name, _NEW):
            shutil.rmtree(left, ignore_errors=True)

    def _left(self, name: str, ending: str) -> list[Path]:
        pattern = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}{re.escape(ending)}")
        found = self._root.iterdir() if self._root.is_dir() else ()
        return [path for path in found if pattern.fullmatch(path.name)]

    def _refuse_clash(self, name: str) -> None:
        for other in list_items(self._root):
            if other != name and other.casefold() == name.casefold():
                raise Conflict(
                    '"{name}" and the published "{other}" differ in upper and lower case only.',
                    name=name,
                    other=other,
                )

    def there(self) -> str:
        """What students see now, in a sentence."""
        now = datetime.now(UTC)
        names = ", ".join(release.name for release in self.all() if release.window.is_open(now))
        return (
            Sentence("Published: {names}.", names=names) if names else Sentence("Nothing is published yet.")
        )


def _load(directory: Path, name: str) -> Release | None:
    try:
        for _ in range(_LOOKS):
            with Directory.trusted(directory) as opened:
                release = _release(opened, directory, name)
                if opened.is_at(directory):
                    return release
                # It was published anew meanwhile: what was read may be half of what is being removed.
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if (busy := exhausted(error)) is not None:
            raise busy from error  # it is there: to say that it is not would be a lie
        # One item that somebody closed by hand must not take the others from everybody's page.
        log.warning("%s is published but can not be read (%s)", name, error.strerror)
        return None
    return release


def _release(opened: Directory, directory: Path, name: str) -> Release | None:
    names = [entry for entry in opened.names() if is_file_name(entry) and entry != INDEX]
    kinds = {entry: opened.kind(entry) for entry in names}
    files = tuple(entry for entry, kind in kinds.items() if kind == "file")
    folders = tuple(entry for entry, kind in kinds.items() if kind == "directory" and not is_cache(entry))
    if f"{name}.py" not in files:
        return None
    return Release(name, _type(opened, name), files, directory, _window(opened, name), folders)


def _below(opened: Directory, folder: str) -> list[str]:
    """The places of the files in one of the directories of an item, sorted."""
    try:
        with opened.sub(folder) as inside:
            places = [f"{folder}/{entry.path}" for entry in inside.walk()]
    except MograderError as error:  # it was removed, or holds thousands of files: no reason to serve nothing
        log.warning("the files in %s are not served: %s", folder, error)
        return []
    return sorted(place for place in places if is_file_path(place) and not is_cache(place))


def check_places(files: Collection[str]) -> None:
    """Raise NameRefused unless ``files`` can lie beside each other on every computer."""
    seen: dict[str, str] = {}
    folders: set[str] = set()
    for file in files:
        if is_cache(file_path(file)):
            raise NameRefused("{file} is in a cache, which is not published.", file=shown(file))
        parts = file.split("/")
        for depth in range(1, len(parts) + 1):
            place = "/".join(parts[:depth])
            if (twin := seen.setdefault(unicodedata.normalize("NFC", place).casefold(), place)) != place:
                raise NameRefused(
                    "{file} and {twin} differ by case alone: on many computers they are one file.",
                    file=shown(place),
                    twin=shown(twin),
                )
        folders |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    if both := folders & {*files}:
        raise NameRefused("{place} can not be a file and a directory.", place=shown(min(both)))
    if INDEX in files:
        raise NameRefused("{file} is written by the hub and can not be published.", file=INDEX)


def _window(directory: Directory, name: str) -> Window:
    """The dates of an item; one whose dates can not be read is shown to nobody but instructors."""
    try:
        return visibility.read(directory.read(visibility.FILE_NAME, 1 << 16))
    except NotFound:
        return ALWAYS
    except (MograderError, ValueError) as error:
        log.warning("the dates of %s can not be read (%s): students do not see it", name, error)
        return Window(end=datetime.fromtimestamp(0, UTC))


def _type(directory: Directory, name: str) -> ItemType:
    """From ``files.json``, else from ``mograder-type`` in the notebook, else an assignment."""
    if (indexed := _indexed_type(directory)) is not None:
        return indexed
    try:
        text = directory.read(f"{name}.py", MAX_FILE_BYTES).decode("utf-8", "replace")
        return ItemType(str(metadata.read(text).get("mograder-type", "assignment")))
    except (MograderError, ValueError):
        return ItemType.ASSIGNMENT


def _indexed_type(directory: Directory) -> ItemType | None:
    """What ``files.json`` says; None if it is missing or damaged: then it is not the truth, but the notebook is."""
    try:
        index = json.loads(directory.read(INDEX, 1 << 20))
        return ItemType(index["type"])
    except (MograderError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_indexed(release: Release) -> bool:
    try:
        with Directory.trusted(release.directory) as directory:
            return _indexed_type(directory) is not None
    except OSError:
        return False


def index_json(files: Mapping[str, bytes], type_: ItemType) -> bytes:
    """The content of ``files.json``."""
    names = sorted(name for name in files if not name.startswith(".") and "/" not in name)
    return (json.dumps({"files": names, "type": type_.value}, indent=2) + "\n").encode()


def _build(
    directory: Path, files: Mapping[str, bytes], type_: ItemType, lock: str | None, window: Window
) -> None:
    with Directory.trusted(directory, create=True) as opened:
        directory.chmod(0o755)  # before: what is made in it is as it is
        for name, data in files.items():
            opened.put(name, data)
        opened.write(INDEX, index_json(files, type_))
        if lock is not None:
            opened.write(LOCK, lock.encode())
        if window != ALWAYS:
            opened.write(visibility.FILE_NAME, window.to_json())


def _exchange(new: Path, final: Path) -> None:
    """Put ``new`` in place of ``final``: in one step where the file system can, so that none is ever missing.

    Elsewhere in two; what a crash leaves between them is mended by the next publish.
    """
    if not final.exists():
        new.rename(final)
    elif not exchange(new, final):
        aside = final.with_name(f".{final.name}.{secrets.token_hex(4)}{_OLD}")
        final.rename(aside)
        new.rename(final)
        shutil.rmtree(aside, ignore_errors=True)
