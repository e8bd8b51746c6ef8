"""Files that a command writes: whole or not at all, and what was there before is kept."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from mograder.errors import MograderError


def write_whole(path: Path, data: bytes) -> None:
    """Put ``data`` in place of ``path`` in one step, with the permissions that it had. Raises ``MograderError``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MograderError(f"{path} can not be written: {error.strerror}.") from error


def replace(path: Path, data: bytes) -> Path | None:
    """As `write_whole`; a different file that was there is kept beside it, under the name that is returned."""
    aside = None
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise MograderError(f"{path} is there and is no plain file; nothing was written.")
    if path.exists():
        if path.read_bytes() == data:
            return None
        aside = path.with_name(f"{path.stem}.{datetime.now(UTC):%Y%m%d-%H%M%S-%f}{path.suffix}")
        aside.hardlink_to(path)
    write_whole(path, data)
    return aside


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
