"""The files beside a student's notebook: to see, add and delete, within the disk space of a copy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

from mograder.course import file_name, is_cache
from mograder.errors import MograderError, TooLarge
from mograder.hub.coursework import Coursework
from mograder.hub.files import Entry
from mograder.hub.history import Version

NEARLY_FULL = 0.8
"""The part of the disk space from which on people are warned."""

_FRESH = 60.0
"""Seconds for which a size that was measured is good enough for a warning."""

_MEASURED = 5000


@dataclass(frozen=True)
class Shelf:
    """What lies beside a notebook. ``used`` and ``quota`` are in bytes and count all files of the workspace, the
    notebook and caches too. ``kept`` are earlier files: replaced or deleted, newest first."""

    files: tuple[Entry, ...]
    used: int
    quota: int
    kept: tuple[Version, ...]


class Belongings:
    """The files of everybody's copies. For the event loop alone."""

    def __init__(self, work: Coursework, quota: int) -> None:
        self._work = work
        self.quota = quota  # bytes of one workspace
        self._measured: dict[tuple[str, str], tuple[float, int]] = {}

    async def look(self, user: str, item: str) -> Shelf:
        """Everything beside a notebook. Raises NotFound: there is no copy. TooLarge: there are too many files."""
        files = await asyncio.to_thread(self._work.workspaces.files, user, item)
        versions = await self._work.versions(user, item)
        return Shelf(
            tuple(sorted((one for one in files if one.path != f"{item}.py"), key=lambda one: one.path)),
            await self.used(user, item),
            self.quota,
            tuple(version for version in versions if version.file != f"{item}.py"),
        )

    async def used(self, user: str, item: str) -> int:
        """Bytes that a copy takes, measured now."""
        taken = await asyncio.to_thread(self._work.workspaces.used, user, item)
        if len(self._measured) >= _MEASURED:
            self._measured.clear()
        self._measured[user, item] = (time.monotonic(), taken)
        return taken

    async def nearly_full(self, user: str, item: str) -> int | None:
        """Bytes that a copy takes if its space is soon used up, else None. May be a minute old."""
        when, taken = self._measured.get((user, item), (-_FRESH, 0))
        if time.monotonic() - when >= _FRESH:
            try:
                taken = await self.used(user, item)
            except MograderError:  # too many files, or one of them in the way: the files page says it
                taken = self.quota
        return taken if taken >= NEARLY_FULL * self.quota else None

    async def check_room(self, user: str, item: str, sizes: dict[str, int]) -> None:
        """Refuse files (name: bytes) that do not fit in the place of those of the same name. Raises TooLarge."""
        try:
            old = {
                one.path: one.size for one in await asyncio.to_thread(self._work.workspaces.files, user, item)
            }
        except MograderError:
            old = {}
        needed = sum(sizes.values())
        free = self.quota - await self.used(user, item)
        if needed > free + sum(old.get(name, 0) for name in sizes):
            raise TooLarge(
                "{needed} do not fit: {item} uses {used} of {quota}. Nothing was changed.",
                tip="delete files that you do not need any more.",
                needed=_megabytes(needed),
                item=item,
                used=_megabytes(self.quota - free),
                quota=_megabytes(self.quota),
            )

    async def put(self, user: str, item: str, files: dict[str, bytes]) -> Version | None:
        """Put files beside the notebook, or in its place if one has its name; what was kept of the notebook then.

        Raises:
            TooLarge: they do not fit; nothing was changed. And as `Coursework.upload`.
        """
        for name in files:
            file_name(name)
        release = await asyncio.to_thread(self._work.releases.find, item)
        await self.check_room(user, item, {name: len(data) for name, data in files.items()})
        kept = None
        if (notebook := files.pop(f"{item}.py", None)) is not None:
            kept = await self._work.upload(user, item, notebook)
        async with self._work.holding(user, item):
            if release is not None:
                await asyncio.to_thread(self._work.workspaces.ensure, user, release)
            for name, data in files.items():
                await asyncio.to_thread(self._work.workspaces.put_beside, user, item, name, data)
        return kept

    async def remove(self, user: str, item: str, path: str) -> Version:
        """Delete a file; what was kept of it. Raises as `Workspaces.remove_file`."""
        async with self._work.holding(user, item):
            kept = await asyncio.to_thread(self._work.workspaces.remove_file, user, item, path)
        self._measured.pop((user, item), None)
        return kept

    def pieces(self, user: str, item: str, path: str) -> Iterator[bytes]:
        """The content of one file. Blocks; raises NotFound, UnsafeFile, TooLarge before the first piece."""
        if is_cache(path):
            path = ""
        with self._work.workspaces.open(user, item) as directory:
            yield from directory.pieces(path, self.quota)


def _megabytes(octets: int) -> str:
    return f"{octets / (1 << 20):.1f} MB" if octets < 10 << 20 else f"{octets >> 20} MB"
