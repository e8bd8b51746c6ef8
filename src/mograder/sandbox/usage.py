"""Measure what processes and directories take, in a place where a student made both, with bounded work."""

from __future__ import annotations

import contextlib
import os
import resource
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from mograder.sentences import Sentence

MAX_DEPTH = 100
_MAX_OPEN_FILES = 20_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


class TooMuch(Exception):
    """A tree is larger than was asked about; the message says in which way."""


def resident_bytes(pid: int) -> int:
    """Resident memory, shared pages counted fully; 0 when the process is gone."""
    with contextlib.suppress(*_GONE):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    return 0


def proportional_bytes(pid: int) -> int:
    """Proportional set size: a page shared by n processes counts 1/n. 0 when the process is gone."""
    with contextlib.suppress(*_GONE):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def threads(pid: int) -> int:
    with contextlib.suppress(*_GONE):
        # As bytes: a process chooses its own name, which stands in this line, and it need not be text.
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[17])
    return 0


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of its children that have ended; 0 when it is gone."""
    with contextlib.suppress(*_GONE):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def written_bytes(pid: int) -> int:
    """Bytes that a process and its children that have ended sent towards a disk; 0 when it is gone."""
    with contextlib.suppress(*_GONE):
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
    return 0


def scratch_bytes(init_pid: int, places: Iterable[str]) -> int:
    """What the private tmpfs of a sandbox hold: memory that belongs to no process."""
    total = 0
    for place in places:
        with contextlib.suppress(*_GONE):
            filled = os.statvfs(f"/proc/{init_pid}/root{place}")
            total += (filled.f_blocks - filled.f_bfree) * filled.f_frsize
    return total


def tree(root: Path, *, max_bytes: int, max_inodes: int) -> int:
    """Bytes on disk of everything below ``root``.

    Follows no link, leaves no file system, stops at the first excess.

    Raises TooMuch: over a bound, or nested deeper than MAX_DEPTH (which would hide the rest);
    FileNotFoundError or NotADirectoryError when there is no such directory.
    """
    top = os.open(root, _DIRECTORY)
    measure = _Measure(max_bytes, max_inodes, os.fstat(top).st_dev)
    measure.directory(top, depth=1)
    return measure.bytes


def deleted_bytes(pids: Iterable[int], workspace: Path) -> int:
    """Bytes of files on the workspace's file system that have no name any more, but are held open or mapped."""
    device = os.stat(workspace).st_dev  # noqa: PTH116
    sizes: dict[int, int] = {}
    for pid in pids:
        for status in _open_files(pid):
            if status.st_nlink == 0 and status.st_dev == device:
                sizes[status.st_ino] = status.st_blocks * 512
        for inode, size in _mapped_deleted(pid, device):
            sizes[inode] = max(size, sizes.get(inode, 0))
    return sum(sizes.values())


class _Measure:
    def __init__(self, max_bytes: int, max_inodes: int, device: int) -> None:
        self.bytes = self._count = 0
        self._max_bytes, self._max_inodes, self._device = max_bytes, max_inodes, device

    def directory(self, descriptor: int, depth: int) -> None:
        """Take over ``descriptor``. Recursion is bounded by depth: one descriptor and one frame a level."""
        try:
            for name in self._entries(descriptor):
                if depth >= MAX_DEPTH:
                    raise TooMuch(Sentence("directories nested deeper than {depth}", depth=MAX_DEPTH))
                below = _open_directory(descriptor, name)
                if below is not None:
                    self.directory(below, depth + 1)
        finally:
            os.close(descriptor)

    def _entries(self, descriptor: int) -> list[str]:
        """Count what is in a directory; the names of the directories in it."""
        directories = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # gone since it was listed
                self._add(status)
                if stat.S_ISDIR(status.st_mode) and status.st_dev == self._device:
                    directories.append(entry.name)
        return directories

    def _add(self, status: os.stat_result) -> None:
        self._count += 1
        self.bytes += status.st_blocks * 512
        if self._count > self._max_inodes:
            raise TooMuch(Sentence("more than {count} files", count=self._max_inodes))
        if self.bytes > self._max_bytes:
            raise TooMuch(Sentence("more than {size} MiB", size=self._max_bytes >> 20))


def _open_directory(parent: int, name: str) -> int | None:
    """A directory inside another; None when it is none any more.

    One that its owner closed is opened to be measured.
    """
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        pass
    except OSError:
        return None
    with contextlib.suppress(OSError):
        closed = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{closed}", 0o700)  # noqa: PTH101  (this very inode, whatever its name means now)
            return os.open(f"/proc/self/fd/{closed}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        finally:
            os.close(closed)
    return None


def _open_files(pid: int) -> Iterator[os.stat_result]:
    with contextlib.suppress(*_GONE):
        for name in os.listdir(f"/proc/{pid}/fd")[:_MAX_OPEN_FILES]:  # noqa: PTH208
            with contextlib.suppress(*_GONE):
                yield os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116


def _mapped_deleted(pid: int, device: int) -> Iterator[tuple[int, int]]:
    """Inode and size at least of mapped files without a name (proc(5), /proc/pid/maps)."""
    with contextlib.suppress(*_GONE):
        text = Path(f"/proc/{pid}/maps").read_text(errors="replace")
        # Hundreds of lines, looked at of each process of each session, and hardly ever one of these.
        for line in text.splitlines() if " (deleted)" in text else ():
            if not line.endswith(" (deleted)"):
                continue
            span, _, offset, numbers, inode = line.split()[:5]
            major, minor = (int(number, 16) for number in numbers.split(":"))
            start, end = (int(bound, 16) for bound in span.split("-"))
            if os.makedev(major, minor) == device:
                yield int(inode), int(offset, 16) + end - start
