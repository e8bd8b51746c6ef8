"""Heads that came before, letter for letter: their text is read once. What is allowed is asked anew each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from mograder.hub.gateway.model import Headers

T = TypeVar("T")
_MOST_FOUND = 16  # of one head: it comes for a few sessions and under a few names of the hub


class Known(tuple[tuple[bytes, bytes], ...]):
    """The fields of such a head; ``found`` is what `read` found in them."""

    found: dict[Any, Any]

    def __new__(cls, fields: Headers) -> Known:
        made = super().__new__(cls, fields)
        made.found = {}
        return made


def read(function: Callable[..., T], fields: Headers, *about: Any) -> T:
    """Return ``function(fields, *about)``, remembered with fields that are `Known`.

    So the function must depend on its arguments alone, and on what does not change while the hub runs.
    """
    if type(fields) is not Known:
        return function(fields, *about)
    key = (function, *about)
    found = fields.found
    try:
        return found[key]  # type: ignore[no-any-return]
    except KeyError:
        if len(found) >= _MOST_FOUND:
            found.clear()
        made = found[key] = function(fields, *about)
        return made


class Memory(Generic[T]):
    """What was made of texts that came before. Bounded in number and bytes; what nobody asks for is forgotten.

    It has two generations: what is asked for moves to the young one. When that is full, or was young for
    ``seconds``, the old one is forgotten, and the young one becomes the old one.
    """

    def __init__(self, entries: int = 1024, size: int = 1 << 20, seconds: float = 30.0) -> None:
        self._entries, self._size, self._seconds = entries, size, seconds
        self._young: dict[tuple[str, bytes], T] = {}
        self._old: dict[tuple[str, bytes], T] = {}
        self._held = 0  # bytes of text in the young generation
        self._since = 0.0

    def get(self, whose: str, text: bytes) -> T | None:
        """Return what was made of ``text``, if that is still known. What is known of one side helps no other."""
        key = (whose, text)
        made = self._young.get(key)
        if made is None and (made := self._old.pop(key, None)) is not None:
            self.put(whose, text, made)
        return made

    def put(self, whose: str, text: bytes, made: T) -> None:
        """Remember what was made of ``text``, unless it is too long."""
        if len(text) > self._size // 64:
            return
        if len(self._young) >= self._entries or self._held + len(text) > self._size:
            self._turn()
        self._young[whose, text] = made
        self._held += len(text)

    def sweep(self, now: float) -> None:
        """Forget what was not asked for lately; ``now`` is the loop's clock, in seconds."""
        if now - self._since >= self._seconds:
            self._since = now
            self._turn()

    @property
    def empty(self) -> bool:
        """Whether nothing is known."""
        return not (self._young or self._old)

    def _turn(self) -> None:
        self._old, self._young, self._held = self._young, {}, 0
