"""Which saves of a notebook may go: the older, the fewer are needed. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)


class Kept(Protocol):
    """What is asked of a version; times are aware, ``size`` is in bytes."""

    @property
    def when(self) -> datetime: ...
    @property
    def reason(self) -> str: ...
    @property
    def size(self) -> int: ...


V = TypeVar("V", bound=Kept)


def superfluous(versions: Sequence[V], save: str, most: int, most_bytes: int) -> list[V]:
    """What may go of ``versions`` of one file (newest first): at most ``most`` saves of ``most_bytes`` together stay.

    Only versions with the reason ``save`` go, and of them neither the newest, nor the first version of all, nor the
    last one before a replacement. Of the last day everything stays, of the last week the last save of each hour, of the
    time before that of each day. If that is too much, those go first that leave the smallest gap for their age.
    """
    if not versions:
        return []
    now = versions[0].when
    stay: list[V] = []
    gone: list[V] = []
    for index, version in enumerate(versions):
        newer = stay[-1] if stay else None
        dense = newer is not None and newer.reason == save and _stretch(newer, now) == _stretch(version, now)
        (gone if dense and _may_go(versions, index, save) else stay).append(version)
    return gone + _least(stay, save, most, most_bytes)


def _may_go(versions: Sequence[V], index: int, save: str) -> bool:
    """Whether it is a save, and neither the newest nor the first version nor the last before a replacement."""
    inside = 0 < index < len(versions) - 1
    return inside and versions[index].reason == save == versions[index - 1].reason


def _stretch(version: Kept, now: datetime) -> str:
    """The stretch of time of which one save is enough."""
    age, when = now - version.when, version.when.astimezone(UTC)
    if age < _DAY:
        return when.isoformat()
    return f"{when:%Y-%m-%d %H}" if age < _WEEK else f"{when:%Y-%m-%d}"


def _least(versions: list[V], save: str, most: int, most_bytes: int) -> list[V]:
    """What of ``versions`` has to go, whatever it is, for the sake of the room."""
    left, gone = list(versions), []
    saves = [version for version in left if version.reason == save]
    number, total = len(saves), sum(version.size for version in saves)
    while number > most or total > most_bytes:
        candidates = [index for index in range(len(left)) if _may_go(left, index, save)]
        if not candidates:
            break
        victim = left.pop(min(candidates, key=lambda index: _loss(left, index)))
        gone.append(victim)
        number, total = number - 1, total - victim.size
    return gone


def _loss(versions: Sequence[Kept], index: int) -> float:
    """How much a version is missed: the gap that it leaves, seen from now."""
    gap = versions[index - 1].when - versions[index + 1].when
    age = versions[0].when - versions[index].when
    return gap / max(age, timedelta(seconds=1))
