"""Looks of instructors at students' work: noted, and shown to the student."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from mograder.hub.store.classroom import Visit, VisitTable

log = logging.getLogger("mograder.hub")

SAME_VISIT = 600.0
"""Seconds within which a second look counts as the same visit."""

SHOWN = 14 * 86400.0
"""For how many seconds a visit is shown on the student's pages; the audit log keeps it longer."""


class Visits:
    """Who looked at whose work. Calls block shortly."""

    def __init__(self, table: VisitTable, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._latest: dict[str, dict[str, Visit]] = {}  # by owner and item, since the hub began

    def note(self, visitor: str, owner: str, item: str) -> None:
        """Remember that ``visitor`` looked at ``owner``'s ``item``."""
        visit = Visit(visitor, owner, item, self._clock())
        if self._table.add(visit, SAME_VISIT):
            self._latest[owner] = {**self._latest.get(owner, {}), item: visit}

    def latest(self, owner: str) -> tuple[Visit, ...]:
        """The last new visit to each item of ``owner`` since the hub began, from memory."""
        return tuple(self._latest.get(owner, {}).values())

    def under_way(self, owner: str, item: str) -> Visit | None:
        """The visit to an item that may still go on, from memory."""
        found = self._latest.get(owner, {}).get(item)
        return found if found is not None and self._clock() - found.when < SAME_VISIT else None

    def to(self, owner: str) -> tuple[Visit, ...]:
        """The visits of the last two weeks, newest first; none if the state can not be read: a page is shown all
        the same."""
        try:
            return tuple(self._table.of(owner, self._clock() - SHOWN))
        except SQLAlchemyError:
            log.exception("the visits to %s can not be read", owner)
            return ()
