"""How items stand for one person, told from what has changed since the last look: a whole class asks at once."""

from __future__ import annotations

from dataclasses import dataclass

from mograder.hub.origins import Origins
from mograder.hub.releases import ItemType, Release, Releases
from mograder.hub.store.state import ResultTable
from mograder.hub.workspaces import FileStatus, Standing, Workspaces
from mograder.sessions.manager import Sessions
from mograder.sessions.model import SessionKey


@dataclass(frozen=True, slots=True)
class ItemState:
    """How an item stands for one person. ``passed`` and ``total`` are of the last validation."""

    name: str
    type: ItemType
    file_status: FileStatus | None
    has_release: bool
    session_active: bool
    passed: int | None = None
    total: int | None = None
    exported_before: bool = False
    update_available: bool = False


class Overview:
    """Looks at releases, copies, results and sessions, and changes nothing. Calls block: run them in a thread."""

    def __init__(
        self,
        releases: Releases,
        workspaces: Workspaces,
        origins: Origins,
        results: ResultTable,
        sessions: Sessions,
    ) -> None:
        self._releases = releases
        self._workspaces = workspaces
        self._origins = origins
        self._results = results
        self._sessions = sessions

    def items(self, user: str, *, updates: bool = False) -> list[ItemState]:
        """Every published item as ``user`` sees it; ``updates``: also whether newer releases wait for their copies."""
        releases = self._releases.all()
        copies = [release.name for release in releases if release.type is ItemType.ASSIGNMENT]
        standings = self._workspaces.standings(user, copies)
        counts = self._results.counts(user)
        return [
            self._copy(user, release.name, release, standings[release.name], counts, updates)
            if release.type is ItemType.ASSIGNMENT
            else self._lecture(user, release)
            for release in releases
        ]

    def item(self, user: str, name: str) -> ItemState:
        """One item as ``user`` sees it; it may be neither published nor copied."""
        release = self._releases.find(name)
        if release is not None and release.type is ItemType.LECTURE:
            return self._lecture(user, release)
        standing = self._workspaces.standings(user, [name])[name]
        return self._copy(user, name, release, standing, self._results.counts(user), True)

    def _lecture(self, user: str, release: Release) -> ItemState:
        key = SessionKey("run", user, release.name)
        return ItemState(release.name, release.type, None, True, self._active(key))

    def _copy(
        self,
        user: str,
        name: str,
        release: Release | None,
        standing: Standing,
        counts: dict[str, tuple[int, int]],
        updates: bool,
    ) -> ItemState:
        passed, total = counts.get(name, (None, None))
        return ItemState(
            name,
            ItemType.ASSIGNMENT,
            standing.status,
            release is not None,
            self._active(SessionKey("edit", user, name)),
            passed,
            total,
            standing.exported_before,
            updates
            and release is not None
            and standing.status is not FileStatus.NOT_STARTED
            and self._origins.outdated(user, release),
        )

    def _active(self, key: SessionKey) -> bool:
        session = self._sessions.get(key)
        return session is not None and session.live
