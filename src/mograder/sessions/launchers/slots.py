"""Which host user each student's sessions run as: a number for each, for as long as files last."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Callable
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
    name that only the hub controls. A hub that may give nothing away opens what is its own to its group, which the
    session is in.
    """
    if not identities.per_student:
        return
    owner = identities.owner(slot)
    top = os.open(workspace, _DIRECTORY)
    try:
        status = os.fstat(top)
        if owner is not None and status.st_uid != owner[0]:
            _each(top, lambda inode: os.chown(inode, *owner), status)
            os.fchmod(top, identities.workspace_mode)
        elif owner is None and stat.S_IMODE(status.st_mode) != identities.workspace_mode:
            _each(top, _open_to_group, status)
            os.fchmod(top, identities.workspace_mode)
    finally:
        os.close(top)


def open_to_group(workspace: Path) -> None:
    """Let our group have all that our user has in a workspace, also what is closed. Raises OSError."""
    top = os.open(workspace, _DIRECTORY)
    try:
        _each(top, _open_to_group, os.fstat(top))
    finally:
        os.close(top)


def _open_to_group(inode: str) -> None:
    """The group may what the owner may. What a session has made is its own, and open already."""
    status = os.stat(inode)  # noqa: PTH116
    if status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode):
        mode = stat.S_IMODE(status.st_mode)
        os.chmod(inode, mode | (mode & stat.S_IRWXU) >> 3)  # noqa: PTH101


def _each(directory: int, change: Callable[[str], None], top: os.stat_result, depth: int = 0) -> None:
    """Change what is in a directory, then itself: the top comes last, so that it tells that the rest is done."""
    for name in os.listdir(directory) if depth < MAX_DEPTH else ():
        with contextlib.suppress(FileNotFoundError):  # gone since it was listed
            entry = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                _entry(entry, change, top, depth)
            finally:
                os.close(entry)
    change(f"/proc/self/fd/{directory}")


def _entry(entry: int, change: Callable[[str], None], top: os.stat_result, depth: int) -> None:
    """What has a name elsewhere too may be somebody's whom this does not concern: it stays as it is.

    So does what somebody else has closed to us: what is in there is theirs.
    """
    status = os.fstat(entry)
    if status.st_dev != top.st_dev:
        return
    if stat.S_ISDIR(status.st_mode):
        try:
            if status.st_uid == os.geteuid():
                os.chmod(f"/proc/self/fd/{entry}", stat.S_IMODE(status.st_mode) | stat.S_IRWXU)  # noqa: PTH101
            inner = os.open(".", _DIRECTORY, dir_fd=entry)
        except PermissionError:
            return
        try:
            _each(inner, change, top, depth + 1)
        finally:
            os.close(inner)
    elif stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
        change(f"/proc/self/fd/{entry}")  # this very inode, whatever its name means now
