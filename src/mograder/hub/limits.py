"""How much one person or one address may ask of the hub: beyond that the answer is 429, and costs nothing."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mograder.config import HubSection
from mograder.hub.gateway.addresses import counted_as
from mograder.hub.identity.model import Identity
from mograder.hub.pages.language import N_
from mograder.sentences import Sentence

_MOST_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Overrun:
    """Why a request is not answered now: the rule in words, and after how many whole seconds it may come again."""

    reason: str
    retry_after: int


class Buckets:
    """Allowances by key: a minute's worth at once, refilled evenly. Of too many keys the longest unused is lost."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._full = float(per_minute)
        self._rate = per_minute / 60
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # what is left, as of when

    def wait(self, key: str) -> float:
        """Seconds until ``key`` has one left; 0 if it has. Takes nothing."""
        left = self._now(key)
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def spend(self, key: str) -> float:
        """Take one of ``key``'s if it has one; else the seconds until it has."""
        left = self._now(key)
        if left < 1:
            return (1 - left) / self._rate
        self._left.pop(key, None)  # so that the order is that of use
        self._left[key] = (left - 1, self._clock())
        if len(self._left) > _MOST_KEYS:
            del self._left[next(iter(self._left))]
        return 0.0

    def _now(self, key: str) -> float:
        left, since = self._left.get(key, (self._full, 0.0))
        return min(self._full, left + (self._clock() - since) * self._rate)


class Limits:
    """The limits of one hub, shared by its pages and its sessions' gateway. For the event loop alone."""

    def __init__(self, hub: HubSection, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._requests = Buckets(hub.requests_per_minute, clock)
        self._session_requests = Buckets(hub.session_requests_per_minute, clock)
        self._strangers = Buckets(hub.failed_logins_per_minute, clock)
        self._under_way: Counter[str] = Counter()

    def request(self, who: Identity) -> Overrun | None:
        """Count one request for the hub's own pages and answers."""
        most = self._hub.requests_at_once
        if self._under_way[who.user] >= most:
            return _overrun(1, N_("{user} has {count} requests under way already"), user=who.user, count=most)
        return _overrun(self._requests.spend(who.user), N_("{user} asks too much at once"), user=who.user)

    def session_request(self, who: Identity, open_sockets: int | None = None) -> Overrun | None:
        """Count one request for a session; for a WebSocket tell how many the person has open."""
        if open_sockets is not None and open_sockets >= self._hub.websockets_per_user:
            return _overrun(
                10, N_("{user} has {count} notebook tabs open already"), user=who.user, count=open_sockets
            )
        return _overrun(
            self._session_requests.spend(who.user), N_("{user} asks too much of the notebook"), user=who.user
        )

    def stranger(self, address: str) -> Overrun | None:
        """Whether ``address`` has failed to sign in too often. Who is signed in is never held up by this."""
        return _overrun(
            self._strangers.wait(counted_as(address)),
            N_("too many attempts to sign in from {address}"),
            address=address,
        )

    def failed(self, address: str) -> None:
        """Count one request that nobody could be found behind."""
        self._strangers.spend(counted_as(address))

    def begin(self, who: Identity) -> None:
        """A request of somebody's is under way, until `end`."""
        self._under_way[who.user] += 1

    def end(self, who: Identity) -> None:
        """See `begin`."""
        self._under_way[who.user] -= 1
        if not self._under_way[who.user]:
            del self._under_way[who.user]


def address_of(headers: Iterable[tuple[bytes, bytes]], client: str, trusted: bool) -> str:
    """The address that a request came from: what a trusted proxy says, else the socket's other end."""
    forwarded = [value for name, value in headers if name == b"x-forwarded-for"] if trusted else []
    if forwarded:
        last = forwarded[-1].rpartition(b",")[2].strip().decode("latin-1")
        try:
            return str(ipaddress.ip_address(last))
        except ValueError:
            return client
    return client


def _overrun(seconds: float, reason: str, **values: object) -> Overrun | None:
    return Overrun(Sentence(reason, **values), math.ceil(seconds)) if seconds else None
