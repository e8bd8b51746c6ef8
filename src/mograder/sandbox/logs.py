"""What a session prints: kept in a file up to a size, then counted and dropped."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

_CHUNK = 65536
_TAIL = 8192


class CappedLog:
    """A pipe whose other end a session writes to.

    A file would do without us, but a session could reopen it.

    The owner of the log calls ``drain`` when ``reader`` is readable. Past ``limit`` bytes a line says so, and
    the rest only moves the tail, which explains a failure better than the beginning does.
    """

    def __init__(self, path: Path | int, limit: int) -> None:
        """Keep at most ``limit`` bytes at ``path``, or behind it when it is an open descriptor.

        A descriptor stays the caller's: a jailed engine can not reach the hub's files by their names.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.dup(path) if isinstance(path, int) else os.open(path, flags, 0o600)
        try:
            self.reader, self.writer = os.pipe()
        except OSError:
            os.close(self._file)
            raise
        os.set_blocking(self.reader, False)
        self._left = limit
        self._limit = limit
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.dropped = 0

    def hand_over(self) -> None:
        """Close our copy of the writer, once the session has its own: else the end would never be seen."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def drain(self, budget: int = 16 * _CHUNK) -> bool:
        """Take what is there, at most ``budget`` bytes at a time. False when every writer is gone."""
        while budget > 0:
            try:
                piece = os.read(self.reader, _CHUNK)
            except BlockingIOError:
                return True
            if not piece:
                return False
            budget -= len(piece)
            self._keep(piece)
        return True

    def tail(self) -> str:
        """The last lines, for a message."""
        return b"".join(self._tail)[-_TAIL:].decode("utf-8", "replace")

    def close(self) -> None:
        self.hand_over()
        for descriptor in (self.reader, self._file):
            if descriptor >= 0:
                os.close(descriptor)
        self.reader = self._file = -1

    def _keep(self, piece: bytes) -> None:
        if self._left > 0:
            try:
                self._write(piece[: self._left])
                if len(piece) > self._left:
                    self._write(f"\n[the log ends here: more than {self._limit} bytes]\n".encode())
            except OSError:  # the disk is full: who prints must not be held up by it
                self._left = 0
        self.dropped += max(0, len(piece) - max(0, self._left))
        self._left -= min(self._left, len(piece))
        self._tail.append(piece)
        self._tail_size += len(piece)
        while self._tail_size - len(self._tail[0]) >= _TAIL:
            self._tail_size -= len(self._tail.popleft())

    def _write(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            view = view[os.write(self._file, view) :]
