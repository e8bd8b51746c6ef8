"""Which host user each student's sessions run as: a number for each, for as long as files last."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from pathlib import Path

from mograder.sandbox.identities import Identities
from mograder.sandbox.usage import MAX_DEPTH

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Slots:
    """Numbers from 1 up, remembered in a file. Any thread may ask."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._slots: dict[str, int] | None = None

    def of(self, user: str) -> int:
        """The number of ``user``: the same whenever it is asked for."""
        with self._lock:
            slots = self._load()
            if user not in slots:
                slots[user] = max(slots.values(), default=0) + 1
                self._save(slots)
            return slots[user]

    def _load(self) -> dict[str, int]:
        if self._slots is None:
            try:
                self._slots = {
                    str(user): int(slot) for user, slot in json.loads(self._path.read_text()).items()
                }
            except FileNotFoundError:
                self._slots = {}
        return self._slots

    def _save(self, slots: dict[str, int]) -> None:
        temporary = self._path.with_suffix(".part")
        with temporary.open("w") as file:
            json.dump(slots, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)


def give_workspace(workspace: Path, identities: Identities, slot: int) -> None:
    """Make a workspace usable for its session, and for nobody else.

    A tree that belongs to somebody else is handed over whole, while that somebody may be at work in it: everything is
    reached by descriptor, so no link that is put in a directory's place leads anywhere. ``workspace`` itself is a
    name that only the hub controls.
    """
    if not identities.per_student:
        return
    owner = identities.owner(slot)
    top = os.open(workspace, _DIRECTORY)
    try:
        if owner is None:
            os.fchmod(top, identities.workspace_mode)
        elif os.fstat(top).st_uid != owner[0]:
            _give(top, owner, os.fstat(top).st_dev)
            os.fchmod(top, identities.workspace_mode)
    finally:
        os.close(top)


def _give(directory: int, owner: tuple[int, int], device: int, depth: int = 0) -> None:
    """A directory and what is in it; itself last, so that its owner tells that the rest is done."""
    for name in os.listdir(directory) if depth < MAX_DEPTH else ():
        with contextlib.suppress(FileNotFoundError):  # gone since it was listed
            entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                _give_entry(entry, owner, device, depth)
            finally:
                os.close(entry)
    os.fchown(directory, *owner)


def _give_entry(entry: int, owner: tuple[int, int], device: int, depth: int) -> None:
    """What has a name elsewhere too may be somebody's whom this does not concern: it stays as it is."""
    status = os.fstat(entry)
    if status.st_dev != device:
        return
    if stat.S_ISDIR(status.st_mode):
        inner = os.open(".", _DIRECTORY, dir_fd=entry)
        try:
            _give(inner, owner, device, depth + 1)
        finally:
            os.close(inner)
    elif stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
        os.chown(f"/proc/self/fd/{entry}", *owner)  # this very inode, whatever its name means now
