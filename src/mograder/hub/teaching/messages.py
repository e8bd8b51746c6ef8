"""Messages to everybody in the course, until each person has put them away."""

from __future__ import annotations

import time
from collections.abc import Callable

from mograder.errors import Malformed, NotFound
from mograder.hub.store.classroom import Message, MessageTable

MAX_CHARACTERS = 2000
LIFETIME = 14 * 86400
"""Seconds after which a message is shown to nobody any more."""


class Messages:
    """Looked at for every page, so they are held in memory. For the event loop; changes are short writes."""

    def __init__(self, table: MessageTable, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._all = table.all()
        self._dismissed = table.dismissed()

    def send(self, author: str, text: str) -> Message:
        """Say ``text`` to everybody. Raises Malformed: there is none, or too much of it."""
        text = text.strip()
        if not text:
            raise Malformed("The message is empty, so nothing was sent.")
        if len(text) > MAX_CHARACTERS:
            raise Malformed("A message has at most {most} characters; nothing was sent.", most=MAX_CHARACTERS)
        message = self._table.add(author, text, self._clock())
        self._all.insert(0, message)
        return message

    def shown_to(self, user: str) -> tuple[Message, ...]:
        """What ``user`` has not put away yet, newest first."""
        return tuple(m for m in self.current() if (m.id, user) not in self._dismissed)

    def current(self) -> tuple[Message, ...]:
        """Every message that is still shown to somebody, newest first."""
        oldest = self._clock() - LIFETIME
        return tuple(m for m in self._all if m.when > oldest)

    def readers(self, message: int) -> int:
        """How many people have put a message away."""
        return sum(dismissed == message for dismissed, _ in self._dismissed)

    def dismiss(self, message: int, user: str) -> None:
        """Put a message away for ``user``. Raises NotFound."""
        self._find(message)
        self._table.dismiss(message, user)
        self._dismissed.add((message, user))

    def withdraw(self, message: int) -> None:
        """Take a message back from everybody. Raises NotFound."""
        found = self._find(message)
        self._table.remove(message)
        self._all.remove(found)
        self._dismissed = {pair for pair in self._dismissed if pair[0] != message}

    def _find(self, message: int) -> Message:
        found = next((m for m in self._all if m.id == message), None)
        if found is None:
            raise NotFound("There is no such message; it may have been taken back.")
        return found
