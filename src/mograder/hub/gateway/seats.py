"""How many connections are open, in all and from one address, before any of them has said a word."""

from __future__ import annotations

from collections import Counter

from mograder.hub.gateway.addresses import counted_as
from mograder.hub.gateway.answers import refuse
from mograder.hub.gateway.model import Refusal

_LATER = ((b"retry-after", b"5"),)


class Seats:
    """A seat for every connection. For the event loop alone."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._taken: Counter[str] = Counter()
        self.count = 0

    def take(self, address: str, *, unbounded: bool) -> Refusal | None:
        """Seat a connection, or say why not. ``unbounded``: the address speaks for many people."""
        address = counted_as(address)
        if self.count >= self._total:
            return _later(503, "The hub has too many connections.")
        if not unbounded and self._taken[address] >= self._per_address:
            return _later(429, "There are too many connections from your address.")
        self.count += 1
        self._taken[address] += 1
        return None

    def leave(self, address: str) -> None:
        """Free a seat that was taken."""
        address = counted_as(address)
        self.count -= 1
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]


def _later(status: int, text: str) -> Refusal:
    refusal = refuse(status, text)
    return Refusal(status, refusal.body, _LATER)
