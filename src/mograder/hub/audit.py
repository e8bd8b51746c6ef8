"""The audit log: who did what to whose what, when, from where, with which outcome and by which rule."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mograder.hub.identity.model import Identity
from mograder.sentences import Sentence, packed

log = logging.getLogger("mograder.audit")

FILE_NAME = "audit.log"

REFUSED = frozenset((400, 401, 403, 413, 415, 421, 422, 429))
"""Answers that say no to a request that could have been carried out if somebody else had asked, or better."""

_LONGEST = 300  # characters of one value
_ECHO_SECONDS = 10.0
_MOST_ECHOES = 1000
_MOST_OF_ONE, _MOST_OF_ALL = (
    50,
    1000,
)  # different refusals within that time, by whom they are of; more are one line


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done or refused. ``path`` is without the query, which may hold anything."""

    who: Identity | None
    address: str
    method: str
    path: str
    status: int
    rule: str = ""
    action: str = ""
    owner: str = ""
    item: str = ""

    @property
    def outcome(self) -> str:
        """``done``, ``refused`` or ``failed``."""
        if self.status < 400:
            return "done"
        return "refused" if self.status in REFUSED else "failed"


class AuditLog:
    """Lines of JSON in ``path`` (mode 0600), which is set aside when it has grown to ``max_bytes``.

    ``keep`` older files remain (``audit.log.1`` is the newest of them), so that a flood fills no disk. One refusal,
    or vain try of nobody's, that comes again and again within ten seconds is written once, and then how often it came;
    of many different ones of one person or address the first are written, and that there were more. For the event
    loop: a line is one short write to the page cache. A log that can not be written is said once in the hub's own log.
    """

    def __init__(
        self, path: Path, *, max_bytes: int = 10 << 20, keep: int = 5, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._clock = clock
        self._descriptor = -1
        self._size = 0
        self._complained = False
        self._echoes: dict[Entry, tuple[float, int]] = {}  # when it was written last, how often it came since
        self._written: Counter[str] = Counter()  # different refusals by whom they are of, "" for all, since:
        self._counted_since = 0.0

    def note(self, entry: Entry) -> None:
        """Write ``entry`` down."""
        now = self._clock()
        repeated = 0
        if entry.outcome == "refused" or entry.who is None:  # who is nobody has changed nothing
            entry = self._within_bounds(entry, now)
            since, repeated = self._echoes.get(entry, (-_ECHO_SECONDS, 0))
            if now - since < _ECHO_SECONDS:
                self._echoes[entry] = (since, repeated + 1)
                return
            self._forget_old(now)
            self._echoes[entry] = (now, 0)
        self._write(line(entry, now, repeated))

    def _within_bounds(self, entry: Entry, now: float) -> Entry:
        """``entry``, or one that stands for all that are too many to be told apart."""
        if not 0 <= now - self._counted_since < _ECHO_SECONDS:
            self._written.clear()
            self._counted_since = now
        if entry in self._echoes:
            return entry
        by = entry.who.user if entry.who else entry.address
        self._written[by] += 1
        if self._written[by] > _MOST_OF_ONE:
            return Entry(
                entry.who,
                entry.address,
                "",
                "more than are listed",
                429,
                Sentence("too many refusals at once"),
            )
        self._written[""] += 1
        if self._written[""] > _MOST_OF_ALL:
            return Entry(None, "", "", "more than are listed", 429, Sentence("too many refusals at once"))
        return entry

    def close(self) -> None:
        """Write down how often what was left out came, and close the file."""
        for entry, (since, repeated) in self._echoes.items():
            if repeated:
                self._write(line(entry, since, repeated))
        self._echoes.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _forget_old(self, now: float) -> None:
        if len(self._echoes) < _MOST_ECHOES:
            return
        for entry, (since, repeated) in list(self._echoes.items()):
            if now - since >= _ECHO_SECONDS or len(self._echoes) >= _MOST_ECHOES:
                del self._echoes[entry]
                if repeated:
                    self._write(line(entry, since, repeated))

    def _write(self, text: str) -> None:
        data = text.encode()
        try:
            if self._descriptor >= 0 and self._size + len(data) > self._max_bytes:
                self._set_aside()
            if self._descriptor < 0:
                self._open()
            self._size += os.write(self._descriptor, data)
            self._complained = False
        except OSError as error:
            if not self._complained:
                log.warning(
                    "%s can not be written (%s); what happens is not in it", self._path, error.strerror
                )
            self._complained = True

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        os.fchmod(self._descriptor, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _set_aside(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        for number in range(self._keep - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))


def line(entry: Entry, when: float, repeated: int = 0) -> str:
    """``entry`` as one line of printable ASCII, line break included, whatever its values hold."""
    who = entry.who
    values = {
        "when": datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds"),
        "who": "" if who is None else who.user,
        "role": "" if who is None else who.role.value,
        "via": "" if who is None else who.via,
        "from": entry.address,
        "did": f"{entry.method} {entry.path}",
        "action": entry.action,
        "owner": entry.owner,
        "item": entry.item,
        "status": entry.status,
        "outcome": entry.outcome,
        "rule": entry.rule,
    }
    if isinstance(entry.rule, Sentence) and entry.rule.values and len(entry.rule) <= _LONGEST:
        values["said"] = packed(entry.rule)  # to be said in another language
    if repeated:
        values["repeated"] = repeated
    short = {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in values.items()}
    # All that is not ASCII is escaped by json; of ASCII's own control characters it leaves one.
    return json.dumps(short, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n"


class Printable(logging.Formatter):
    """Escapes control characters in the hub's own log: a name in a request must not write lines or colours.

    A message is one line. A traceback keeps its lines, each marked, so that none can pass for a message.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  | {printable(text)}" for text in lines)


def printable(text: str) -> str:
    """``text`` with everything that a terminal or a reader could take for more than text written as an escape."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
