"""The demo course that comes with mograder, and putting a copy of it on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

COURSE = "course"


def course_files() -> dict[str, bytes]:
    """Every file of the packaged course by its path relative to the course directory, sorted."""
    return dict(sorted(_files(files("mograder.demo") / COURSE, "")))


def copy_to(directory: Path) -> list[Path]:
    """Put the demo course into ``directory``; the files written. What is there already stays as it is."""
    written = []
    for name, data in course_files().items():
        target = directory / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, data)
            written.append(target)
    return written


def _files(directory: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in directory.iterdir():
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()


def _write(target: Path, data: bytes) -> None:
    """Whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".demo-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).chmod(0o644)
    Path(temporary).replace(target)
