"""``allowed_users.txt``: who may enter the course, one name a line, read again when it changes."""

from __future__ import annotations

import logging
import os
import unicodedata
from pathlib import Path

log = logging.getLogger("mograder.identity")

FILE_NAME = "allowed_users.txt"


class Roster:
    """The list in a course directory. Without the file everybody whom the login proxy names may enter.

    A list that is there and can not be read admits nobody.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = str(path)  # looked at for every request
        self._stamp: tuple[int, ...] | None = None
        self._names: frozenset[str] | None = None

    def admits(self, user: str) -> bool:
        """Whether ``user`` is on the list, or there is none."""
        names = self._current()
        return names is None or user in names

    def names(self) -> frozenset[str] | None:
        """Everybody on the list; None if there is none."""
        return self._current()

    def _current(self) -> frozenset[str] | None:
        try:
            status = os.stat(self._name)  # noqa: PTH116  for every request: half the time of a Path's
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._names = parse(self._path.read_text(encoding="utf-8-sig", errors="replace"))
                self._stamp = stamp
        except FileNotFoundError:
            self._stamp = self._names = None
        except OSError as error:
            if self._stamp != ():
                log.error("%s can not be read (%s): only instructors may enter", self._path, error.strerror)  # noqa: TRY400
            self._stamp, self._names = (), frozenset()
        return self._names


def parse(text: str) -> frozenset[str]:
    """The names in ``text``, composed as in a login; what follows a ``#`` is a comment."""
    lines = (line.split("#", 1)[0].strip() for line in unicodedata.normalize("NFC", text).splitlines())
    return frozenset(line for line in lines if line)
