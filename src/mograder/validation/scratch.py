"""A private directory for one run, and reading back what student code left in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mograder.course import file_name

REPORT = "report.html"
SIDECAR = "checks.jsonl"


@dataclass(frozen=True, slots=True)
class Scratch:
    """``work`` holds the notebook and its files, ``out`` takes results, ``home`` is for everything else.

    ``temporary`` is for temporary files: a directory of its own, because sockets are made there and the path
    of a socket may have 107 bytes. Student code may write to all four; ``out_descriptor`` was opened before it
    ran.
    """

    root: Path
    temporary: Path
    out_descriptor: int

    @property
    def work(self) -> Path:
        """The working directory of the run."""
        return self.root / "work"

    @property
    def out(self) -> Path:
        """Where the report and the sidecar are written."""
        return self.root / "out"

    @property
    def home(self) -> Path:
        """The home directory of the run."""
        return self.root / "home"

    def read(self, name: str, limit: int, offset: int = 0) -> bytes | None:
        """At most ``limit`` bytes of ``out/name`` from ``offset``; None if it is not there or no plain file.

        It is opened beneath the directory that we made, follows no link and waits for nothing.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self.out_descriptor)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            file.seek(offset)
            return file.read(limit)


@contextlib.contextmanager
def scratch(parent: Path | None, files: Mapping[str, bytes | Path]) -> Iterator[Scratch]:
    """A new private directory (in ``parent``, default: the system's) with ``files`` in ``work``; gone at the end.

    A file given by its path is copied: its place must be trusted. A ``/`` in a name is a directory of that name.
    Raises ``NameRefused``, ``OSError``.
    """
    root = Path(tempfile.mkdtemp(prefix="mograder-run-", dir=parent))
    temporary = Path(tempfile.mkdtemp(prefix="mograder-tmp-"))
    try:
        for name in ("work", "out", "home"):
            (root / name).mkdir(mode=0o700)
        for name, content in files.items():
            target = (root / "work").joinpath(*map(file_name, name.split("/")))
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, target)
            else:
                target.write_bytes(content)
        descriptor = os.open(root / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield Scratch(root, temporary, descriptor)
        finally:
            os.close(descriptor)
    finally:
        _remove(root)
        _remove(temporary)


def _remove(root: Path) -> None:
    """Delete a tree that student code wrote: it may be deeper than Python recurses, and closed to its owner."""
    try:
        shutil.rmtree(root)
    except (OSError, RecursionError):
        subprocess.run(
            ["/bin/chmod", "-R", "u+rwx", "--", str(root)], env={}, capture_output=True, check=False
        )
        subprocess.run(["/bin/rm", "-rf", "--", str(root)], env={}, capture_output=True, check=True)
