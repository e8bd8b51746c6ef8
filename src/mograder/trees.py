"""Removing a directory that student code wrote to: deeper than Python recurses, closed to its owner, full of links."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove ``path`` and everything below; links are removed, not followed. Nothing happens if it is not there.

    Nobody may write there meanwhile. Directories below are lifted to the top before they are emptied, so depth costs
    neither stack nor descriptors. What can not be removed (a mount, somebody else's) stays and raises nothing.
    """
    with contextlib.suppress(OSError):
        top = _open(str(path), None)
        try:
            while _lift(top):
                pass
        finally:
            os.close(top)
        path.rmdir()


def _lift(top: int) -> bool:
    """Empty each directory in ``top`` into it. Whether there were any that could be."""
    progress = False
    for name in _clear(top):
        with contextlib.suppress(OSError):
            inner = _open(name, top)
            try:
                for below in _clear(inner):
                    _make_ours(below, inner)
                    os.rename(below, secrets.token_hex(12), src_dir_fd=inner, dst_dir_fd=top)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)
            progress = True
    return progress


def _clear(directory: int) -> list[str]:
    """Remove all but directories; the names of those."""
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)
    return [name for name, is_directory in found if is_directory]


def _open(name: str, parent: int | None) -> int:
    _make_ours(name, parent)
    return os.open(name, _OPEN, dir_fd=parent)


def _make_ours(name: str, parent: int | None) -> None:
    """Let the owner into a directory: moving and emptying it need that. By descriptor, so no link is followed."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, 0o700, dir_fd=parent)
