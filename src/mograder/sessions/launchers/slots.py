"""Which host user each student's sessions run as: a number for each, for as long as files last."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from mograder.sandbox.identities import Identities


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

    A tree that belongs to somebody else is handed over whole; links in it are handed over, not followed.
    """
    owner = identities.owner(slot)
    if owner is None:
        if identities.how == "subuid":
            workspace.chmod(identities.workspace_mode)
        return
    if os.stat(workspace).st_uid == owner[0]:  # noqa: PTH116
        return
    for directory, names, files in os.walk(workspace):
        for name in (*names, *files):
            os.chown(os.path.join(directory, name), *owner, follow_symlinks=False)  # noqa: PTH118
    os.chown(workspace, *owner, follow_symlinks=False)
    workspace.chmod(identities.workspace_mode)
