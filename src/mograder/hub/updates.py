"""Bringing a student's copy to a new release: what would happen, doing it, undoing it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from mograder.errors import Conflict, MograderError, NotFound
from mograder.hub.history import UPDATE as REASON
from mograder.hub.history import History, Version, digest
from mograder.hub.merging import merged
from mograder.hub.origins import Origin, Origins
from mograder.hub.releases import Release
from mograder.hub.workspaces import Workspaces
from mograder.notebook.merge import Choice, Merge


@dataclass(frozen=True)
class Offer:
    """What an update would do. ``seal`` names what it was judged by; ``merge`` None: the copy is of this release.

    ``added`` and ``replaced`` are other files of the release; ``kept`` are those that the student changed, too.
    """

    seal: str
    merge: Merge | None = None
    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    can_undo: bool = False


class Updates:
    """Whoever calls makes sure that nothing else changes the copy meanwhile."""

    def __init__(self, workspaces: Workspaces, history: History, origins: Origins) -> None:
        self._workspaces = workspaces
        self._history = history
        self._origins = origins

    async def look(self, user: str, release: Release, choices: Mapping[str, Choice] | None = None) -> Offer:
        """What an update would do now. Raises NotFound (no copy), and Conflict as `merged` does."""
        ours = await asyncio.to_thread(self._workspaces.notebook, user, release.name)
        old = await asyncio.to_thread(self._origins.of_copy, user, release.name)
        new = await asyncio.to_thread(self._origins.of_release, release)
        can_undo = await asyncio.to_thread(self._can_undo, user, release.name)
        seal = _seal(ours, new.key)
        if old is not None and old.key == new.key:
            return Offer(seal, can_undo=can_undo)
        base = None if old is None else old.notebook.encode()
        merge = await merged(release.notebook, base, ours, new.notebook.encode(), choices or {})
        added, replaced, kept = await asyncio.to_thread(self._files, user, release.name, old, new)
        return Offer(seal, merge, added, replaced, kept, can_undo)

    async def check(self, user: str, release: Release, seal: str) -> None:
        """Raise Conflict unless everything is as it was when ``seal`` was given (empty: however it is)."""
        if seal and seal != await asyncio.to_thread(self._seal, user, release):
            raise Conflict(
                "{item} was changed since you looked, so nothing was updated.",
                tip="look again.",
                item=release.name,
            )

    async def apply(self, user: str, release: Release, choices: Mapping[str, Choice], seal: str) -> Offer:
        """Do it, if everything is still as it was when ``seal`` was given; empty: however it is.

        The notebook comes last: an update that is broken off can be made again. Raises Conflict.
        """
        await self.check(user, release, seal)
        offer = await self.look(user, release, choices)
        if offer.merge is None:
            raise Conflict("Your copy of {item} is of the published version already.", item=release.name)
        known = {conflict.key for conflict in offer.merge.conflicts}
        if strange := choices.keys() - known:
            raise Conflict(
                "There is no part {number} to choose about.", tip="look again.", number=min(strange)
            )
        await asyncio.to_thread(self._write, user, release, offer)
        return offer

    async def undo(self, user: str, item: str) -> None:
        """Make the copy what it was before its last update; what it is now is kept. Raises Conflict: there was none."""
        await asyncio.to_thread(self._undo, user, item)

    def _seal(self, user: str, release: Release) -> str:
        return _seal(self._workspaces.notebook(user, release.name), self._origins.key(release))

    def _write(self, user: str, release: Release, offer: Offer) -> None:
        assert offer.merge is not None
        # Two publications may lie between looking and writing: the copy is then of neither, and is brought on again.
        before = self._origins.key(release)
        for name in (*offer.added, *offer.replaced):
            self._workspaces.put_file(user, release.name, name, release.read(name), REASON)
        follows = self._workspaces.unchanged(user, release.name)
        data = offer.merge.text.encode()
        self._workspaces.put_file(user, release.name, release.notebook, data, REASON)
        if follows:
            self._workspaces.begins_with(user, release.name, data)
        if self._origins.key(release) == before:
            self._origins.moved(user, release)

    def _undo(self, user: str, item: str) -> None:
        batch = self._batch(user, item)
        if not batch or not self._origins.can_go_back(user, item):
            raise Conflict(
                "{item} was not updated, so there is nothing to undo.", tip="look at its history.", item=item
            )
        for version in reversed(batch):
            self._workspaces.restore(user, item, version.id)
        self._origins.went_back(user, item)

    def _can_undo(self, user: str, item: str) -> bool:
        return self._origins.can_go_back(user, item) and bool(self._batch(user, item))

    def _batch(self, user: str, item: str) -> list[Version]:
        """What the last update replaced, newest first: the notebook, which it wrote last, and the files before it."""
        found: list[Version] = []
        for version in self._history.versions(user, item):
            is_notebook = version.file == f"{item}.py"
            if not found:
                found = [version] if is_notebook and version.reason == REASON else []
            elif version.reason != REASON or is_notebook:
                break
            else:
                found.append(version)
        return found

    def _files(
        self, user: str, item: str, old: Origin | None, new: Origin
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        added: list[str] = []
        replaced: list[str] = []
        kept: list[str] = []
        for name, content in new.files.items():
            if old is not None and old.files.get(name) == content:
                continue
            try:
                mine = self._workspaces.file_digest(user, item, name)
            except NotFound:
                added.append(name)
                continue
            except MograderError:
                mine = ""
            if mine != content:
                follows = old is not None and mine == old.files.get(name)
                (replaced if follows else kept).append(name)
        return tuple(added), tuple(replaced), tuple(kept)


def _seal(notebook: bytes, key: str) -> str:
    return digest(notebook + key.encode())[:32]
