"""Putting the release's check and marks cells into a notebook file, keeping what was there."""

from __future__ import annotations

import datetime
import os
import tempfile
from pathlib import Path

from mograder.validation.prepare import prepare_apart


def fix(path: Path, release: bytes, *, now: datetime.datetime | None = None) -> Path | None:
    """Write the release's check and marks cells into the notebook at ``path``.

    The old file is kept beside it as ``<name>.bak-<time>``, which is returned; None if nothing had to change.
    Raises ``NotANotebook``, ``OSError``; the notebook is then as it was.
    """
    path = path.resolve()
    before = path.read_bytes()
    after = prepare_apart(before, path.name, release).text.encode()
    if after == before:
        return None
    moment = now or datetime.datetime.now(datetime.UTC)
    archive = path.with_name(f"{path.name}.bak-{moment:%Y%m%dT%H%M%S}")
    mode = path.stat().st_mode & 0o777
    handle = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    _write(handle, before, mode)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        _write(handle, after, mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return archive


def _write(handle: int, content: bytes, mode: int) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
