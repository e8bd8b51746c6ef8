"""Where sessions are written down, so that the next hub finds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mograder.sessions.model import Session


class Registry(Protocol):
    """A table of sessions. Calls are short and may come from any thread."""

    def save(self, session: Session) -> None:
        """Write a session down, or write it anew."""

    def forget(self, session_id: str) -> None:
        """Strike a session out; nothing happens if it is not there."""

    def all(self) -> list[Session]:
        """Every session that was written down, in any order."""

    def seen(self, times: Iterable[tuple[str, float]]) -> None:
        """Note when sessions were last active: (id, seconds since the epoch)."""


class MemoryRegistry:
    """A registry that forgets with its process: for tests and for one-off tools."""

    def __init__(self) -> None:
        self.rows: dict[str, Session] = {}

    def save(self, session: Session) -> None:
        self.rows[session.id] = session

    def forget(self, session_id: str) -> None:
        self.rows.pop(session_id, None)

    def all(self) -> list[Session]:
        return list(self.rows.values())

    def seen(self, times: Iterable[tuple[str, float]]) -> None:
        for session_id, when in times:
            if session_id in self.rows:
                self.rows[session_id].last_seen = when
