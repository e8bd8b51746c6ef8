"""What instructors do through the network: put items up, prepare environments, say who may enter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mograder.course import user_name
from mograder.errors import Malformed, MograderError
from mograder.hub import uploads, visibility
from mograder.hub.files import Directory
from mograder.hub.history import digest
from mograder.hub.identity.roster import FILE_NAME as ROSTER
from mograder.hub.packages import Packages
from mograder.hub.releases import ItemType, Release, Releases
from mograder.hub.visibility import ALWAYS, Window
from mograder.notebook import metadata


@dataclass(frozen=True)
class Dates:
    """When students see an item, as somebody wrote it (see `visibility.window`)."""

    begin: str | None = None
    end: str | None = None
    zone: str = ""


NO_DATES = Dates()


class Publishing:
    """One publication at a time; a failed one leaves what is published as it was."""

    def __init__(self, releases: Releases, packages: Packages, course: Path) -> None:
        self._releases = releases
        self._packages = packages
        self._course = course
        self._turn = asyncio.Lock()

    async def publish(
        self,
        name: str,
        files: Mapping[str, bytes],
        type_: str | None,
        dates: Dates = NO_DATES,
        say: Callable[[str], None] = lambda text: None,
    ) -> Release:
        """Judge ``files``, prepare the packages of the notebook, then put the item up, all or nothing.

        ``dates``: what they do not say stays as it was. ``say`` is told each step, from any thread.
        ``type_`` None: what the notebook's header says (``mograder-type``), else an assignment.

        Raises:
            NameRefused, Malformed, NotANotebook, Conflict: the files. UnusablePackages: a package.
            IndexUnreachable, EnvironmentFailed: the packages, and not by the notebook's fault.
        """
        await asyncio.to_thread(self._releases.judge, name, files)
        notebook = files[f"{name}.py"]
        # The release is measured by itself: what an instructor publishes may hold anything but be no notebook.
        await uploads.inspect(notebook, f"{name}.py", notebook)
        kind = _type(
            type_ or str(metadata.read(notebook.decode(), f"{name}.py").get("mograder-type", "assignment"))
        )
        async with self._turn:
            known = await asyncio.to_thread(self._releases.find, name)
            window = _window(known, dates)
            lock, _ = await asyncio.to_thread(
                self._packages.prepare, notebook, name, lambda step: say(step.text)
            )
            return await asyncio.to_thread(self._releases.install, name, files, kind, lock.text, window)

    async def current(self, name: str, dates: Dates) -> tuple[Release | None, dict[str, str], Window]:
        """What is published as ``name`` if something is, the SHA-256 of each file, and what ``dates`` would make of
        its dates. Raises Malformed as `publish` would."""
        release = await asyncio.to_thread(self._releases.find, name)
        window = _window(release, dates)
        if release is None:
            return None, {}, window
        files = await asyncio.to_thread(
            lambda: {file: digest(release.read(file)) for file in release.everything}
        )
        return release, files, window

    async def warm(self) -> list[str]:
        """Have the packages of every published item ready; the items' names.

        Raises EnvironmentFailed that names the items whose packages can not be had; the others are ready.
        """
        warmed, failed = [], []
        for release in await asyncio.to_thread(self._releases.all):
            try:
                await self._packages.ready(release)
                warmed.append(release.name)
            except MograderError as error:
                failed.append((release.name, error))
        if failed:
            first = failed[0][1]
            names = ", ".join(name for name, _ in failed)
            raise type(first)(f"Not every item is ready ({names}): {first}")
        return warmed

    async def sync_users(self, users: Iterable[str]) -> int:
        """Let in these people and nobody else (instructors always); how many.

        Raises NameRefused for a name that can not be one; nothing is changed then.
        """
        names = sorted({user_name(user) for user in users})
        text = "".join(f"{name}\n" for name in names)
        await asyncio.to_thread(self._write, text.encode())
        return len(names)

    def _write(self, text: bytes) -> None:
        with Directory.trusted(self._course) as course:
            course.write(ROSTER, text)


def _window(known: Release | None, dates: Dates) -> Window:
    before = ALWAYS if known is None else known.window
    return visibility.window(dates.begin, dates.end, dates.zone or before.zone, before)


def _type(word: str) -> ItemType:
    try:
        return ItemType(word)
    except ValueError:
        raise Malformed(
            '"{word}" is no type of item.', tip="use assignment or lecture.", word=word[:40]
        ) from None
