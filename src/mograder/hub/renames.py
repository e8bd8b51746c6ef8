"""Renames in one step that Python does not offer: exchanging two names, taking a name only if it is free.

Linux has them as ``renameat2(2)``; file systems without them (NFS) and other systems get the nearest thing.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = 1, 2  # linux/fs.h
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def exchange(one: Path, other: Path) -> bool:
    """Let two names trade places in one step; False if this can not be had here. Raises OSError."""
    try:
        return _call(_AT_FDCWD, str(one), str(other), _EXCHANGE)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise


def rename_to_free_name(directory: int, old: str, new: str) -> None:
    """Rename within an open directory, replacing nothing. Raises FileExistsError or another OSError."""
    try:
        if _call(directory, old, new, _NOREPLACE):
            return
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    os.link(old, new, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    os.unlink(old, dir_fd=directory)


def _call(directory: int, old: str, new: str, flags: int) -> bool:
    if _renameat2 is None:
        return False
    if _renameat2(directory, os.fsencode(old), directory, os.fsencode(new), flags) == 0:
        return True
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), old, None, new)
