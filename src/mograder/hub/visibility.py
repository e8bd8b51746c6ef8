"""When students see an item: from and until a moment in a named time zone. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mograder.course import shown
from mograder.errors import Malformed

FILE_NAME = ".visible.json"
"""Beside a release's files, where its dates are."""

_LOCALTIME = Path("/etc/localtime")


@dataclass(frozen=True)
class Window:
    """Both ends are aware; None is open. ``zone`` is the IANA name that they were given in."""

    begin: datetime | None = None
    end: datetime | None = None
    zone: str = "UTC"

    def is_open(self, now: datetime) -> bool:
        """Whether students see the item at ``now``."""
        return (self.begin is None or self.begin <= now) and (self.end is None or now < self.end)

    @property
    def words(self) -> str:
        """As instructors read it."""
        said = [f"from {_words(self.begin)}"] if self.begin else []
        said += [f"until {_words(self.end)}"] if self.end else []
        return f"Students see it {' '.join(said)} ({self.zone})" if said else "Everybody sees it"

    def to_json(self) -> bytes:
        """The content of `FILE_NAME`."""
        ends = {"from": self.begin, "until": self.end}
        return json.dumps(
            {k: v.isoformat() if v else None for k, v in ends.items()} | {"zone": self.zone}
        ).encode()


ALWAYS = Window()


def read(data: bytes) -> Window:
    """What `to_json` wrote. Raises ValueError for anything else."""
    said = json.loads(data)
    if not isinstance(said, dict):
        raise ValueError("not a window")  # noqa: TRY004  what is read is data
    place = zone(str(said.get("zone") or "UTC"))
    begin, end = (
        None if not said.get(key) else datetime.fromisoformat(str(said[key])).astimezone(place)
        for key in ("from", "until")
    )
    return Window(begin, end, place.key)


def window(begin: str | None, end: str | None, place: str, before: Window = ALWAYS) -> Window:
    """The window that somebody asks for; None keeps that end as it was ``before``.

    ``begin`` may be ``now`` and ``end`` may be ``never``: open. Raises Malformed.
    """
    where = zone(place)
    opens = before.begin if begin is None else None if begin == "now" else moment(begin, where)
    closes = before.end if end is None else None if end == "never" else moment(end, where, last=True)
    if opens is not None and closes is not None and closes <= opens:
        raise Malformed("It would be visible until {end}, before it is visible at all.", end=_words(closes))
    return Window(opens, closes, where.key if begin or end else before.zone)


def moment(text: str, place: ZoneInfo, *, last: bool = False) -> datetime:
    """``2026-12-01 09:00`` (or with a T, or an offset) in ``place``; a date alone is its first or ``last`` minute.

    Raises Malformed, also for a time that the clocks leave out there.
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
            day = datetime.fromisoformat(text.strip())
            found = datetime.combine(day, time(23, 59) if last else time(0, 0))
        else:
            found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Malformed(
            "{name} is no date.", tip='write "2026-12-01 09:00", or the date alone.', name=shown(text)
        ) from None
    if found.tzinfo is not None:
        return found.astimezone(place)
    aware = found.replace(tzinfo=place)
    if aware.astimezone(UTC).astimezone(place).replace(tzinfo=None) != found:
        raise Malformed(
            "{name} does not exist in {zone}: the clocks are put forward there.",
            name=shown(text),
            zone=place.key,
        )
    return aware


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises Malformed."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Malformed(
            "{name} is no time zone.", tip="use a name as Europe/Zurich.", name=shown(name)
        ) from None


def machine_zone() -> str:
    """The name of this machine's zone; UTC if it has none."""
    try:
        name = str(_LOCALTIME.readlink()).partition("zoneinfo/")[2]
        return zone(name).key
    except (OSError, Malformed):
        return "UTC"


def _words(when: datetime) -> str:
    return f"{when:%a} {when.day} {when:%b %Y, %H:%M %Z}"
