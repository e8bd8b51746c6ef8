"""How items stand for one person, told from what has changed since the last look: a whole class asks at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from mograder.errors import MograderError
from mograder.hub.origins import Origins
from mograder.hub.releases import ItemType, Release, Releases
from mograder.hub.store.state import Counts, ResultTable
from mograder.hub.workspaces import FileStatus, Standing, Workspaces
from mograder.sessions.manager import Sessions
from mograder.sessions.model import Kind, SessionKey

_ROOM = 5000


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


class Asked(NamedTuple):
    """Who asks for the list of items, and for what of it.

    ``updates``: also whether newer releases wait for their copies. What students do not see now is there for
    ``staff`` and for who has a copy.
    """

    user: str
    updates: bool = False
    staff: bool = False


class _Parts(NamedTuple):
    """All that a list is made of."""

    releases: tuple[Release, ...]
    standings: Mapping[str, Standing]
    counts: Mapping[str, Counts]
    active: frozenset[SessionKey]
    shut: frozenset[str]
    outdated: frozenset[str]


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
        self._lists: dict[Asked, tuple[_Parts, tuple[ItemState, ...]]] = {}

    def items(self, asked: Asked) -> tuple[ItemState, ...]:
        """Every published item as somebody sees it. While all is the same, the answer is the same object."""
        releases = self._releases.all()
        return self._list(asked, releases, self._workspaces.standings(asked.user, _assignments(releases)))

    def known(self, questions: Sequence[Asked]) -> list[tuple[ItemState, ...] | None]:
        """As `items` for several people, from one look; None for who has notebooks that must be read anew."""
        releases = self._releases.all()
        names = _assignments(releases)
        return [self._known(asked, releases, names) for asked in questions]

    def _known(
        self, asked: Asked, releases: tuple[Release, ...], names: tuple[str, ...]
    ) -> tuple[ItemState, ...] | None:
        try:
            standings = self._workspaces.known_standings(asked.user, names)
            return None if standings is None else self._list(asked, releases, standings)
        except (OSError, MograderError):  # `items` says so, to this one alone
            return None

    def _list(
        self, asked: Asked, releases: tuple[Release, ...], standings: Mapping[str, Standing]
    ) -> tuple[ItemState, ...]:
        parts = self._parts(asked, releases, standings)
        known = self._lists.get(asked)
        if known is not None and known[0] == parts:  # what is the same object needs no comparison
            return known[1]
        if len(self._lists) >= _ROOM:
            self._lists.clear()
        seen_anyway = asked.staff
        states = tuple([s for s in _states(asked.user, parts) if seen_anyway or s.visible or _has_copy(s)])
        self._lists[asked] = parts, states
        return states

    def _parts(
        self, asked: Asked, releases: tuple[Release, ...], standings: Mapping[str, Standing]
    ) -> _Parts:
        user, now = asked.user, datetime.now(UTC)
        return _Parts(
            releases,
            standings,
            self._results.counts(user),
            frozenset([session.key for session in self._sessions.of(user)]),
            frozenset([release.name for release in releases if not release.window.is_open(now)]),
            frozenset([release.name for release in releases if self._is_outdated(user, release, standings)])
            if asked.updates
            else frozenset(),
        )

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
            return _lecture(release, self._is_active("run", user, name))
        standing = self._workspaces.standing(user, name)
        return _copy(
            name,
            release,
            standing,
            self._results.counts(user).get(name),
            active=self._is_active("edit", user, name),
            outdated=release is not None and self._is_outdated(user, release, {name: standing}),
        )

    def _is_active(self, kind: Kind, user: str, name: str) -> bool:
        session = self._sessions.get(SessionKey(kind, user, name))
        return session is not None and session.live

    def _is_outdated(self, user: str, release: Release, standings: Mapping[str, Standing]) -> bool:
        standing = standings.get(release.name)
        begun = standing is not None and standing.status is not FileStatus.NOT_STARTED
        return begun and self._origins.outdated(user, release)


def _assignments(releases: tuple[Release, ...]) -> tuple[str, ...]:
    return tuple([release.name for release in releases if release.type is ItemType.ASSIGNMENT])


def _states(user: str, parts: _Parts) -> Iterator[ItemState]:
    for release in parts.releases:
        name = release.name
        visible = name not in parts.shut
        if release.type is ItemType.LECTURE:
            yield _lecture(release, SessionKey("run", user, name) in parts.active, visible)
        else:
            yield _copy(
                name,
                release,
                parts.standings[name],
                parts.counts.get(name),
                active=SessionKey("edit", user, name) in parts.active,
                outdated=name in parts.outdated,
                visible=visible,
            )


def _lecture(release: Release, active: bool, visible: bool = True) -> ItemState:
    return ItemState(release.name, release.type, None, True, active, visible=visible)


def _copy(
    name: str,
    release: Release | None,
    standing: Standing,
    last: Counts | None,
    *,
    active: bool,
    outdated: bool,
    visible: bool = True,
) -> ItemState:
    return ItemState(
        name,
        ItemType.ASSIGNMENT,
        standing.status,
        release is not None,
        active,
        None if last is None else last.passed,
        None if last is None else last.total,
        last is not None and last.digest == standing.digest,
        standing.exported_before,
        outdated,
        visible,
    )


def _has_copy(state: ItemState) -> bool:
    return state.file_status not in (None, FileStatus.NOT_STARTED)
