"""Files in directories that a student controls, touched by descriptor and never by path.

A session may replace any name in its workspace by a symbolic link, a FIFO, a directory or a 3 GB hole at any moment,
so between looking and using nothing may be resolved twice. Every access goes through an open directory, with
``openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)`` (Linux 5.6; elsewhere one
component at a time with ``O_NOFOLLOW``), takes regular files with one link only, and is capped in size.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import stat
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mograder.course import shown
from mograder.errors import MograderError, NotFound, TooLarge, Unavailable, UnsafeFile, exhausted
from mograder.hub.remembered import Mark, mark_of
from mograder.hub.renames import rename_to_free_name
from mograder.sentences import Sentence

MAX_DEPTH = 16
MAX_ENTRIES = 5000

_SYS_OPENAT2 = 437  # the same on every architecture; linux/openat2.h
_RESOLVE = 0x01 | 0x02 | 0x04 | 0x08  # NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH
_libc = ctypes.CDLL(None, use_errno=True)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class Entry:
    """A regular file found by `Directory.walk`: path relative to the directory, size in bytes, change time."""

    path: str
    size: int
    modified: float


class Directory:
    """An open directory. A context manager; everything below it is reached through its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def trusted(cls, path: Path, *, create: bool = False) -> Directory:
        """Open a directory by a path that only the hub controls. Raises OSError; Unavailable if the disk is full."""
        if create:
            try:
                path.mkdir(parents=True, exist_ok=True, mode=0o711)
            except OSError as error:
                raise _storage_error(error, path.name) from error
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def __enter__(self) -> Directory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor; further calls do nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def is_at(self, path: Path) -> bool:
        """Whether ``path`` (one that only the hub controls) still leads to this directory."""
        try:
            there = path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def sub(self, path: str, *, create: bool = False) -> Directory:
        """Open a directory below this one. ``create`` makes the last component.

        Raises:
            NotFound: it is not there. UnsafeFile: it is something else than a directory.
            Unavailable: it can not be made, the disk is full.
        """
        if create:
            self._make(_one_name(path))
        try:
            return Directory(self._open(path, _DIRECTORY))
        except FileNotFoundError:
            raise NotFound("There is no directory {name}.", name=shown(path)) from None
        except OSError as error:
            raise _odd(
                error,
                Sentence(
                    "{name} is not a plain directory ({reason}).", name=shown(path), reason=error.strerror
                ),
            ) from error

    @contextlib.contextmanager
    def parent(self, path: str, *, make: bool = False) -> Iterator[tuple[Directory, str]]:
        """The directory that ``path`` lies in, and its name there.

        ``make``: missing directories are made, for the same people as this one; what is no directory and in their
        way is moved aside under a longer name, not lost. Raises as `sub`.
        """
        *folders, name = _checked(path)
        with contextlib.ExitStack() as opened:
            here = self
            for folder in folders:
                if make:
                    here._make_way(folder)
                here = opened.enter_context(here.sub(folder))
            yield here, name

    def read(self, path: str, max_bytes: int) -> bytes:
        """The content of a regular file.

        Raises:
            NotFound: there is nothing of that name. TooLarge: it is, or grows, over ``max_bytes``.
            UnsafeFile: it is a link, has several names, or is no regular file.
        """
        descriptor = self._open_regular(path)
        try:
            if os.fstat(descriptor).st_size > max_bytes:
                raise TooLarge(
                    "{name} is larger than {size} MB.", name=shown(path), size=f"{max_bytes / 1e6:.0f}"
                )
            return _read_all(descriptor, path, max_bytes)
        finally:
            os.close(descriptor)

    def pieces(self, path: str, max_bytes: int) -> Iterator[bytes]:
        """The content of a regular file, piece by piece; what it grows by meanwhile is left out.

        Raises as `read`, before the first piece.
        """
        descriptor = self._open_regular(path)
        try:
            left = os.fstat(descriptor).st_size
            if left > max_bytes:
                raise TooLarge(
                    "{name} is larger than {size} MB.", name=shown(path), size=f"{max_bytes / 1e6:.0f}"
                )
            while left and (block := os.read(descriptor, min(1 << 20, left))):
                left -= len(block)
                yield block
        finally:
            os.close(descriptor)

    def kind(self, name: str) -> str:
        """What ``name`` is, not following links: "missing", "file", "directory" or "other"."""
        try:
            mode = os.stat(_one_name(name), dir_fd=self._descriptor, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return "missing"
        if stat.S_ISREG(mode):
            return "file"
        return "directory" if stat.S_ISDIR(mode) else "other"

    def mark(self, path: str) -> Mark:
        """What tells one state of a file below from another; empty if there is none.

        Only to be compared: a link on the way is followed, the file itself is not opened.
        """
        try:
            return mark_of(os.stat(path, dir_fd=self._descriptor, follow_symlinks=False))
        except FileNotFoundError:
            return ()
        except OSError:
            return (time.time_ns(),)  # there is something odd, which is never the same

    def modified(self, name: str) -> float:
        """When ``name`` (a link is not followed) was changed, in seconds since the epoch. Raises NotFound."""
        try:
            return os.stat(_one_name(name), dir_fd=self._descriptor, follow_symlinks=False).st_mtime
        except FileNotFoundError:
            raise NotFound("There is no file {name}.", name=shown(name)) from None

    def write(self, name: str, data: bytes, *, replace: bool = True, aside: bool = False) -> None:
        """Put ``data`` under ``name`` whole or not at all: a new file, synced, then renamed over the old one.

        What is there under ``name`` and is not a plain file is moved aside under a longer name, not lost; with
        ``aside`` a file is too. With ``replace=False`` an existing name raises FileExistsError.

        Raises:
            Unavailable: the disk is full; nothing was changed.
        """
        _one_name(name)
        temporary = f".{secrets.token_hex(8)}.part"
        try:
            self._write_new(temporary, data)
            if not replace:
                rename_to_free_name(self._descriptor, temporary, name)
            else:
                self._put_in_place(temporary, name, aside)
            os.fsync(self._descriptor)
        except FileExistsError:
            self._remove_quietly(temporary)
            raise
        except OSError as error:
            self._remove_quietly(temporary)
            raise _storage_error(error, name) from error

    def put(self, path: str, data: bytes, *, aside: bool = False) -> None:
        """As `write`, at a path: see `parent` for the directories on the way."""
        with self.parent(path, make=True) as (place, name):
            place.write(name, data, aside=aside)

    def remove(self, name: str) -> None:
        """Remove one file or link; nothing happens if there is none."""
        try:
            os.unlink(_one_name(name), dir_fd=self._descriptor)
        except FileNotFoundError:
            return

    def names(self) -> list[str]:
        """Sorted names in this directory, at most MAX_ENTRIES of them."""
        with os.scandir(self._descriptor) as entries:
            return sorted(entry.name for _, entry in zip(range(MAX_ENTRIES), entries, strict=False))

    def walk(self) -> Iterator[Entry]:
        """Every regular file below, breadth and depth bounded (MAX_ENTRIES, MAX_DEPTH); links are not followed.

        Raises:
            TooLarge: there are more than MAX_ENTRIES names.
        """
        waiting, count = [("", 0)], 0
        while waiting:
            path, depth = waiting.pop()
            for entry, status in self._listing(path):
                count += 1
                if count > MAX_ENTRIES:
                    raise TooLarge("The workspace holds more than {most} files.", most=MAX_ENTRIES)
                below = f"{path}/{entry}" if path else entry
                if stat.S_ISDIR(status.st_mode) and depth + 1 < MAX_DEPTH:
                    waiting.append((below, depth + 1))
                elif stat.S_ISREG(status.st_mode):
                    yield Entry(below, status.st_size, status.st_mtime)

    def _listing(self, path: str) -> list[tuple[str, os.stat_result]]:
        try:
            descriptor = self._open(path or ".", _DIRECTORY)
        except (OSError, UnsafeFile):
            return []  # replaced since it was listed, forbidden, or too long a path: there is nothing of ours in it
        try:
            with os.scandir(descriptor) as entries:
                return [
                    (entry.name, entry.stat(follow_symlinks=False))
                    for _, entry in zip(range(MAX_ENTRIES + 1), entries, strict=False)
                ]
        except OSError:
            return []
        finally:
            os.close(descriptor)

    def _make(self, name: str) -> None:
        try:
            os.mkdir(name, 0o711, dir_fd=self._descriptor)
        except FileExistsError:
            return  # whatever is there is opened and judged by the caller
        except OSError as error:
            raise _storage_error(error, name) from error

    def _make_way(self, name: str) -> None:
        """See to it that ``name`` is a directory, with the owner and the mode of this one if it is new."""
        if (kind := self.kind(name)) == "directory":
            return
        if kind != "missing":
            self._move_aside(name)
        self._make(name)
        with self.sub(name) as made:
            os.fchmod(made._descriptor, stat.S_IMODE(os.fstat(self._descriptor).st_mode) | 0o700)
            self._give_to_owner(made._descriptor)

    def _move_aside(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # its owner took it away meanwhile
            rename_to_free_name(self._descriptor, name, f"{name}.aside-{secrets.token_hex(4)}")

    def _open(self, path: str, flags: int, mode: int = 0) -> int:
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        if path == ".":
            return os.open(".", flags, dir_fd=self._descriptor)
        parts = _checked(path)
        if sys.platform == "linux":
            try:
                return _openat2(self._descriptor, path, flags, mode)
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.EPERM):
                    raise
        return _open_by_component(self._descriptor, parts, flags, mode)

    def _open_regular(self, path: str) -> int:
        try:
            descriptor = self._open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise NotFound("There is no file {name}.", name=shown(path)) from None
        except OSError as error:
            raise _odd(
                error,
                Sentence("{name} is not a plain file ({reason}).", name=shown(path), reason=error.strerror),
            ) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            os.close(descriptor)
            raise UnsafeFile(
                "{name} is not a plain file of its own name.",
                tip="rename it, or press Reset.",
                name=shown(path),
            )
        return descriptor

    def _write_new(self, name: str, data: bytes) -> None:
        descriptor = self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            shared = os.fstat(self._descriptor).st_mode & stat.S_IWGRP  # with a session, by its group
            os.fchmod(descriptor, 0o644 | shared)
            self._give_to_owner(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _give_to_owner(self, descriptor: int) -> None:
        """A hub that runs as root hands what it writes to the owner of the directory: the session's user."""
        if os.geteuid() == 0:
            owner = os.fstat(self._descriptor)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def _put_in_place(self, temporary: str, name: str, aside: bool) -> None:
        here = self._descriptor
        kind = self.kind(name)
        if kind in ("directory", "other") or (aside and kind == "file"):
            self._move_aside(name)
        os.rename(temporary, name, src_dir_fd=here, dst_dir_fd=here)

    def _remove_quietly(self, name: str) -> None:
        try:
            self.remove(name)
        except OSError:
            return  # the first error is the one to tell


def _read_all(descriptor: int, path: str, max_bytes: int) -> bytes:
    content = bytearray()
    while len(content) <= max_bytes:
        block = os.read(descriptor, min(1 << 20, max_bytes + 1 - len(content)))
        if not block:
            return bytes(content)
        content += block
    raise TooLarge(
        "{name} grew over {size} MB while it was read.", name=shown(path), size=f"{max_bytes / 1e6:.0f}"
    )


def _odd(error: OSError, sentence: str) -> MograderError:
    """It is the file that is wrong, unless it is the machine."""
    return exhausted(error) or UnsafeFile(sentence)


def _storage_error(error: OSError, name: str) -> MograderError:
    if (busy := exhausted(error)) is not None:
        return busy
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            "The disk is full, so {name} was not written; what was there is unchanged.",
            retry_after=60,
            tip="tell your instructor.",
            name=shown(name),
        )
    return MograderError(
        "{name} could not be written ({reason}); what was there is unchanged.",
        name=shown(name),
        reason=error.strerror,
    )


def _checked(path: str) -> list[str]:
    parts = path.split("/")
    legal = all(part not in ("", ".", "..") and "\0" not in part for part in parts)
    if not legal or len(parts) > 2 * MAX_DEPTH or len(os.fsencode(path)) > 4000:
        raise UnsafeFile("{name} is not a path inside the workspace.", name=shown(path))
    return parts


def _one_name(name: str) -> str:
    if len(_checked(name)) != 1:
        raise UnsafeFile("{name} is not a plain name.", name=shown(name))
    return name


def _openat2(directory: int, path: str, flags: int, mode: int) -> int:
    how = struct.pack("QQQ", flags, mode, _RESOLVE)
    descriptor: int = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(directory),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


def _open_by_component(directory: int, parts: list[str], flags: int, mode: int) -> int:
    here = os.dup(directory)
    try:
        for part in parts[:-1]:
            below = os.open(part, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        return os.open(parts[-1], flags, mode, dir_fd=here)
    finally:
        os.close(here)
