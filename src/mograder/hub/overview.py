"""How items stand for one person, told from what has changed since the last look: a whole class asks at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mograder.hub.origins import Origins
from mograder.hub.releases import ItemType, Release, Releases
from mograder.hub.store.state import Counts, ResultTable
from mograder.hub.workspaces import FileStatus, Standing, Workspaces
from mograder.sessions.manager import Sessions
from mograder.sessions.model import SessionKey


@dataclass(frozen=True, slots=True)
class ItemState:
    """How an item stands for one person. ``passed`` and ``total`` are of the last validation, ``check_current`` says
    whether that was of the copy as it is now.

    ``visible``: students see it now.
    """

    name: str
    type: ItemType
    file_status: FileStatus | None
    has_release: bool
    session_active: bool
    passed: int | None = None
    total: int | None = None
    check_current: bool = False
    exported_before: bool = False
    update_available: bool = False
    visible: bool = True


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

    def items(self, user: str, *, updates: bool = False, staff: bool = False) -> list[ItemState]:
        """Every published item as ``user`` sees it; ``updates``: also whether newer releases wait for their copies.

        What students do not see now is there for ``staff`` and for who has a copy.
        """
        releases = self._releases.all()
        copies = [release.name for release in releases if release.type is ItemType.ASSIGNMENT]
        standings = self._workspaces.standings(user, copies)
        counts = self._results.counts(user)
        now = datetime.now(UTC)
        states = [
            self._copy(user, release.name, release, standings[release.name], counts, updates)
            if release.type is ItemType.ASSIGNMENT
            else self._lecture(user, release)
            for release in releases
        ]
        shut = {release.name for release in releases if not release.window.is_open(now)}
        return [
            replace(state, visible=False) if state.name in shut else state
            for state in states
            if staff or state.name not in shut or _has_copy(state)
        ]

    def hidden(self, user: str, name: str) -> bool:
        """Whether a student does not see an item now: its dates are not those, and there is no copy."""
        release = self._releases.find(name)
        if release is None or release.window.is_open(datetime.now(UTC)):
            return False
        return not self._workspaces.exists(user, name)

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
        counts: dict[str, Counts],
        updates: bool,
    ) -> ItemState:
        last = counts.get(name)
        return ItemState(
            name,
            ItemType.ASSIGNMENT,
            standing.status,
            release is not None,
            self._active(SessionKey("edit", user, name)),
            None if last is None else last.passed,
            None if last is None else last.total,
            last is not None and last.digest == standing.digest,
            standing.exported_before,
            updates
            and release is not None
            and standing.status is not FileStatus.NOT_STARTED
            and self._origins.outdated(user, release),
        )

    def _active(self, key: SessionKey) -> bool:
        session = self._sessions.get(key)
        return session is not None and session.live


def _has_copy(state: ItemState) -> bool:
    return state.file_status not in (None, FileStatus.NOT_STARTED)
