"""The directories of sessions: made, kept small while somebody else writes there, cleared."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from mograder.errors import SessionFailed
from mograder.sessions.launchers.base import LOG_LIMIT
from mograder.trees import remove_tree


def make(directory: Path) -> None:
    """Make a session's own directory. Raises SessionFailed."""
    try:
        directory.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise SessionFailed(
            "There is no room for an open notebook ({reason}).",
            tip="tell your instructor.",
            reason=error.strerror,
        ) from error


def clear(directories: Iterable[Path | None]) -> None:
    """Remove what is left of a session; None stands for a directory that it did not have."""
    for directory in directories:
        if directory is not None:
            remove_tree(directory)


def clear_orphans(root: Path, kept: set[Path]) -> None:
    """Remove directories of sessions that nobody wrote down: their hub ended between making and noting them."""
    for directory in root.iterdir() if root.is_dir() else ():
        if directory not in kept:
            remove_tree(directory)


def cap_log(path: Path) -> None:
    """Cut a log that has grown over LOG_LIMIT to nothing: its writer appends, so this is safe at any moment."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # there is none yet, or something else lies there, which is not ours to cut
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size > LOG_LIMIT:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
