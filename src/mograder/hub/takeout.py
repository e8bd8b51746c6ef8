"""All of a student's work as one zip file, written while it is sent: nothing is held in memory or put on disk."""

from __future__ import annotations

import io
import time
import unicodedata
import zipfile
from collections.abc import Iterator

from mograder.errors import MograderError
from mograder.hub.files import Directory, Entry
from mograder.hub.workspaces import Workspaces

MAX_FILE_BYTES = 4 << 30
"""A file that is larger is named in the list of what is missing."""

MISSING = "NOT-INCLUDED.txt"

_UNFIT = frozenset('<>:"\\|?*')  # in names on Windows


class _Pipe(io.RawIOBase):
    """What `zipfile` writes to; it hands on what came since the last time."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        block = bytes(data)  # type: ignore[call-overload]
        self._parts.append(block)
        return len(block)

    def take(self) -> bytes:
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def zipped(workspaces: Workspaces, user: str) -> Iterator[bytes]:
    """The zip file, piece by piece: ``<item>/<path>`` of every copy, without caches. Blocks between the pieces.

    What can not be read, because it is a link or just changes, is named in MISSING instead.
    """
    pipe, missing = _Pipe(), []
    names: set[str] = set()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for item in workspaces.copies(user):
            try:
                entries = workspaces.files(user, item)
                directory = workspaces.open(user, item)
            except MograderError as error:
                missing.append(f"{item}: {error.message}")
                continue
            with directory:
                for entry in entries:
                    info = _info(_free(f"{item}/{safe_path(entry.path)}", names), entry)
                    try:
                        yield from _one(archive, pipe, directory, entry.path, info)
                    except MograderError as error:
                        missing.append(f"{item}/{safe_path(entry.path)}: {error.message}")
        if missing:
            archive.writestr(MISSING, "\n".join(missing) + "\n")
    yield pipe.take()


def safe_path(path: str) -> str:
    """A path that every system can unpack, below the place where it is unpacked."""
    return "/".join(_safe(part) for part in path.split("/"))


def _safe(part: str) -> str:
    text = part.encode("utf-8", "replace").decode()
    text = "".join("_" if c in _UNFIT or unicodedata.category(c)[0] == "C" else c for c in text).rstrip(". ")
    return text or "_"


def _free(path: str, names: set[str]) -> str:
    """``path``, or one like it that no other has, also where case does not count."""
    stem, dot, suffix = path.rpartition(".")
    number, free = 1, path
    while free.casefold() in names:
        number += 1
        free = f"{stem} ({number}){dot}{suffix}" if dot and "/" not in suffix else f"{path} ({number})"
    names.add(free.casefold())
    return free


def _info(name: str, entry: Entry) -> zipfile.ZipInfo:
    when = time.localtime(min(max(entry.modified, 315_705_600), time.time()))  # zip knows no year before 1980
    info = zipfile.ZipInfo(name, when[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    return info


def _one(
    archive: zipfile.ZipFile, pipe: _Pipe, directory: Directory, path: str, info: zipfile.ZipInfo
) -> Iterator[bytes]:
    pieces = directory.pieces(path, MAX_FILE_BYTES)
    first = next(pieces, b"")  # what can not be read is found out before its name is in the archive
    with archive.open(info, "w", force_zip64=True) as target:
        target.write(first)
        for piece in pieces:
            target.write(piece)
            yield pipe.take()
    yield pipe.take()
