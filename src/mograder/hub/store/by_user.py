"""What a table says of one person, read once and kept until this process changes it: no other one writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class ByUser(Generic[T]):
    """Answers by user. Any thread may ask; an answer is shared, so nobody changes it."""

    def __init__(self, read: Callable[[str], T], room: int = 5000) -> None:
        self._read = read
        self._room = room
        self._known: dict[str, T] = {}
        self._lock = threading.Lock()

    def get(self, user: str) -> T:
        """What the table says now."""
        try:
            return self._known[user]
        except KeyError:
            pass
        with self._lock:  # no change between reading and keeping
            if len(self._known) >= self._room:
                self._known.clear()
            found = self._known[user] = self._read(user)
            return found

    @contextmanager
    def changing(self, user: str) -> Iterator[None]:
        """Within, the table is changed; what was known of the user is forgotten."""
        with self._lock:
            try:
                yield
            finally:
                self._known.pop(user, None)
