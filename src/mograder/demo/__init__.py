"""The demo course: a small, complete course on numerical methods to try the hub with.

It lies in the package (`COURSE`) and is copied to where somebody wants to work on it. Its measurements are
simulated: the exact solution with noise and the rounding of a thermocouple.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mograder.errors import Conflict, MograderError

COURSE = Path(__file__).parent / "course"


def files() -> list[Path]:
    """The files of the course, relative to `COURSE`, in order; without what running it in place has left."""
    return sorted(_below(COURSE, Path()))


def copy_to(directory: Path) -> list[Path]:
    """Copy the course into ``directory``, which is made if need be; nothing that exists is touched.

    Each file appears whole or not at all, so a copy that was interrupted is completed by copying again.

    Returns:
        The files that were written, relative to ``directory``.

    Raises:
        Conflict: ``directory``, or something on the way to a file, is in the way because it is no directory.
        MograderError: a file can not be written.
    """
    return [file for file in files() if _copy(COURSE / file, directory / file)]


def _below(top: Path, inside: Path) -> Iterator[Path]:
    for entry in (top / inside).iterdir():
        if entry.name.startswith((".", "__")):
            continue  # __pycache__, __marimo__
        if entry.is_dir():
            yield from _below(top, inside / entry.name)
        else:
            yield inside / entry.name


def _copy(source: Path, target: Path) -> bool:
    """Whether ``target`` was written; it is not if something has its name already."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return not os.path.lexists(target) and _write_new(target, source.read_bytes())
    except (FileExistsError, NotADirectoryError) as error:
        raise Conflict(f"{error.filename} is no directory, so {target.name} can not be put there.") from error
    except OSError as error:
        raise MograderError(f"{target} can not be written: {error.strerror}.") from error


def _write_new(target: Path, content: bytes) -> bool:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        return _claim(Path(temporary), target)
    finally:
        Path(temporary).unlink()


def _claim(temporary: Path, target: Path) -> bool:
    """Give the finished file its name, unless somebody else has just taken it."""
    try:
        os.link(temporary, target)  # unlike a rename, it never replaces
    except FileExistsError:
        return False
    return True
