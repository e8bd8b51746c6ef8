"""With which release each copy began: its notebook whole, its other files by hash, so that an update can be merged."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mograder.course import item_name
from mograder.errors import MograderError, NotFound
from mograder.hub.files import Directory
from mograder.hub.history import digest
from mograder.hub.releases import Release
from mograder.hub.store.state import OriginTable

_MAX = 64 << 20


@dataclass(frozen=True)
class Origin:
    """A release as it once was. ``key`` names its content; ``files`` are SHA-256 by name, without the notebook."""

    key: str
    notebook: str
    files: dict[str, str]


class Origins:
    """Kept below one directory, once for each content. Calls block: run them in a thread."""

    def __init__(self, root: Path, table: OriginTable) -> None:
        self._root = root
        self._table = table
        self._hashes: dict[Path, tuple[tuple[int, int, int], str]] = {}

    def key(self, release: Release) -> str:
        """What names the release's content; files that did not change are not read again."""
        return _key({name: self._hash(release, name) for name in _files(release)})

    def of_release(self, release: Release) -> Origin:
        """The release as it is now. Raises NotFound if it goes meanwhile."""
        hashes = {name: self._hash(release, name) for name in _files(release)}
        text = release.read(release.notebook).decode("utf-8", "replace")
        return Origin(_key(hashes), text, {k: v for k, v in hashes.items() if k != release.notebook})

    def of_copy(self, user: str, item: str) -> Origin | None:
        """The release that a copy comes from; None if nobody knows."""
        key, _ = self._table.get(user, item)
        if key is None:
            return None
        try:
            with Directory.trusted(self._root / item_name(item)) as directory:
                return Origin(**json.loads(directory.read(f"{key}.json", _MAX)))
        except (NotFound, FileNotFoundError, ValueError, TypeError):
            return None

    def outdated(self, user: str, release: Release) -> bool:
        """Whether there is a newer release than the one that a copy comes from. False if nobody knows which it was."""
        key, _ = self._table.get(user, release.name)
        return key is not None and key != self.key(release)

    def can_go_back(self, user: str, item: str) -> bool:
        """Whether the copy was updated and can be as before."""
        return self._table.get(user, item)[1] is not None

    def began(self, user: str, release: Release, notebook: bytes) -> None:
        """A copy was made of the release, whose notebook was this."""
        origin = self._kept(release)
        if origin is not None and origin.notebook.encode() == notebook:
            self._table.put(user, release.name, origin.key, None)

    def moved(self, user: str, release: Release) -> None:
        """A copy was brought to the release."""
        before, _ = self._table.get(user, release.name)
        origin = self._kept(release)
        if origin is not None:
            self._table.put(user, release.name, origin.key, before)

    def went_back(self, user: str, item: str) -> None:
        """A copy is as it was before its last update."""
        _, before = self._table.get(user, item)
        if before is not None:
            self._table.put(user, item, before, None)

    def _kept(self, release: Release) -> Origin | None:
        try:
            origin = self.of_release(release)
        except MograderError:
            return None
        with Directory.trusted(self._root / release.name, create=True) as directory:
            if directory.kind(f"{origin.key}.json") == "missing":
                directory.write(f"{origin.key}.json", json.dumps(asdict(origin)).encode())
        return origin

    def _hash(self, release: Release, name: str) -> str:
        path = release.directory / name
        try:
            status = path.lstat()
        except OSError as error:
            raise NotFound("{item} was changed meanwhile.", tip="try again.", item=release.name) from error
        seal = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._hashes.get(path)
        if known is None or known[0] != seal:
            known = self._hashes[path] = (seal, digest(release.read(name)))
        return known[1]


def _files(release: Release) -> list[str]:
    return [name for name in release.everything if name != f"{release.name}.zip"]


def _key(hashes: dict[str, str]) -> str:
    return digest(json.dumps(hashes, sort_keys=True).encode())[:32]
