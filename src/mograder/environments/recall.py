"""Locks remembered by what was asked for, so that a command need not resolve the same packages every time."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
import time
from pathlib import Path

from mograder.environments.locks import Lock, hub_marimo_version
from mograder.environments.requirements import Requirements
from mograder.environments.store import Environments
from mograder.errors import EnvironmentFailed, Malformed

#: A remembered lock is used without asking the index for so many seconds.
FRESH_SECONDS = 24 * 3600.0


def remembered(environments: Environments, requirements: Requirements) -> Lock:
    """A lock for ``requirements``: the one of the last day, else a new one; without the index, an older one.

    For commands on a person's own machine; what is published has its lock with it. Raises
    ``EnvironmentFailed``.
    """
    requirements.check_python()
    kept = environments.root / "resolved" / f"{_key(requirements)}.txt"
    old = _read(kept)
    if old and time.time() - kept.stat().st_mtime < FRESH_SECONDS:
        return old
    try:
        lock = environments.resolve(requirements)
    except EnvironmentFailed:
        if old:
            return old
        raise
    _write(kept, lock.text)
    return lock


def _key(requirements: Requirements) -> str:
    parts = [platform.python_version(), *requirements.with_marimo(hub_marimo_version())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def _read(path: Path) -> Lock | None:
    try:
        return Lock(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, Malformed):
        return None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)
